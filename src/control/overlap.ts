// Two Servers for one port of one pod would leave it to chance which rules: the later is refused. Which pods two selectors
// share cannot be known beforehand, so equal selectors and those that select everything count, as in Linkerd.

import { isDeepStrictEqual } from "node:util";
import { kindOf, type Resource } from "../platform/kinds.ts";
import type { ResourceMap } from "../platform/resources.ts";
import type { RawObject } from "./manifest.ts";

type Spec = Resource<"Server">["spec"];

/** What is wrong with a Server beside the others of its namespace; nothing for other kinds. */
export function overlapsOf(
  { apiVersion = "", kind = "", metadata, spec }: RawObject,
  namespace: string,
  servers: ResourceMap<"Server">,
): string[] {
  if (kindOf(apiVersion, kind) !== "Server") return [];
  const own = spec as unknown as Spec;
  return [...servers.values()]
    .filter(
      (other) =>
        other.metadata.namespace === namespace &&
        other.metadata.name !== metadata?.name &&
        other.spec.port === own.port &&
        (overlap(other.spec.podSelector, own.podSelector) ||
          overlap(other.spec.externalWorkloadSelector, own.externalWorkloadSelector)),
    )
    .map(
      (other) =>
        `the Server ${namespace}/${other.metadata.name} is for port ${own.port} of the same workloads already`,
    );
}

type Selector = Partial<NonNullable<Spec["podSelector"]>>;

function overlap(one: Selector | undefined, other: Selector | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return isEmpty(one) || isEmpty(other) || isDeepStrictEqual(whole(one), whole(other));
}

const whole = ({ matchLabels = {}, matchExpressions = [] }: Selector) => ({
  matchLabels,
  matchExpressions,
});

const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: Selector): boolean =>
  Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
