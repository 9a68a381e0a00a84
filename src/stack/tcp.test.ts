// Connections through a balancer, and their metrics.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Registry } from "../base/metrics.ts";
import { seededRandom } from "../base/random.ts";
import { Var } from "../base/watch.ts";
import type { Conn } from "../io/conn.ts";
import { turn } from "../../test/support/messages.ts";
import { Balancer } from "./balance.ts";
import type { Target } from "./endpoint.ts";
import { Queue } from "./queue.ts";
import { ConnFamilies, ConnStats, TcpEndpoint } from "./tcp.ts";

type FakeConn = { closed: boolean; readBytes: number; writtenBytes: number };

function conn(): Conn & FakeConn {
  const fake: FakeConn = { closed: false, readBytes: 0, writtenBytes: 0 };
  return fake as Conn & FakeConn;
}

/** Two endpoints behind a queue; `dial` says how connecting goes, and spliced connections end by hand. */
function world(dial: (name: string, endpoint: TcpEndpoint) => Promise<Conn>) {
  const clock = new VirtualClock();
  const registry = new Registry(clock);
  const families = new ConnFamilies(registry);
  const spliced: { server: Conn; end: (fault?: Fault) => void }[] = [];
  const targets = ["a", "b"].map((ip): Target => ({ ip, port: 1, weight: 1, labels: {} }));
  const balancer = new Balancer<Conn, void>({
    name: "db:5432",
    targets: new Var(new Map(targets.map((target) => [target.ip, target]))),
    clock,
    random: seededRandom(1),
    endpoint: (target) => {
      const endpoint = new TcpEndpoint(target, {
        clock,
        stats: new ConnStats(registry, families, { peer: "dst", target_addr: target.ip }),
        splice: (_, server) => new Promise((end) => spliced.push({ server, end })),
      });
      endpoint.dial = () => dial(target.ip, endpoint);
      return endpoint;
    },
  });
  const queue = new Queue(balancer, { clock, capacity: 10, failfastMs: 3000 });
  return { clock, registry, balancer, queue, spliced };
}

test("a connection goes to an endpoint, counts there while it lasts, and is over when it ends", async () => {
  const w = world(async () => conn());
  const served = w.queue.service(conn());
  await turn();
  const pending = () =>
    [...w.balancer.endpoints.values()]
      .map((endpoint) => endpoint.pending)
      .toSorted((a, b) => a - b);
  assert.deepEqual(pending(), [0, 1]);
  w.spliced[0]!.end();
  await served;
  assert.deepEqual(pending(), [0, 0]);
});

test("connections spread by how many each endpoint has", async () => {
  const w = world(async () => conn());
  for (let i = 0; i < 10; i++) {
    void w.queue.service(conn());
    await turn();
  }
  assert.deepEqual(
    [...w.balancer.endpoints.values()].map(({ pending }) => pending),
    [5, 5],
  );
});

test("an endpoint that cannot be reached passes the connection on", async () => {
  const refused = new Fault("connect-failed", "connection refused");
  const dialled: string[] = [];
  const w = world(async (name, endpoint) => {
    dialled.push(name);
    if (dialled.length > 1) return conn();
    endpoint.shut("unreachable", refused);
    throw refused;
  });
  void w.queue.service(conn());
  await turn();
  assert.equal(w.spliced.length, 1);
  assert.notEqual(dialled[0], dialled[1]);
});

test("when no endpoint can be reached, the connection fails with what happened", async () => {
  const refused = new Fault("connect-failed", "connection refused");
  const w = world(async (_, endpoint) => {
    endpoint.shut("unreachable", refused);
    throw refused;
  });
  await assert.rejects(w.queue.service(conn()), { code: "connect-failed" });
});

test("a client that has gone while it waited is not connected", async () => {
  let dialled = 0;
  const w = world(async () => {
    dialled += 1;
    return conn();
  });
  await w.queue.service(Object.assign(conn(), { closed: true }));
  assert.equal(dialled, 0);
});

test("bytes are counted as they pass, connections by how they ended", async () => {
  const w = world(async () => conn());
  void w.queue.service(conn());
  await turn();
  const { server, end } = w.spliced[0]!;
  Object.assign(server, { readBytes: 10, writtenBytes: 20 });
  const samples = () =>
    w.registry
      .print()
      .split("\n")
      .filter((line) => !line.startsWith("#") && /[1-9]\d*$/.test(line))
      .map((line) => line.replace(/target_addr="[ab]"/, ""));
  assert.deepEqual(samples(), [
    'tcp_open_connections{peer="dst",} 1',
    'tcp_open_total{peer="dst",} 1',
    'tcp_read_bytes_total{peer="dst",} 10',
    'tcp_write_bytes_total{peer="dst",} 20',
  ]);
  Object.assign(server, { readBytes: 15 });
  end(new Fault("io", "reset", { cause: Object.assign(new Error("x"), { code: "ECONNRESET" }) }));
  await turn();
  assert.deepEqual(samples(), [
    'tcp_close_total{peer="dst",,errno="ECONNRESET"} 1',
    'tcp_open_total{peer="dst",} 1',
    'tcp_read_bytes_total{peer="dst",} 15',
    'tcp_write_bytes_total{peer="dst",} 20',
  ]);
});
