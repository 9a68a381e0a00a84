// The life of a connection of our HTTP/1 server: its times, its drain, and the tunnel that it may become.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byHand, listenH1, ok, RawPeer, turns } from "../../test/support/h1.ts";
import { HandFed, Slow, text } from "../../test/support/h2.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Body } from "./body.ts";
import { HttpRsp, type HttpService } from "./message.ts";

const echo: HttpService = async (req) => ok(`${req.method} ${req.path} ${await text(req.body)}`);

test("a slow reader stops the origin, and a slow service the client", async () => {
  const stream = new HandFed();
  await using server = await listenH1(async () => ok(stream.body));
  await using peer = await RawPeer.dial(server.port);
  peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await peer.until("\r\n\r\n");
  peer.socket.pause();
  const block = Buffer.alloc(1 << 20);
  let blocks = 0;
  let resumes: number;
  // The kernel takes some megabytes, and a little more when it finds that it may.
  do {
    resumes = stream.resumes;
    do blocks++;
    while (stream.body.push(block));
    await turns(20);
  } while (stream.resumes > resumes);
  peer.socket.resume();
  while (stream.resumes === resumes) await turns(1);
  stream.body.finish();
  await peer.until("\r\n0\r\n\r\n");
  assert.ok(blocks < 100);

  const { service, next } = byHand();
  await using uploads = await listenH1(service);
  await using sender = await RawPeer.dial(uploads.port);
  sender.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${64 << 20}\r\n\r\n`);
  for (let i = 0; i < 64; i++) sender.socket.write(block);
  const { req, answer } = await next();
  await turns(50);
  const waiting = req.body.bytes;
  assert.ok(waiting < 1 << 20, `${waiting} bytes wait in memory`);
  const slow = new Slow();
  slow.open = true;
  req.body.to(slow);
  await slow.over;
  assert.equal(slow.bytes, 64 << 20);
  answer(ok("all"));
  await sender.until("all");
});

test("times: for a head, for a body, between requests", async () => {
  const clock = new VirtualClock();
  const times = { clock, headerTimeoutMs: 1000, idleTimeoutMs: 5000, bodyTimeoutMs: 3000 };
  await using server = await listenH1(echo, times);
  const dial = async (): Promise<RawPeer> => {
    const peer = await RawPeer.dial(server.port);
    await turns();
    return peer;
  };
  {
    await using peer = await dial();
    clock.advance(1000);
    assert.equal(await peer.rest(), "", "nothing to answer");
  }
  {
    await using peer = await dial();
    peer.send("GET / HTTP/1.1\r\nHo");
    await turns();
    clock.advance(999);
    peer.send("st: h");
    await turns();
    assert.equal(peer.text, "");
    clock.advance(1);
    assert.match(await peer.rest(), /^HTTP\/1\.1 408 /);
  }
  {
    await using peer = await dial();
    peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
    await turns();
    clock.advance(2999);
    peer.send("b");
    await turns();
    clock.advance(2999);
    await turns();
    assert.equal(peer.text, "");
    clock.advance(1);
    assert.match(await peer.rest(), /^HTTP\/1\.1 408 /);
  }
  {
    await using peer = await dial();
    peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await peer.until("GET / ");
    clock.advance(4000);
    peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await peer.until("GET / ");
    clock.advance(4999);
    await turns();
    assert.equal(peer.ended, false);
    clock.advance(1);
    assert.equal(await peer.rest(), "");
    await peer.gone();
  }
});

test("draining: idle connections close at once, others after what is under way", async () => {
  const { service, next } = byHand();
  await using server = await listenH1(service);
  await using idle = await RawPeer.dial(server.port);
  await using busy = await RawPeer.dial(server.port);
  busy.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const { answer } = await next();
  for (const each of server.servers) each.drain();
  assert.equal(await idle.rest(), "");
  answer(ok("last"));
  assert.match(await busy.rest(), /connection: close\r\n\r\nlast$/);
});

test("an upgrade becomes a tunnel that keeps half-close, with what was sent ahead", async () => {
  const upstream = new HandFed();
  let sent!: Body;
  await using server = await listenH1(async (req) => {
    assert.equal(req.upgrade, "websocket");
    const rsp = new HttpRsp(101, ["Upgrade", "websocket", "X", "y"], Body.empty);
    rsp.tunnel = { incoming: upstream.body, send: (body) => (sent = body) };
    return rsp;
  });
  await using peer = await RawPeer.dial(server.port);
  const head = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
  peer.send(`${head}ahead `);
  assert.equal(
    await peer.until("\r\n\r\n"),
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: y\r\nconnection: upgrade\r\n\r\n",
  );
  const slow = new Slow();
  slow.open = true;
  sent.to(slow);
  peer.send("later");
  peer.socket.end();
  await slow.over;
  assert.equal(Buffer.concat(slow.chunks).toString(), "ahead later");
  upstream.body.push(Buffer.from("the other way"));
  upstream.body.finish();
  assert.equal(await peer.rest(), "the other way");
  await server.servers[0]!.done;
});

test("CONNECT becomes a tunnel; a refused one is an ordinary answer", async () => {
  const upstream = new HandFed();
  let sent!: Body;
  await using server = await listenH1(async (req) => {
    assert.deepEqual([req.method, req.path, req.upgrade], ["CONNECT", "", ""]);
    if (req.authority === "no:1") return new HttpRsp(403, [], Body.empty);
    const rsp = new HttpRsp(200, ["content-length", "7"], Body.empty);
    rsp.tunnel = { incoming: upstream.body, send: (body) => (sent = body) };
    return rsp;
  });
  await using peer = await RawPeer.dial(server.port);
  peer.send("CONNECT no:1 HTTP/1.1\r\nHost: no:1\r\n\r\n");
  await peer.until("403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  peer.send("CONNECT yes:1 HTTP/1.1\r\nHost: yes:1\r\n\r\n");
  assert.equal(await peer.until("\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\n");
  upstream.body.push(Buffer.from("down"));
  await peer.until("down");
  // A tunnel whose far end breaks does not end in order.
  upstream.body.abort(new Fault("io", "gone", { side: "upstream" }));
  assert.equal(await peer.gone(), "ECONNRESET");
  const slow = new Slow();
  sent.to(slow);
  await slow.over;
  assert.equal(slow.fault?.code, "cancelled");
});
