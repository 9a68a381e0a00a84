// Our HTTP/1 server over real sockets, with a raw peer that may send anything: requests and their answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byHand, listenH1, ok, RawPeer, turns } from "../../test/support/h1.ts";
import { HandFed, Slow, text } from "../../test/support/h2.ts";
import { VirtualClock } from "../base/clock.ts";
import { Body } from "./body.ts";
import { type HttpReq, HttpRsp, type HttpService } from "./message.ts";

const echo: HttpService = async (req) => ok(`${req.method} ${req.path} ${await text(req.body)}`);

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
