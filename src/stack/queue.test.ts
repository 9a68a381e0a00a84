// Waiting for an endpoint, failing fast, and the sentences that say why.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { seededRandom } from "../base/random.ts";
import { Var } from "../base/watch.ts";
import type { HttpReq } from "../io/message.ts";
import { pass, request, response, scripted, streaming, turn } from "../../test/support/messages.ts";
import { Balancer } from "./balance.ts";
import { HttpEndpoint, type Target } from "./endpoint.ts";
import { Queue } from "./queue.ts";
import type { HttpService } from "./types.ts";

type World = {
  clock: VirtualClock;
  queue: Queue;
  set: (...names: string[]) => void;
  endpoint: (name: string) => HttpEndpoint;
  events: string[];
};

function world(service: (name: string) => HttpService = () => scripted(() => response())): World {
  const clock = new VirtualClock();
  const targets = new Var<ReadonlyMap<string, Target>>();
  const known = new Map<string, Target>();
  const events: string[] = [];
  const balancer = new Balancer({
    name: "web:80",
    targets,
    clock,
    random: seededRandom(1),
    endpoint: (one: Target) => new HttpEndpoint(one, { clock, service: service(one.ip) }),
  });
  const queue = new Queue(balancer, {
    clock,
    capacity: 2,
    failfastMs: 3000,
    watcher: {
      passed: (ms) => events.push(`passed ${ms}`),
      length: () => {},
      gate: (state) => events.push(state),
      endpoints: () => {},
    },
  });
  return {
    clock,
    queue,
    events,
    endpoint: (name) => balancer.endpoints.get(name) as HttpEndpoint,
    set: (...names) => {
      for (const ip of names) {
        if (!known.has(ip)) known.set(ip, { ip, port: 80, weight: 1, labels: {} });
      }
      targets.set(new Map(names.map((ip) => [ip, known.get(ip)!])));
    },
  };
}

const down = new Fault("failfast", "7 failures in a row");

/** What became of a request: its status, or the fault's code and message. */
async function outcome(sent: Promise<{ status: number }>): Promise<unknown> {
  return sent.then(
    (rsp) => rsp.status,
    (fault: Fault) => `${fault.code}: ${fault.message}`,
  );
}

test("a ready endpoint gets the request at once", async () => {
  const w = world();
  w.set("a");
  assert.equal((await w.queue.service(request())).status, 200);
  assert.deepEqual(w.events, ["shut", "open", "passed 0"]);
});

test("requests wait for discovery, in order, and say how long", async () => {
  const w = world();
  const sent = [w.queue.service(request()), w.queue.service(request())];
  await pass(w.clock, 250);
  w.set("a");
  for (const one of sent) assert.equal((await one).status, 200);
  assert.deepEqual(w.events, ["shut", "open", "passed 250", "passed 250"]);
});

test("a backend known to have no endpoints fails at once", async () => {
  const w = world();
  w.set();
  assert.equal(w.queue.available, false);
  assert.equal(
    await outcome(w.queue.service(request())),
    "no-endpoints: web:80: no-endpoints for 0 ms: it has no endpoints",
  );
});

test("whoever waits is refused as soon as it turns out that there are no endpoints", async () => {
  const w = world();
  const sent = outcome(w.queue.service(request()));
  w.set();
  assert.match(String(await sent), /^no-endpoints/);
});

test("without a ready endpoint for 3 s it fails fast, with the reason, until one is ready again", async () => {
  const w = world();
  w.set("a", "b", "c");
  for (const name of ["a", "b", "c"]) w.endpoint(name).shut("broken", down);
  const waiting = outcome(w.queue.service(request()));
  assert.equal(w.queue.available, true);
  await pass(w.clock, 3000);
  const refusal =
    "failfast: web:80: service in fail-fast (all-broken) for 3 s: " +
    "3 endpoints: 0 ready, 3 broken, 0 unreachable (for 3 s: 7 failures in a row)";
  assert.equal(await waiting, refusal);
  assert.equal(w.queue.available, false);
  assert.equal(await outcome(w.queue.service(request())), refusal, "at once");
  w.endpoint("b").open("broken");
  assert.equal(await outcome(w.queue.service(request())), 200);
  assert.deepEqual(w.events.slice(2), ["shut", "failfast", "open", "passed 0"]);
});

test("a full queue sheds", async () => {
  const w = world();
  const waiting = [w.queue.service(request()), w.queue.service(request())];
  const shed = String(await outcome(w.queue.service(request())));
  assert.match(shed, /^load-shed: web:80: queue-full \(2 requests wait\)/);
  w.set("a");
  await Promise.all(waiting);
});

test("a request whose client leaves while it waits makes room", async () => {
  const w = world();
  const [first, second] = [request(), request()];
  const sent = outcome(w.queue.service(first));
  void outcome(w.queue.service(second));
  first.cancel(new Fault("cancelled", "gone", { side: "client" }));
  assert.equal(await sent, "cancelled: gone");
  const third = w.queue.service(request());
  w.set("a");
  assert.equal((await third).status, 200);
});

test("a failed connect sends the request to another endpoint", async () => {
  const refused = new Fault("connect-failed", "connection refused");
  const seen: string[] = [];
  const w = world((name) => async (req: HttpReq) => {
    seen.push(name);
    if (name === "good") return response();
    w.endpoint(name).shut("unreachable", refused);
    assert.equal(req.tried?.length ?? 0, seen.length - 1);
    throw refused;
  });
  w.set("bad1", "bad2", "good");
  assert.equal((await w.queue.service(request())).status, 200);
  assert.equal(seen.at(-1), "good");
});

test("another endpoint gets the request as it came, whatever was done to it for the first", async () => {
  const refused = new Fault("refused-stream", "not now", { side: "upstream", retryable: true });
  const seen: string[] = [];
  const w = world(() => async (req: HttpReq) => {
    seen.push(`${req.authority} ${req.headers.join(" ")}`);
    req.headers.push("l5d-orig-proto", "HTTP/1.1");
    req.authority = "gateway";
    if (seen.length === 1) throw refused;
    return response();
  });
  w.set("a", "b");
  await w.queue.service(request({ headers: ["l5d-require-id", "web"] }));
  assert.deepEqual(seen, Array(2).fill("web.example:80 l5d-require-id web"));
});

test("a request that all endpoints refuse waits for another one", async () => {
  const asked: string[] = [];
  const w = world((name) => async () => {
    asked.push(name);
    if (name === "good") return response();
    throw new Fault("refused-stream", "not now", { side: "upstream" });
  });
  w.set("a");
  const sent = outcome(w.queue.service(request()));
  await pass(w.clock, 1000);
  assert.deepEqual(asked, ["a", "a"], "not a third time");
  w.set("a", "b");
  await pass(w.clock, 1000);
  assert.deepEqual(asked.slice(2, 3), ["b"]);
  assert.equal(asked.length, 4, "the new one, and one of both once more");
  w.set("a", "b", "good");
  assert.equal(await sent, 200);
});

test("where no other endpoint comes for 3 s, refusals go to the client, and later ones at once", async () => {
  const w = world(() => async () => {
    throw new Fault("refused-stream", "not now", { side: "upstream" });
  });
  w.set("a");
  const first = outcome(w.queue.service(request({ at: w.clock.now() })));
  await pass(w.clock, 2000);
  const second = outcome(w.queue.service(request({ at: w.clock.now() })));
  await pass(w.clock, 999);
  assert.equal(w.queue.state.waiting, 2);
  await pass(w.clock, 1);
  assert.deepEqual(await Promise.all([first, second]), Array(2).fill("refused-stream: not now"));
  const third = request({ at: w.clock.now() });
  assert.equal(await outcome(w.queue.service(third)), "refused-stream: not now");
  await pass(w.clock, 3000);
  void outcome(w.queue.service(request({ at: w.clock.now() })));
  await turn();
  assert.equal(w.queue.state.waiting, 1, "refusals have stopped in between");
  w.queue.close();
});

test("who waits for another endpoint may leave, and takes a place in the queue", async () => {
  const w = world(() => async () => {
    throw new Fault("refused-stream", "not now", { side: "upstream" });
  });
  w.set("a");
  const left = request();
  const sent = outcome(w.queue.service(left));
  void outcome(w.queue.service(request()));
  await turn();
  assert.equal(await outcome(w.queue.service(request())), "refused-stream: not now", "full");
  left.cancel(new Fault("cancelled", "gone", { side: "client" }));
  assert.equal(await sent, "cancelled: gone");
  assert.equal(w.queue.state.waiting, 1);
  w.queue.close();
});

test("a streaming body that may be gone in part is not sent elsewhere", async () => {
  const refused = new Fault("refused-stream", "not now", { side: "upstream", retryable: true });
  let sent = 0;
  const w = world(() => async () => {
    sent += 1;
    throw refused;
  });
  w.set("a", "b");
  await assert.rejects(w.queue.service(request({ body: streaming().body })), {
    code: "refused-stream",
  });
  assert.equal(sent, 1);
});

test("a failed connect with no other endpoint waits for one, and fails when the time is over", async () => {
  const refused = new Fault("connect-failed", "connection refused");
  const w = world((name) => async () => {
    w.endpoint(name).shut("unreachable", refused);
    throw refused;
  });
  w.set("bad");
  const sent = outcome(w.queue.service(request()));
  await pass(w.clock, 2999);
  await pass(w.clock, 1);
  assert.match(String(await sent), /^failfast: .*\(connect-failed\).*: connection refused\)$/);
});

test("an endpoint on probation gets one of those who wait", async () => {
  const w = world((name) => () => {
    w.endpoint(name).shut("broken", down);
    return new Promise(() => {});
  });
  w.set("a");
  w.endpoint("a").shut("broken", down);
  for (let i = 0; i < 2; i++) void outcome(w.queue.service(request()));
  w.endpoint("a").open("broken");
  await turn();
  assert.equal(w.endpoint("a").pending, 1);
  assert.equal(w.queue.busy, true);
});

test("closing refuses who waits and lets the rest finish", async () => {
  let finish = (): void => {};
  const w = world(() => () => new Promise((resolve) => (finish = () => resolve(response()))));
  const waiting = outcome(w.queue.service(request()));
  w.queue.close();
  assert.match(String(await waiting), /^closed/);
  const other = world(() => () => new Promise((resolve) => (finish = () => resolve(response()))));
  other.set("a");
  const sent = other.queue.service(request());
  const events = [...other.events];
  other.queue.close();
  finish();
  assert.equal((await sent).status, 200);
  await pass(other.clock, 3000);
  assert.deepEqual(other.events, events, "a closed queue has no gate");
});
