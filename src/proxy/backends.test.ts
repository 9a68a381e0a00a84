// Backends and the target that holds them: what stays, what is closed, and who is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { seededRandom } from "../base/random.ts";
import { Var, type Watch } from "../base/watch.ts";
import { DEFAULT_LOAD } from "../stack/latency.ts";
import { Backends } from "./backends.ts";
import { OutboundMetrics } from "./outboundmetrics.ts";
import { type AddressSet, type Backend, builtIn } from "./policy.ts";
import type { Sidecar } from "./sidecar.ts";
import type { Answer } from "./subscription.ts";
import { Target } from "./target.ts";

const META = builtIn("test");

function world() {
  const clock = new VirtualClock();
  const registry = new Registry(clock);
  const metrics = new OutboundMetrics(registry, false);
  const endpoints = new Map<string, Var<Answer<AddressSet>>>();
  const pending = (): Watch<never> => new Var<never>();
  const outbound = { tcpFailfastMs: 3000, queueCapacity: 1, failfastMs: 1, detectTimeoutMs: 1 };
  const sidecar = {
    clock,
    registry,
    random: seededRandom(1),
    logger: log.logger("test"),
    settings: { outbound },
    discover: {
      endpoints: (path: string) => {
        const watch = new Var<Answer<AddressSet>>();
        endpoints.set(path, watch);
        return watch;
      },
      outboundPolicy: pending,
      profile: pending,
    },
  } as unknown as Sidecar;
  return { sidecar, metrics, isWatched: (path: string) => endpoints.get(path)!.observed };
}

function backendTo(path: string): Backend {
  const queue = { capacity: 1, failfastMs: 1000 };
  return { meta: META, queue, to: { kind: "balance", path, load: DEFAULT_LOAD } };
}

test("a policy that cannot be bound costs no backend of the one before, and leaves none of its own", () => {
  const { sidecar, metrics, isWatched } = world();
  const backends = new Backends(sidecar, metrics);
  const bind = (path: string) => backends.http(META, backendTo(path), undefined);
  backends.rebind(() => bind("old"));
  const binding = () =>
    backends.rebind(() => {
      bind("old");
      bind("new");
      throw new Error("no");
    });
  assert.throws(binding, /no/);
  assert.deepEqual([isWatched("old"), isWatched("new")], [true, false]);
  backends.close();
  assert.equal(isWatched("old"), false);
});

test("who waits for what is known of a target hears of it when the target is closed", async () => {
  const { sidecar, metrics } = world();
  const target = new Target("web:80", sidecar, metrics, () => assert.fail("there is no policy"));
  let isTold = false;
  void target.known.then(() => (isTold = true));
  target.close();
  await Promise.resolve();
  assert.ok(isTold);
});
