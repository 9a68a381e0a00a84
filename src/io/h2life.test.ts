// The life of an HTTP/2 connection: how many streams it takes, how it is known to be alive, and how it ends.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import {
  dialH2,
  faultOf,
  HandFed,
  listenH2,
  ok,
  request,
  settle,
  Slow,
  text,
} from "../../test/support/h2.ts";
import { VirtualClock } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";

test("streams beyond the server's limit wait at the client, beyond the client's knowledge they are refused", async () => {
  let running = 0;
  let most = 0;
  await using server = await listenH2(
    async () => {
      most = Math.max(most, ++running);
      await settle(2);
      running--;
      return ok();
    },
    { maxConcurrentStreams: 3 },
  );
  await using client = await dialH2(server.port);
  const changes: boolean[] = [];
  client.onReady = (ready) => changes.push(ready);
  // The settings have not arrived yet, so that a hundred may be sent at once.
  const first = await Promise.allSettled(
    Array.from({ length: 10 }, () => client.request(request("GET", "/"))),
  );
  const refused = first.filter((result) => result.status === "rejected");
  assert.equal(refused.length, 7);
  for (const result of refused) {
    const fault = result.reason as Fault;
    assert.deepEqual([fault.code, fault.retryable], ["refused-stream", true]);
  }
  const later = await Promise.all(
    Array.from({ length: 10 }, () => client.request(request("GET", "/"))),
  );
  assert.equal(later.length, 10);
  assert.equal(most, 3);
  assert.deepEqual(changes.slice(-2), [false, true]);
});

test("a draining server finishes what is under way and refuses the rest", async () => {
  let finish: (() => void) | undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  await using server = await listenH2(async () => {
    await finished;
    return ok("finished");
  });
  await using client = await dialH2(server.port);
  const underWay = client.request(request("GET", "/"));
  await settle();
  server.servers[0]!.drain();
  while (client.ready) await settle(1);
  const refused = await faultOf(client.request(request("GET", "/late")));
  assert.deepEqual([refused.code, refused.retryable], ["refused-stream", true]);
  finish!();
  assert.equal(await text((await underWay).body), "finished");
  await Promise.all([client.done, server.servers[0]!.done]);
});

test("a server that drains announces its end once, however often it is told to", async () => {
  await using server = await listenH2(() => Promise.resolve(ok("fine")));
  await using client = await dialH2(server.port);
  await client.request(request("GET", "/"));
  const told: number[] = [];
  const onGoAway = client.onGoAway.bind(client);
  client.onGoAway = (lastStreamId, code, reason) => {
    told.push(lastStreamId);
    onGoAway(lastStreamId, code, reason);
  };
  for (let i = 0; i < 3; i++) server.servers[0]!.drain();
  await client.done;
  assert.equal(told.filter((last) => last === 0x7fff_ffff).length, 1);
});

test("a closing client finishes what is under way", async () => {
  await using server = await listenH2(async () => {
    await settle(5);
    return ok("finished");
  });
  await using client = await dialH2(server.port);
  const underWay = client.request(request("GET", "/"));
  client.close();
  assert.ok(!client.ready);
  assert.equal(await text((await underWay).body), "finished");
  await Promise.all([client.done, server.servers[0]!.done]);
});

test("when the connection breaks, everybody who waits is told", async () => {
  const source = new HandFed();
  let cancelled: Fault | undefined;
  await using server = await listenH2((req) => {
    if (req.path === "/body") return Promise.resolve(ok(source.body));
    req.onCancel = (fault) => (cancelled = fault);
    return new Promise(() => {});
  });
  await using client = await dialH2(server.port);
  const reader = new Slow();
  (await client.request(request("GET", "/body"))).body.to(reader);
  const waiting = faultOf(client.request(request("GET", "/")));
  await settle();
  client.conn.destroy();
  assert.equal((await waiting).code, "io");
  await reader.over;
  assert.equal(reader.fault?.code, "io");
  await server.servers[0]!.done;
  assert.ok(cancelled && source.cancelled);
  assert.equal((await faultOf(client.request(request("GET", "/")))).code, "refused-stream");
});

test("a peer that does not answer the keep-alive PING is given up", async () => {
  const clock = new VirtualClock();
  const listener = net.createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(listener, "listening");
  await using client = await dialH2((listener.address() as net.AddressInfo).port, {
    clock,
    keepAliveIntervalMs: 10_000,
    keepAliveTimeoutMs: 3000,
  });
  const waiting = faultOf(client.request(request("GET", "/")));
  clock.advance(12_999);
  assert.ok(client.ready);
  clock.advance(1);
  assert.match((await waiting).message, /keep-alive/);
  listener.close();
});

test("a peer that answers the keep-alive PING is kept", async () => {
  const clock = new VirtualClock();
  await using server = await listenH2(async () => ok("still here"));
  await using client = await dialH2(server.port, { clock, keepAliveIntervalMs: 10_000 });
  for (let i = 0; i < 5; i++) {
    clock.advance(10_000);
    await settle(5);
  }
  assert.equal(await text((await client.request(request("GET", "/"))).body), "still here");
});
