// Calls as they happen: the stream of taps, added up by what was asked of whom, redrawn a few times a second however
// many calls there are.

import { useEffect, useState } from "preact/hooks";
import type { LiveCall } from "../src/viz/live.ts";
import { stream } from "./api.ts";

export type CallGroup = {
  readonly key: string;
  readonly call: LiveCall;
  count: number;
  good: number;
  best: number;
  worst: number;
  last: number;
};

export type Calls = {
  /** The latest calls, newest first. */
  readonly latest: readonly LiveCall[];
  /** By what was asked of whom, the last changed first. */
  readonly groups: readonly CallGroup[];
  readonly complaint: string;
};

const MOST = 100;
const MOST_GROUPS = 1000;
const REDRAW_MS = 400;
const NOTHING: Calls = { latest: [], groups: [], complaint: "" };

/** The calls that `query` selects, while it is there; undefined taps nothing. */
export function useCalls(query: Readonly<Record<string, string>> | undefined): Calls {
  const [calls, setCalls] = useState(NOTHING);
  const key = query && JSON.stringify(query);
  useEffect(() => {
    if (!query) return;
    setCalls(NOTHING);
    const groups = new Map<string, CallGroup>();
    let latest: LiveCall[] = [];
    const close = stream<LiveCall>(
      "tap",
      query,
      (call) => {
        latest = [call, ...latest].slice(0, MOST);
        add(groups, call);
      },
      (_, complaint) => complaint && setCalls((old) => ({ ...old, complaint })),
    );
    const timer = setInterval(() => {
      setCalls((old) => ({ ...old, latest, groups: [...groups.values()].slice(-MOST).reverse() }));
    }, REDRAW_MS);
    return () => {
      clearInterval(timer);
      close();
    };
  }, [key]);
  return calls;
}

/** The other end of a call, seen from the workload that is tapped. */
export function peerOf(call: LiveCall): string {
  return call.direction === "inbound" ? call.source : call.destination;
}

function add(groups: Map<string, CallGroup>, call: LiveCall): void {
  // Queries would make a row of every call.
  const path = call.path.split("?")[0]!;
  const key = [call.direction, call.source, call.destination, call.method, path].join(" ");
  const group = groups.get(key) ?? {
    key,
    call: { ...call, path },
    count: 0,
    good: 0,
    best: Infinity,
    worst: 0,
    last: 0,
  };
  group.count++;
  if (call.ok) group.good++;
  group.best = Math.min(group.best, call.latencyMs);
  group.worst = Math.max(group.worst, call.latencyMs);
  group.last = call.latencyMs;
  // What changes goes to the end, which is shown first; what has not for long is forgotten.
  groups.delete(key);
  groups.set(key, group);
  if (groups.size > MOST_GROUPS) groups.delete(groups.keys().next().value!);
}
