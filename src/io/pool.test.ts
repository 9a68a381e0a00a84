// The pool of HTTP/1 connections over real sockets, with a server that a test plays by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, OK, RawServer, turns } from "../../test/support/h1.ts";
import { faultOf, text } from "../../test/support/h2.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Conn } from "./conn.ts";
import { H1Pool } from "./pool.ts";

test("a pool uses the connection last used, and closes what waits too long", async () => {
  const clock = new VirtualClock();
  await using server = await RawServer.listen();
  const pool = new H1Pool(() => server.dial(), { clock, idleTimeoutMs: 1000, maxIdle: 2 });
  const pending = [1, 2, 3].map(() => pool.service(ask("GET")));
  const peers = [await server.accept(), await server.accept(), await server.accept()];
  for (const peer of peers) {
    await peer.until("\r\n\r\n");
    peer.send(OK);
    await turns();
    clock.advance(100);
  }
  await Promise.all(pending);
  await peers[2]!.rest();
  assert.equal(pool.open, 2, "no more than two wait");
  for (let i = 0; i < 3; i++) {
    const rsp = pool.service(ask("GET"));
    await peers[1]!.until("\r\n\r\n");
    peers[1]!.send(OK);
    await rsp;
    await turns();
    clock.advance(300);
  }
  await peers[0]!.rest();
  await turns();
  assert.equal(pool.open, 1);
  clock.advance(1000);
  await peers[1]!.rest();
  await turns();
  assert.equal(pool.open, 0);
  assert.equal(server.connections, 3);
});

test("a pool keeps as many connections as it is told to, however long they are idle", async () => {
  const clock = new VirtualClock();
  await using server = await RawServer.listen();
  const pool = new H1Pool(() => server.dial(), { clock, idleTimeoutMs: 1000, minOpen: 1 });
  const pending = [1, 2].map(() => pool.service(ask("GET")));
  const peers = [await server.accept(), await server.accept()];
  for (const peer of peers) {
    await peer.until("\r\n\r\n");
    peer.send(OK);
    await turns();
  }
  await Promise.all(pending);
  clock.advance(1000);
  await peers[0]!.rest();
  await turns();
  clock.advance(10_000);
  await turns();
  assert.equal(pool.open, 1);
  const again = pool.service(ask("GET"));
  await peers[1]!.until("\r\n\r\n");
  peers[1]!.send(OK);
  await again;
  assert.equal(server.connections, 2);
});

test("a pool forgets connections that their server closes, and closes with its endpoint", async () => {
  const clock = new VirtualClock();
  await using server = await RawServer.listen();
  const pool = new H1Pool(() => server.dial(), { clock });
  const first = pool.service(ask("GET"));
  const peer = await server.accept();
  await peer.until("\r\n\r\n");
  peer.send(OK);
  await first;
  peer.socket.end();
  while (pool.open > 0) await turns(1);
  const second = pool.service(ask("GET"));
  const other = await server.accept();
  await other.until("\r\n\r\n");
  pool.close();
  other.send(OK);
  assert.equal(await text((await second).body), "ok");
  assert.equal(await other.rest(), "");
  assert.equal((await faultOf(pool.service(ask("GET")))).code, "closed");
});

test("a connection that is just being closed is not used", async () => {
  await using server = await RawServer.listen();
  const clients: Conn[] = [];
  const dial = async (): Promise<Conn> => {
    clients.push(await server.dial());
    return clients.at(-1)!;
  };
  const pool = new H1Pool(dial, { clock: new VirtualClock() });
  const first = pool.service(ask("POST"));
  const peer = await server.accept();
  await peer.until("\r\n\r\n");
  peer.send(OK);
  await first;
  // FIN has been read, but the socket's end has not been told yet.
  let second: Promise<unknown> | undefined;
  clients[0]!.socket.once("end", () => {
    second = pool.service(ask("POST"));
  });
  peer.socket.end();
  const other = await server.accept();
  await other.until("\r\n\r\n");
  other.send(OK);
  await second;
});

test("a failed dial is the request's fault; a cancelled one leaves its connection behind", async () => {
  const clock = new VirtualClock();
  const refused = new Fault("connect-failed", "refused");
  const broken = new H1Pool(() => Promise.reject(refused), { clock });
  assert.equal(await faultOf(broken.service(ask("GET"))), refused);

  await using server = await RawServer.listen();
  const pool = new H1Pool(() => server.dial(), { clock });
  const req = ask("GET");
  const fault = faultOf(pool.service(req));
  req.cancel(new Fault("cancelled", "gone"));
  assert.equal((await fault).code, "cancelled");
  const next = pool.service(ask("GET"));
  const peer = await server.accept();
  await peer.until("\r\n\r\n");
  peer.send(OK);
  await next;
  assert.equal(server.connections, 1);
});
