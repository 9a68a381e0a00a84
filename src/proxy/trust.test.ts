// What becomes of anchors that cannot be read, and how often a service is asked that does not know the question.

import assert from "node:assert/strict";
import { test } from "node:test";
import { authority } from "../../test/support/authority.ts";
import { VirtualClock } from "../base/clock.ts";
import { Registry } from "../base/metrics.ts";
import { seededRandom } from "../base/random.ts";
import type { TrustUpdate } from "../../proto/gen/identity_pb.js";
import type { OpenCall } from "./discover.ts";
import { watchTrust } from "./trust.ts";

const MINUTE_MS = 60_000;

/** A service that hears of each stream, and may answer on it. */
function service() {
  const streams: {
    readonly message: (update: TrustUpdate) => void;
    readonly end: (status: number, why: string) => void;
  }[] = [];
  const call = (() => (message: never, end: never) => {
    streams.push({ message, end });
    return () => {};
  }) as unknown as OpenCall;
  const clock = new VirtualClock();
  const registry = new Registry(clock);
  return {
    streams,
    clock,
    told: watchTrust(call, { clock, random: seededRandom(1), registry }),
    failures: () =>
      registry.counter("control_discovery_failures_total", "").with({ topic: "trust" }),
  };
}

const update = (anchors: string): TrustUpdate =>
  ({ anchors, issuer: new Uint8Array([1]) }) as TrustUpdate;

test("anchors that cannot be read leave the last good ones", async () => {
  const { streams, told, failures } = service();
  const { rootsPem } = await authority();
  const seen: string[] = [];
  told.each((answer) => answer.exists && seen.push(answer.value.anchorsPem));
  for (const anchors of [rootsPem, "", rootsPem.replaceAll("A", "B")])
    streams[0]!.message(update(anchors));
  assert.deepEqual(seen, [rootsPem]);
  assert.equal(failures().value, 2);
});

test("a service that does not know the question is asked once an hour", () => {
  const { streams, clock, told } = service();
  told.observe(() => {});
  streams[0]!.end(12, "unknown service");
  clock.advance(59 * MINUTE_MS);
  assert.equal(streams.length, 1);
  clock.advance(2 * MINUTE_MS);
  assert.equal(streams.length, 2);
  // One that is away is asked again at once.
  streams[1]!.end(14, "away");
  clock.advance(MINUTE_MS);
  assert.equal(streams.length, 3);
});
