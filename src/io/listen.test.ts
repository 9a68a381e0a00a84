// Listening and dialling: what is bound, what is refused and why, and what the kernel was told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock, VirtualClock } from "../base/clock.ts";
import type { Conn } from "./conn.ts";
import { dial } from "./dial.ts";
import { listen } from "./listen.ts";
import { hasSocketOptions, socketOption } from "./sockopt.ts";

const local = { ip: "127.0.0.1", port: 0 };
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

test("connections know both their ends and where they were meant to go", async () => {
  const original = { ip: "10.1.2.3", port: 80 };
  const conns: Conn[] = [];
  const listening = await listen(local, { original, noTls: "loopback" }, (conn) =>
    conns.push(conn),
  );
  const conn = await dial(listening.addr, { clock: systemClock, timeoutMs: 1000 });
  while (conns.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const { peer } = conns[0]!;
  assert.deepEqual(peer.original, original);
  assert.deepEqual(peer.local, listening.addr);
  assert.deepEqual(peer.remote, conn.peer.local);
  assert.deepEqual(peer.tls, { kind: "no_identity", reason: "loopback" });
  conn.destroy();
  conns[0]!.destroy();
  listening.close();
});

test("a port that is taken is a fault that says so", async () => {
  const listening = await listen(local, {}, () => {});
  const again = listen(listening.addr, { hint: "Choose another with --port." }, () => {});
  const { ip, port } = listening.addr;
  await assert.rejects(again, {
    code: "in-use",
    message: `${ip}:${port} is in use by another program. Choose another with --port.`,
  });
  listening.close();
});

test("a dial that gets no answer ends in time, and one that is refused says so", async () => {
  const clock = new VirtualClock();
  // Nobody answers there (RFC 5737), whether packets vanish or the network is unreachable at once.
  const lost = dial({ ip: "192.0.2.1", port: 9 }, { clock, timeoutMs: 1000 });
  clock.advance(1000);
  await assert.rejects(lost, /192\.0\.2\.1:9/);
  const listening = await listen(local, {}, () => {});
  listening.close();
  const refused = dial(listening.addr, { clock, timeoutMs: 1000 });
  await assert.rejects(refused, { code: "connect-failed", side: "upstream" });
});

test("the kernel is told how long to wait for acknowledgements", async (t) => {
  if (!hasSocketOptions) return t.skip("Linux only");
  const conns: Conn[] = [];
  const listening = await listen(local, { userTimeoutMs: 20_000 }, (conn) => conns.push(conn));
  const conn = await dial(listening.addr, {
    clock: systemClock,
    timeoutMs: 1000,
    userTimeoutMs: 30_000,
  });
  while (conns.length === 0) await new Promise((resolve) => setImmediate(resolve));
  for (const [{ socket }, expected] of [
    [conn, 30_000],
    [conns[0]!, 20_000],
  ] as const) {
    const value = Buffer.alloc(4);
    assert.ok(socketOption(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, value));
    assert.equal(new Uint32Array(value.buffer, value.byteOffset, 1)[0], expected);
  }
  conn.destroy();
  conns[0]!.destroy();
  listening.close();
});
