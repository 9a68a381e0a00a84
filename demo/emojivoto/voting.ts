// The workload `voting`: counts votes in memory. Voting for the doughnut always fails, so that a mesh has something to
// find. ARTIFICIAL_DELAY (milliseconds) and FAILURE_RATE (0 to 1) make every vote slower or fail by chance.

import { status } from "@grpc/grpc-js";
import { setTimeout as sleep } from "node:timers/promises";
import { serve, StatusError } from "./grpc.ts";
import type { VotingService } from "./grpc.ts";
import { table } from "./table.ts";
import { numberSetting } from "./workload.ts";

const delayMs = numberSetting("voting", "ARTIFICIAL_DELAY", 0);
const failureRate = numberSetting("voting", "FAILURE_RATE", 0);
const votes = new Map<string, number>();

async function vote(shortcode: string) {
  if (delayMs > 0) await sleep(delayMs);
  if (shortcode === ":doughnut:" || Math.random() < failureRate)
    throw new StatusError(status.UNKNOWN, `the vote for ${shortcode} was lost`);
  votes.set(shortcode, (votes.get(shortcode) ?? 0) + 1);
  return {};
}

const results = () =>
  Array.from(votes, ([shortcode, count]) => ({ shortcode, votes: count })).sort(
    (a, b) => b.votes - a.votes,
  );

await serve<VotingService>("voting", "VotingService", {
  ...Object.fromEntries(table.map((row) => [row.method, () => vote(row.shortcode)])),
  Results: () => ({ results: results() }),
});
