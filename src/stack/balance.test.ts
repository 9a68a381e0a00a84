// One contract for every way to choose an endpoint, simulated with a seed, and the set that changes under it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { seededRandom } from "../base/random.ts";
import { Var } from "../base/watch.ts";
import { request, response, turn } from "../../test/support/messages.ts";
import { Balancer, type BalanceOptions, describe } from "./balance.ts";
import { Aperture, type Chooser, LeastLoaded, P2c, RoundRobin } from "./chooser.ts";
import { HttpEndpoint, type Target } from "./endpoint.ts";
import type { Load } from "./latency.ts";

type World = {
  clock: VirtualClock;
  targets: Var<ReadonlyMap<string, Target>>;
  balancer: Balancer;
  closed: string[];
};

const random = seededRandom(7);
const KINDS: Record<string, () => { chooser: Chooser<never>; load: Load | "outstanding" }> = {
  p2c: () => ({ chooser: new P2c(random), load: "outstanding" }),
  ewma: () => ({ chooser: new P2c(random), load: { defaultRttMs: 30, decayMs: 10_000 } }),
  aperture: () => ({
    chooser: new Aperture(
      { smoothWindowMs: 5000, lowLoad: 0.5, highLoad: 2, minAperture: 3 },
      random,
    ),
    load: "outstanding",
  }),
  heap: () => ({ chooser: new LeastLoaded(random), load: "outstanding" }),
  roundRobin: () => ({ chooser: new RoundRobin(), load: "outstanding" }),
};

function target(name: string, weight = 10_000): Target {
  return { ip: name, port: 80, weight, labels: {} };
}

function targetsOf(...list: Target[]): ReadonlyMap<string, Target> {
  return new Map(list.map((one) => [one.ip, one]));
}

/** `takesMs` says how long an endpoint needs for an answer. */
function world(
  kind: keyof typeof KINDS,
  takesMs: (name: string) => number = () => 5,
  options: Partial<BalanceOptions<never, never, never>> = {},
): World {
  const clock = new VirtualClock();
  const targets = new Var<ReadonlyMap<string, Target>>();
  const closed: string[] = [];
  const { chooser, load } = KINDS[kind]!();
  const balancer = new Balancer({
    ...options,
    name: "web:80",
    targets,
    clock,
    random: seededRandom(11),
    chooser: chooser as never,
    endpoint: (one: Target) => {
      const endpoint = new HttpEndpoint(one, {
        clock,
        load,
        service: () =>
          new Promise((resolve) => clock.after(takesMs(one.ip), () => resolve(response()))),
      });
      endpoint.onClose(() => closed.push(one.ip));
      return endpoint;
    },
  });
  return { clock, targets, balancer, closed };
}

/** Sends `n` requests, one every `everyMs`; returns how many each endpoint got. */
async function load(world: World, n: number, everyMs: number): Promise<Record<string, number>> {
  const got: Record<string, number> = {};
  for (let i = 0; i < n; i++) {
    const now = world.clock.now();
    const endpoint = world.balancer.pick(now, undefined)!;
    got[endpoint.target.ip] = (got[endpoint.target.ip] ?? 0) + 1;
    void endpoint.send(request(), now, () => Promise.reject(new Error("not expected")));
    world.clock.advance(everyMs);
    await turn();
  }
  world.clock.advance(10_000);
  await turn();
  return got;
}

for (const kind of Object.keys(KINDS)) {
  test(`${kind}: equal endpoints get equal shares`, async () => {
    const w = world(kind);
    w.targets.set(targetsOf(target("a"), target("b"), target("c")));
    const got = await load(w, 1200, 4);
    for (const name of ["a", "b", "c"])
      assert.ok(got[name]! > 280 && got[name]! < 520, `${name}: ${got[name]}`);
  });

  test(`${kind}: weights are honoured, busy or not`, async () => {
    for (const everyMs of [1, 20]) {
      const w = world(kind);
      w.targets.set(targetsOf(target("a", 30_000), target("b", 10_000)));
      const got = await load(w, 1200, everyMs);
      const share = got["a"]! / 1200;
      assert.ok(share > 0.62 && share < 0.9, `every ${everyMs} ms: ${share}`);
    }
  });

  test(`${kind}: an endpoint that is not ready gets nothing, and traffic again when it is`, async () => {
    const w = world(kind);
    w.targets.set(targetsOf(target("a"), target("b")));
    const a = w.balancer.endpoints.get("a")!;
    a.shut("broken", new Fault("failfast", "x"));
    assert.deepEqual(Object.keys(await load(w, 50, 1)), ["b"]);
    a.open("broken");
    const got = await load(w, 100, 1);
    assert.ok(got["a"]! > 0, "traffic again");
  });

  test(`${kind}: without a ready endpoint it picks none, or a broken one if the pool never empties`, () => {
    for (const neverEmpty of [false, true]) {
      const w = world(kind, undefined, { neverEmpty });
      w.targets.set(targetsOf(target("a"), target("b")));
      for (const endpoint of w.balancer.endpoints.values()) {
        endpoint.shut("broken", new Fault("failfast", "x"));
      }
      assert.equal(w.balancer.available, neverEmpty);
      assert.equal(w.balancer.pick(0, undefined) !== undefined, neverEmpty);
    }
  });

  test(`${kind}: a retry goes to an endpoint that was not tried`, () => {
    const w = world(kind);
    w.targets.set(targetsOf(target("a"), target("b"), target("c")));
    const [a, b, c] = ["a", "b", "c"].map((name) => w.balancer.endpoints.get(name)!);
    for (let i = 0; i < 20; i++) assert.equal(w.balancer.pick(0, [a, b]), c);
    assert.ok(w.balancer.pick(0, [a, b, c]), "when all were tried, any will do");
  });
}

for (const kind of ["p2c", "ewma", "heap", "aperture"]) {
  test(`${kind}: a slow endpoint gets less`, async () => {
    const w = world(kind, (name) => (name === "slow" ? 100 : 5));
    w.targets.set(targetsOf(target("a"), target("b"), target("slow")));
    const got = await load(w, 1200, 3);
    assert.ok(got["slow"]! < 200, `slow got ${got["slow"]} of 1200`);
  });
}

test("ewma: an endpoint that fails fast does not look fast", async () => {
  const clock = new VirtualClock();
  const targets = new Var(targetsOf(target("good"), target("bad")));
  const balancer = new Balancer({
    name: "web:80",
    targets,
    clock,
    random: seededRandom(3),
    endpoint: (one: Target) =>
      new HttpEndpoint(one, {
        clock,
        service: () =>
          new Promise((resolve) => {
            const [ms, status] = one.ip === "bad" ? [1, 503] : [20, 200];
            clock.after(ms, () => resolve(response(status)));
          }),
      }),
  });
  const got = await load({ clock, targets, balancer, closed: [] }, 500, 10);
  assert.ok(got["bad"]! < 100, `bad got ${got["bad"]} of 500`);
});

test("changes of the set leave the other endpoints alone; what is removed finishes first", async () => {
  const w = world("ewma");
  const [a, b] = [target("a"), target("b")];
  w.targets.set(targetsOf(a, b));
  const kept = w.balancer.endpoints.get("a")!;
  const gone = w.balancer.endpoints.get("b")!;
  const sent = gone.send(request(), 0, () => Promise.reject(new Error("no")));
  w.targets.set(targetsOf(a, target("c")));
  assert.equal(w.balancer.endpoints.get("a"), kept);
  assert.deepEqual([...w.balancer.endpoints.keys()], ["a", "c"]);
  assert.deepEqual(w.closed, []);
  w.clock.advance(5);
  assert.equal((await sent).status, 200);
  assert.deepEqual(w.closed, ["b"]);
});

test("what discovery drops stays on probation for as long as it is ready", () => {
  const w = world("p2c", () => 5, { probation: true });
  const [a, b, c] = [target("a"), target("b"), target("c")];
  w.targets.set(targetsOf(a, b, c));
  w.targets.set(targetsOf(a));
  assert.deepEqual([...w.balancer.endpoints.keys()], ["a", "b", "c"]);
  w.balancer.endpoints.get("b")!.shut("broken", new Fault("failfast", "5 failures"));
  assert.deepEqual([...w.balancer.endpoints.keys()], ["a", "c"]);
  w.targets.set(targetsOf(a, c));
  w.balancer.endpoints.get("c")!.shut("broken", new Fault("failfast", "5 failures"));
  assert.equal(w.balancer.endpoints.size, 2, "back in discovery, it is no longer on probation");
});

test("discovery that fails keeps the endpoints", () => {
  const w = world("ewma");
  w.targets.set(targetsOf(target("a")));
  w.targets.fail(new Fault("unavailable", "the control plane is away"));
  assert.equal(w.balancer.readyCount, 1);
});

test("a backend that cannot be used says why", () => {
  const w = world("ewma");
  assert.deepEqual(describe(w.balancer, 0), {
    reason: "discovery",
    text: "its endpoints are not known yet",
  });
  w.targets.set(targetsOf());
  assert.equal(describe(w.balancer, 0).reason, "no-endpoints");
  w.targets.set(targetsOf(target("a"), target("b"), target("c")));
  w.balancer.endpoints.get("a")!.shut("broken", new Fault("failfast", "7 failures"));
  w.clock.advance(1000);
  w.balancer.endpoints.get("b")!.shut("unreachable", new Fault("connect-failed", "ECONNREFUSED"));
  w.clock.advance(2000);
  const { text } = describe(w.balancer, w.clock.now());
  assert.equal(text, "3 endpoints: 1 ready, 1 broken, 1 unreachable (for 2 s: ECONNREFUSED)");
});
