// Children of a metric family that differ in one label, for what is only known when it happens, such as how a
// connection ended.

import type { Family, Labels, Metric } from "./metrics.ts";

/** The child for a value of the label `name`, of which there are few: each is looked up once. */
export function byLabel<C extends Metric>(
  family: Family<C>,
  name: string,
  labels: Labels,
): (value: string) => C {
  const known = new Map<string, C>();
  return (value) => {
    let child = known.get(value);
    if (child === undefined) known.set(value, (child = family.with({ ...labels, [name]: value })));
    return child;
  };
}
