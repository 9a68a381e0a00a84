// Where the pods of a service are, as its labels and annotations say: in another cluster, in several, or here.

import type { Service } from "../platform/kinds.ts";
import { FLAT } from "./link.ts";

/** A service as one of its clusters has it; no cluster is this one. */
export type Member = { readonly cluster: string | undefined; readonly name: string };

/** Where the pods of a service are, if not simply here. */
export function membersOf({ metadata }: Service): readonly Member[] | undefined {
  const { labels, annotations } = metadata;
  const cluster = labels[FLAT.cluster];
  if (cluster !== undefined) return [{ cluster, name: labels[FLAT.service] ?? "" }];
  const [remote, local] = [annotations[FLAT.cluster], annotations[FLAT.local]];
  if (remote === undefined && local === undefined) return undefined;
  const far = (remote ?? "")
    .split(",")
    .filter(Boolean)
    .map((word) => {
      const [name = "", of] = word.split("@");
      return { cluster: of, name };
    });
  return local ? [...far, { cluster: undefined, name: local }] : far;
}
