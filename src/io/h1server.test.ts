// Our HTTP/1 server over real sockets, with a raw peer that may send anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { listenH1, RawPeer } from "../../test/support/h1.ts";
import { HandFed, Slow, text } from "../../test/support/h2.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Body } from "./body.ts";
import { type HttpReq, HttpRsp, type HttpService } from "./message.ts";

const ok = (body: Body | string = "", headers: string[] = []): HttpRsp =>
  new HttpRsp(200, headers, typeof body === "string" ? Body.of(body) : body);

const echo: HttpService = async (req) => ok(`${req.method} ${req.path} ${await text(req.body)}`);

const turns = async (n = 5): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A service whose requests a test answers by hand. */
function byHand() {
  const reqs: { req: HttpReq; answer: (rsp: HttpRsp) => void; fail: (fault: unknown) => void }[] =
    [];
  let wake = (): void => {};
  const service: HttpService = (req) =>
    new Promise((answer, fail) => {
      reqs.push({ req, answer, fail });
      wake();
    });
  const next = async () => {
    while (reqs.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return reqs.shift()!;
  };
  return { service, next, reqs };
}

test("requests one after the other on one connection", async () => {
  await using server = await listenH1(echo);
  await using peer = await RawPeer.dial(server.port);
  peer.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.equal(await peer.until("GET /a "), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nGET /a ");
  peer.send("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz");
  await peer.until("\r\n\r\nPOST /b xyz");
  peer.send("PUT /c HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nab");
  await turns();
  peer.send("cdef");
  await peer.until("\r\n\r\nPUT /c abcdef");
  peer.send("GET /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  assert.match(await peer.rest(), /^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n\r\nGET \/d $/s);
  assert.equal(server.servers.length, 1);
});

test("a head in pieces, byte by byte", async () => {
  await using server = await listenH1(echo);
  await using peer = await RawPeer.dial(server.port);
  for (const char of "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n") {
    peer.send(char);
    await turns(1);
  }
  await peer.until("POST /x abc");
});

test("pipelined requests are answered in order", async () => {
  const { service, next, reqs } = byHand();
  await using server = await listenH1(service);
  await using peer = await RawPeer.dial(server.port);
  const heads = [1, 2, 3].map(
    (i) => `POST /${i} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n${i}`,
  );
  peer.send(heads.join(""));
  for (const i of [1, 2, 3]) {
    const { req, answer } = await next();
    assert.equal(req.path, `/${i}`);
    assert.equal(await text(req.body), String(i));
    await turns();
    assert.equal(reqs.length, 0, "the next one waits");
    answer(ok(`answer ${i}`));
  }
  assert.match(await peer.until("answer 3"), /answer 1.*answer 2.*answer 3/s);
});

test("a thousand pipelined requests, half-closed at the end", async () => {
  await using server = await listenH1(echo);
  await using peer = await RawPeer.dial(server.port);
  for (let i = 0; i < 1000; i++) peer.send(`GET /${i} HTTP/1.1\r\nHost: h\r\n\r\n`);
  peer.socket.end();
  const rest = await peer.rest();
  const paths = [...rest.matchAll(/GET \/(\d+) /g)].map((match) => Number(match[1]));
  assert.deepEqual(
    paths,
    Array.from({ length: 1000 }, (_, i) => i),
  );
});

test("a client that does not read its answers gets no further ones", async () => {
  let called = 0;
  const large = Body.of(Buffer.alloc(1 << 20));
  await using server = await listenH1(async () => {
    called++;
    return ok(large);
  });
  await using peer = await RawPeer.dial(server.port);
  peer.socket.pause();
  for (let i = 0; i < 200; i++) peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await turns(50);
  assert.ok(called < 50, `${called} answers wait in memory`);
  peer.socket.resume();
  while (called < 200) await turns(1);
});

test("who asked for the end is not waited for once everything is on its way", async () => {
  const clock = new VirtualClock();
  await using server = await listenH1(echo, { clock });
  const head = "/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
  await using getter = await RawPeer.dial(server.port);
  getter.send(`GET ${head}\r\n`);
  assert.match(await getter.rest(), /GET \/ $/);
  await server.servers[0]!.done;
  // Some put CR LF after a body, which must not be answered with a reset.
  await using poster = await RawPeer.dial(server.port);
  poster.send(`POST ${head}Content-Length: 1\r\n\r\nx`);
  assert.match(await poster.rest(), /POST \/ x$/);
  poster.send("\r\n");
  await turns();
  assert.equal(server.servers[1]!.conn.closed, false);
  clock.advance(2000);
  await server.servers[1]!.done;
});

test("an answer that takes its time is complete, though its client asked for the end", async () => {
  const long = "x".repeat(8_000_000);
  await using server = await listenH1(async () => ok(long));
  await using peer = await RawPeer.dial(server.port);
  peer.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  assert.equal((await peer.rest()).split("\r\n\r\n")[1]!.length, long.length);
});

test("HTTP/1.0 closes, unless it asks to keep the connection", async () => {
  const stream = new HandFed();
  await using server = await listenH1(async (req) =>
    req.path === "/s" ? ok(stream.body) : ok("hi"),
  );
  await using peer = await RawPeer.dial(server.port);
  peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.match(await peer.until("hi"), /connection: keep-alive\r\n\r\nhi$/);
  peer.send("GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const head = await peer.until("\r\n\r\n");
  assert.match(head, /connection: close\r\n/);
  assert.doesNotMatch(head, /chunked|content-length/);
  stream.body.push(Buffer.from("until "));
  stream.body.push(Buffer.from("the end"));
  stream.body.finish();
  assert.equal(await peer.rest(), "until the end");
});

test("HEAD, 204 and 304 have no body, whatever the service gives", async () => {
  await using server = await listenH1(async (req) => {
    const status = Number(req.path.slice(1));
    return new HttpRsp(status, ["Content-Length", "4"], Body.of("body"));
  });
  await using peer = await RawPeer.dial(server.port);
  peer.send("HEAD /200 HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.match(await peer.until("\r\n\r\n"), /Content-Length: 4/);
  peer.send("GET /204 HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.doesNotMatch(await peer.until("\r\n\r\n"), /Content-Length/);
  peer.send("GET /304 HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.match(await peer.until("\r\n\r\n"), /304 Not Modified\r\nContent-Length: 4/);
  peer.send("GET /200 HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.match(await peer.until("body"), /^HTTP\/1\.1 200 OK/);
});

test("chunks both ways; trailers only for those who take them", async () => {
  await using server = await listenH1(async (req) => {
    const slow = new Slow();
    slow.open = true;
    req.body.to(slow);
    await slow.over;
    const stream = new HandFed();
    for (const chunk of slow.chunks) stream.body.push(chunk);
    setImmediate(() => stream.body.finish(slow.trailers));
    return ok(stream.body);
  });
  await using peer = await RawPeer.dial(server.port);
  const message =
    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n";
  peer.send(`POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n${message}`);
  const coded = "\r\ntransfer-encoding: chunked\r\n\r\n7\r\nabcdefg\r\n0\r\n";
  assert.equal(await peer.until(/0\r\n.*\r\n\r\n/), `HTTP/1.1 200 OK${coded}X-Sum: 7\r\n\r\n`);
  peer.send(`POST / HTTP/1.1\r\nHost: h\r\n${message}`);
  assert.equal(await peer.until("0\r\n\r\n"), `HTTP/1.1 200 OK${coded}\r\n`);
});

test("Expect: what is behind us decides, and a service that just reads is helped", async () => {
  const clock = new VirtualClock();
  const { service, next } = byHand();
  await using server = await listenH1(service, { clock });
  await using peer = await RawPeer.dial(server.port);
  const head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";

  peer.send(head);
  const first = await next();
  first.req.inform!(103, ["link", "</a>"]);
  first.req.inform!(100, []);
  first.req.inform!(100, []);
  const informed = await peer.until("100 Continue\r\n\r\n");
  assert.equal(
    informed,
    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
  );
  peer.send("ab");
  first.answer(ok(await text(first.req.body)));
  assert.match(await peer.until("ab"), /^HTTP\/1\.1 200/);

  peer.send(head);
  const second = await next();
  const body = text(second.req.body);
  await turns();
  assert.equal(peer.text, "");
  clock.advance(1000);
  await peer.until("100 Continue\r\n\r\n");
  peer.send("cd");
  second.answer(ok(await body));
  await peer.until("cd");

  // Refused before the body: nobody can tell whether it will come, so the connection ends.
  peer.send(head);
  (await next()).answer(new HttpRsp(403, [], Body.empty));
  assert.match(
    await peer.rest(),
    /^HTTP\/1\.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n$/,
  );
});

test("an unknown expectation is 417", async () => {
  await using server = await listenH1(echo);
  await using peer = await RawPeer.dial(server.port);
  peer.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\nContent-Length: 2\r\n\r\nab");
  assert.match(await peer.rest(), /^HTTP\/1\.1 417 .*connection: close/s);
});

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

test("the absolute form is noted, and its authority wins", async () => {
  let seen!: HttpReq;
  await using server = await listenH1(async (req) => {
    seen = req;
    return ok("ok");
  });
  await using peer = await RawPeer.dial(server.port);
  peer.send("GET http://real/x HTTP/1.1\r\nHost: other\r\n\r\n");
  await peer.until("ok");
  assert.deepEqual(
    [seen.absolute, seen.scheme, seen.authority, seen.path],
    [true, "http", "real", "/x"],
  );
  assert.deepEqual(seen.headers, ["Host", "real"]);
});

test("a head that drips in is read again for each line and each few kilobytes, not for each byte", async () => {
  await using server = await listenH1(async () => ok("ok"));
  await using peer = await RawPeer.dial(server.port);
  while (server.servers.length === 0) await new Promise((turn) => setImmediate(turn));
  const served = server.servers[0]!;
  const parse = served.parser.parse.bind(served.parser);
  let looks = 0;
  served.parser.parse = (bytes) => {
    looks += 1;
    return parse(bytes);
  };
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: h\r\nX: ${"a".repeat(30_000)}\r\n\r\n`);
  for (let i = 0; i < bytes.length; i += 10) served.read(bytes.subarray(i, i + 10));
  await peer.until("ok");
  assert.ok(looks < 15, `${looks} looks`);
});
