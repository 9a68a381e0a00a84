// Our HTTP/1 server where something goes wrong: requests that are none, clients that leave, answers that break off.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byHand, listenH1, ok, RawPeer, turns } from "../../test/support/h1.ts";
import { HandFed, Slow } from "../../test/support/h2.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Body } from "./body.ts";
import { HttpRsp } from "./message.ts";

test("what is no request is answered with the right status, and the connection closed", async () => {
  let called = 0;
  await using server = await listenH1(async () => {
    called++;
    return ok("no");
  });
  const cases: [status: number, request: string][] = [
    [400, "GET / HTTP/1.1\r\n\r\n"],
    [400, "GET / HTTP/1.1\nHost: h\n\n"],
    [400, "\x16\x03\x01\x02"],
    [
      400,
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [414, `GET /${"x".repeat(10_000)}`],
    [431, `GET / HTTP/1.1\r\nHost: h\r\nX: ${"x".repeat(1 << 20)}`],
    [501, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    [505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"],
  ];
  for (const [status, request] of cases) {
    await using peer = await RawPeer.dial(server.port);
    peer.send(request);
    const answer = await peer.rest();
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${status} expected: ${answer}`);
    assert.match(answer, /\r\nconnection: close\r\n/);
    assert.equal(peer.error, undefined, "no reset overtakes the answer");
  }
  assert.equal(called, 0);
});

test("a request after a bad one on the same connection is not read", async () => {
  const paths: string[] = [];
  await using server = await listenH1(async (req) => {
    paths.push(req.path);
    return ok();
  });
  await using peer = await RawPeer.dial(server.port);
  peer.send(
    "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
  );
  assert.match(await peer.rest(), /^HTTP\/1\.1 200 .*HTTP\/1\.1 400 /s);
  assert.deepEqual(paths, ["/1"]);
});

test("a broken chunk ends the request with 400, or with a reset once the answer has begun", async () => {
  const { service, next } = byHand();
  await using server = await listenH1(service);
  const head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
  {
    await using peer = await RawPeer.dial(server.port);
    peer.send(head);
    const { req, fail } = await next();
    const slow = new Slow();
    slow.open = true;
    req.body.to(slow);
    peer.send("zz\r\n");
    assert.match(await peer.rest(), /^HTTP\/1\.1 400 /);
    assert.equal(slow.fault?.code, "bad-request");
    assert.equal(req.cancelled?.code, "bad-request");
    fail(slow.fault);
  }
  {
    await using peer = await RawPeer.dial(server.port);
    peer.send(head);
    const { req, answer } = await next();
    const slow = new Slow();
    slow.open = true;
    req.body.to(slow);
    answer(ok(new HandFed().body));
    await peer.until("\r\n\r\n");
    peer.send("zz\r\n");
    assert.equal(await peer.gone(), "ECONNRESET");
  }
});

test("a body that the service leaves is dropped when it is short, else the connection closes", async () => {
  await using server = await listenH1(async () => ok("done"));
  await using peer = await RawPeer.dial(server.port);
  peer.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n${"x".repeat(50_000)}`);
  await peer.until("done");
  peer.send("x".repeat(50_000));
  peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.doesNotMatch(await peer.until("done"), /connection: close/);
  peer.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n${"x".repeat(50_000)}`);
  assert.match(await peer.rest(), /connection: close\r\n\r\ndone$/);

  await using endless = await RawPeer.dial(server.port);
  endless.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  await endless.until("done");
  for (let i = 0; i < 40; i++) endless.send(`4000\r\n${"x".repeat(0x4000)}\r\n`);
  await endless.rest();
});

test("a client that goes away cancels the request and aborts its body", async () => {
  const { service, next } = byHand();
  await using server = await listenH1(service);
  {
    await using peer = await RawPeer.dial(server.port);
    peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    const { req } = await next();
    const slow = new Slow();
    slow.open = true;
    req.body.to(slow);
    const cancelled = new Promise<Fault>((resolve) => (req.onCancel = resolve));
    peer.socket.resetAndDestroy();
    assert.equal((await cancelled).code, "cancelled");
    await slow.over;
    assert.equal(slow.fault?.code, "cancelled");
  }
  {
    await using peer = await RawPeer.dial(server.port);
    peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    const { answer } = await next();
    const stream = new HandFed();
    answer(ok(stream.body));
    await peer.until("\r\n\r\n");
    peer.socket.resetAndDestroy();
    while (stream.cancelled === undefined) await turns(1);
    assert.equal(stream.cancelled.side, "client");
  }
});

test("a client that ended its side has a second to be answered in", async () => {
  const clock = new VirtualClock();
  const { service, next } = byHand();
  await using server = await listenH1(service, { clock });
  {
    await using peer = await RawPeer.dial(server.port);
    peer.socket.end("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    const { answer } = await next();
    await turns();
    answer(ok("still here"));
    assert.match(await peer.rest(), /still here$/);
  }
  {
    await using peer = await RawPeer.dial(server.port);
    peer.socket.end("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    const { req, answer } = await next();
    await turns(20);
    assert.equal(req.cancelled, undefined);
    clock.advance(1000);
    await turns();
    assert.equal(req.cancelled!.code, "cancelled");
    const late = new HandFed();
    answer(ok(late.body));
    await turns();
    assert.equal(late.cancelled?.code, "cancelled", "a late response is let go");
  }
});

test("a response that fails half-way never looks complete", async () => {
  const broken = new Fault("io", "the server died", { side: "upstream" });
  const cases = [
    ["HTTP/1.1", undefined],
    ["HTTP/1.1", 100],
    ["HTTP/1.0", undefined],
  ] as const;
  for (const [version, length] of cases) {
    const stream = new HandFed(length);
    await using server = await listenH1(async () => ok(stream.body));
    await using peer = await RawPeer.dial(server.port);
    peer.send(`GET / ${version}\r\nHost: h\r\n\r\n`);
    await peer.until("\r\n\r\n");
    stream.body.push(Buffer.from("part"));
    await peer.until("part");
    stream.body.abort(broken);
    assert.doesNotMatch(await peer.rest(), /\r\n0\r\n/);
    // Where the end of the connection would be the end of the message there must be no such end.
    if (version === "HTTP/1.0") assert.equal(await peer.gone(), "ECONNRESET");
  }
});

test("a response that is longer or shorter than it said is cut short", async () => {
  for (const text of ["abcd", "ab"]) {
    const stream = new HandFed(3);
    await using server = await listenH1(async () => ok(stream.body));
    await using peer = await RawPeer.dial(server.port);
    peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await peer.until("\r\n\r\n");
    stream.body.push(Buffer.from(text));
    stream.body.finish();
    assert.ok((await peer.rest()).length < 3);
  }
});

test("what no filter has answered for is an error with a closed connection", async () => {
  await using server = await listenH1(async (req) => {
    if (req.path === "/fault") throw new Fault("connect-failed", "no way there");
    if (req.path === "/odd") return new HttpRsp(101, [], Body.empty);
    throw new TypeError("a bug");
  });
  for (const [path, status] of [
    ["/fault", "502"],
    ["/bug", "500"],
    ["/odd", "502"],
  ]) {
    await using peer = await RawPeer.dial(server.port);
    peer.send(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
    assert.match(await peer.rest(), new RegExp(`^HTTP/1\\.1 ${status} .*connection: close`, "s"));
  }
});
