// Which part of a large mesh is drawn. To lay out a thousand workloads takes a browser minutes, and nobody would find
// anything in the picture: the tables have all of them.

import type { Call, Id, Workload } from "../src/viz/live.ts";
import { edgeKey } from "./layout.ts";

const MOST_BOXES = 60;
const MOST_LINES = 120;

/** What is drawn, and how many boxes that would be if all were. */
export type Choice = {
  readonly boxes: readonly Id[];
  /** By `edgeKey`. */
  readonly lines: ReadonlySet<string>;
  readonly all: number;
};

/** The busiest calls with both ends, then the busiest of the other workloads, as far as there is room. */
export function busiest(workloads: readonly Workload[], calls: readonly Call[]): Choice {
  const boxes = new Set<Id>();
  const lines = new Set<string>();
  for (const { src, dst } of calls.toSorted(byRate)) {
    const more = [src, dst].filter((id) => !boxes.has(id));
    if (lines.size === MOST_LINES || boxes.size + more.length > MOST_BOXES) continue;
    for (const id of more) boxes.add(id);
    lines.add(edgeKey(src, dst));
  }
  for (const { id } of workloads.toSorted(byRate)) if (boxes.size < MOST_BOXES) boxes.add(id);
  const all = new Set([
    ...calls.flatMap(({ src, dst }) => [src, dst]),
    ...workloads.map((w) => w.id),
  ]);
  return { boxes: [...boxes].sort(), lines, all: all.size };
}

type Busy = { readonly rps: number | null };

const byRate = (a: Busy, b: Busy): number => (b.rps ?? -1) - (a.rps ?? -1);
