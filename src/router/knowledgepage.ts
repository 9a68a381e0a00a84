// What a router knows from others, as `/watches.json` and as metrics: each watch of DNS and of namers, and how old what
// it says is.

import type { Clock } from "../base/clock.ts";
import type { Knowledge, Known } from "../name/knowledge.ts";
import type { MetricScope } from "./metrictree.ts";

/** A watch as pages tell of it; times as ISO 8601. */
export type WatchReport = {
  readonly what: string;
  readonly state: Known["state"];
  readonly error: string | undefined;
  readonly changed: string | undefined;
  /** How old what is known may be: 0 while its source answers. */
  readonly ageMs: number;
  readonly keptFrom: string | undefined;
};

/** Each watch with the age of what is known. */
export function knowledgeReport(knowledge: Knowledge, clock: Clock): WatchReport[] {
  const now = clock.wall();
  return knowledge.live.map(({ what, state, error, changedAt, failedAt, keptFrom }) => ({
    what,
    state,
    error,
    changed: printTime(changedAt),
    // Read from the folder, it is as old as it was when it was written.
    ageMs: Math.round(now - (keptFrom ?? failedAt ?? now)),
    keptFrom: printTime(keptFrom),
  }));
}

/** `watches/{total,failed,oldest_ms}`. */
export function measureKnowledge(scope: MetricScope, knowledge: Knowledge, clock: Clock): void {
  const failed = () => knowledge.live.filter(({ state }) => state === "failed");
  scope.gauge(() => knowledge.live.length, "total");
  scope.gauge(() => failed().length, "failed");
  scope.gauge(() => {
    const now = clock.wall();
    return Math.max(
      0,
      ...failed().map(({ keptFrom, failedAt }) => now - (keptFrom ?? failedAt ?? now)),
    );
  }, "oldest_ms");
}

function printTime(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
