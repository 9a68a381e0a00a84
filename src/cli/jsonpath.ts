// The part of kubectl's JSONPath templates that people use for tap: `{.source.ip}{"\t"}{.requestInitEvent.path}`.

import { Fault } from "../base/fault.ts";

/** Compiles a template; what a path does not find is printed as nothing. */
export function jsonpath(template: string): (value: unknown) => string {
  const parts = [...template.matchAll(/\{([^{}]*)\}|([^{}]+)|[{}]/g)].map(
    ([whole, inside, plain]) => {
      if (plain !== undefined) return () => plain;
      if (inside === undefined) throw wrong(template, whole);
      const quoted = /^"(.*)"$/.exec(inside)?.[1];
      if (quoted !== undefined) {
        const words = quoted.replace(/\\(.)/g, (_, c: string) => ({ n: "\n", t: "\t" })[c] ?? c);
        return () => words;
      }
      return path(template, inside);
    },
  );
  return (value) => parts.map((part) => part(value)).join("");
}

function path(template: string, text: string): (value: unknown) => string {
  const steps = [...text.replace(/^\$/, "").matchAll(/\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]/g)];
  if (steps.map(([step]) => step).join("") !== text.replace(/^\$/, "")) throw wrong(template, text);
  return (value) => {
    let at = value;
    for (const [, name, index, quoted] of steps) {
      at = (at as Record<string, unknown> | null | undefined)?.[(name ?? index ?? quoted)!];
    }
    if (at === undefined || at === null) return "";
    return typeof at === "string" ? at : JSON.stringify(at);
  };
}

function wrong(template: string, part: string): Fault {
  return new Fault(
    "bad-input",
    `"${part}" in ${template} is no path: write for example jsonpath='{.source.ip}'`,
  );
}
