// Leadership among replicas that share an API server: one at a time, and another soon after the first is gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { KubeRequest } from "./kubeapi.ts";
import { watchLease } from "./lease.ts";

/** An API server that has one lease, and refuses who has not seen its latest version. */
function server() {
  let version = 0;
  let lease: { metadata: { resourceVersion: string }; spec: object } | undefined;
  const [away, unanswered] = [new Set<string>(), new Set<string>()];
  return {
    away,
    unanswered,
    of: (identity: string) => ({
      request: async <T>(_: string, { method = "GET", body }: KubeRequest = {}): Promise<T> => {
        if (away.has(identity)) throw new Fault("unavailable", "away");
        if (unanswered.has(identity)) return new Promise(() => {});
        if (method === "GET") {
          if (!lease) throw new Fault("not-found", "no lease");
          return lease as T;
        }
        const given = body as NonNullable<typeof lease>;
        const isStale =
          method === "POST" ? lease : given.metadata.resourceVersion !== String(version);
        if (isStale) throw new Fault("in-use", "conflict");
        lease = { ...given, metadata: { resourceVersion: String(++version) } };
        return lease as T;
      },
    }),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
async function pass(clock: VirtualClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    clock.advance(1000);
    await settled();
  }
}

function replica(api: ReturnType<typeof server>, identity: string, clock: VirtualClock) {
  const lease = watchLease(api.of(identity), { namespace: "ns", name: "l", identity, clock });
  const state = { leads: false, close: () => {} };
  state.close = lease.each((leads) => (state.leads = leads));
  return state;
}

/** Two replicas, of which the second leads after what happens to the first; never both at once. */
async function takenOver(api: ReturnType<typeof server>, clock: VirtualClock, happens: () => void) {
  const a = replica(api, "a", clock);
  await pass(clock, 1);
  const b = replica(api, "b", clock);
  await pass(clock, 10);
  assert.deepEqual([a.leads, b.leads], [true, false]);
  happens();
  for (let i = 0; i < 60; i++) {
    await pass(clock, 1);
    assert.ok(!(a.leads && b.leads), `both lead after ${i} s`);
  }
  assert.deepEqual([a.leads, b.leads], [false, true]);
  return [a, b] as const;
}

test("one of two leads, and the other when it has given the lease back", async () => {
  const [clock, api] = [new VirtualClock(), server()];
  const [a, b] = [replica(api, "a", clock), replica(api, "b", clock)];
  await pass(clock, 60);
  assert.deepEqual([a.leads, b.leads].filter(Boolean).length, 1);
  const [leader, other] = a.leads ? [a, b] : [b, a];
  leader.close();
  await pass(clock, 6);
  assert.ok(other.leads);
  other.close();
});

test("one that cannot renew stops to lead before another begins", async (t) => {
  const { filter } = log;
  log.filter = "off"; // It says so each time that it cannot.
  t.after(() => (log.filter = filter));
  const [clock, api] = [new VirtualClock(), server()];
  const [a, b] = await takenOver(api, clock, () => api.away.add("a"));
  api.away.clear();
  await pass(clock, 60);
  assert.deepEqual([a.leads, b.leads], [false, true]);
  a.close();
  b.close();
});

test("one that waits for an answer stops to lead before another begins", async () => {
  const [clock, api] = [new VirtualClock(), server()];
  const [, b] = await takenOver(api, clock, () => api.unanswered.add("a"));
  b.close();
});
