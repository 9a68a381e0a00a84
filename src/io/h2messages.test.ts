// Messages over HTTP/2 that are unlike most: tunnels, heads that are cleaned or large, answers without content.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  dialH2,
  faultOf,
  HandFed,
  listenH2,
  ok,
  PEER,
  request,
  settle,
  Slow,
  text,
} from "../../test/support/h2.ts";
import { Body } from "./body.ts";
import { HttpReq, HttpRsp } from "./message.ts";

test("CONNECT opens a tunnel for bytes both ways, and each side may end on its own", async () => {
  await using server = await listenH2(async (req) => {
    assert.deepEqual(
      [req.method, req.authority, req.path, req.upgrade],
      ["CONNECT", "db:5432", "", ""],
    );
    const rsp = ok();
    const echo = new HandFed();
    rsp.tunnel = {
      incoming: echo.body,
      send: (outgoing) =>
        outgoing.to({
          chunk: (chunk) => (echo.body.push(Buffer.from(`<${chunk.toString()}>`)), true),
          end: () => echo.body.finish(),
          abort: () => {},
        }),
    };
    return rsp;
  });
  await using client = await dialH2(server.port);
  const req = new HttpReq("CONNECT", "", "db:5432", 20, [], Body.empty, PEER, 0);
  req.upgrade = "";
  const rsp = await client.request(req);
  const source = new HandFed();
  const reader = new Slow();
  reader.open = true;
  rsp.tunnel!.send(source.body);
  rsp.tunnel!.incoming.to(reader);
  source.body.push(Buffer.from("a"));
  await settle();
  assert.equal(Buffer.concat(reader.chunks).toString(), "<a>");
  source.body.push(Buffer.from("b"));
  source.body.finish();
  await reader.over;
  assert.equal(Buffer.concat(reader.chunks).toString(), "<a><b>");
  assert.equal(client.load, 0);
});

test("an extended CONNECT is an Upgrade (RFC 8441)", async () => {
  await using server = await listenH2(async (req) => {
    assert.deepEqual([req.method, req.path, req.upgrade], ["GET", "/chat", "websocket"]);
    const rsp = new HttpRsp(101, [], Body.empty, 20);
    rsp.tunnel = { incoming: Body.of("hi"), send: (outgoing) => outgoing.discard() };
    return rsp;
  });
  await using client = await dialH2(server.port);
  await client.request(request("OPTIONS", "*")).catch(() => {});
  const req = request("GET", "/chat");
  req.upgrade = "websocket";
  const rsp = await client.request(req);
  assert.equal(rsp.status, 101);
  assert.equal(await text(rsp.tunnel!.incoming), "hi");
});

test("fields of HTTP/1 messages are cleaned, those of HTTP/2 pass", async () => {
  let seen: HttpReq | undefined;
  await using server = await listenH2(async (req) => {
    seen = req;
    return new HttpRsp(200, ["X-Up", "1", "Connection", "X-Hop", "X-Hop", "2"], Body.empty, 11);
  });
  await using client = await dialH2(server.port);
  const headers = [
    "Host",
    "h",
    "Accept",
    "*/*",
    "Keep-Alive",
    "5",
    "TE",
    "trailers, deflate",
    "Upgrade",
    "x",
  ];
  const rsp = await client.request(new HttpReq("GET", "/", "h", 11, headers, Body.empty, PEER, 0));
  assert.deepEqual(seen!.headers, ["accept", "*/*", "te", "trailers"]);
  assert.deepEqual(rsp.headers, ["x-up", "1"]);
});

test("never-indexed marks survive the hop", async () => {
  let seen: HttpReq | undefined;
  await using server = await listenH2(async (req) => {
    seen = req;
    return ok();
  });
  await using client = await dialH2(server.port);
  const req = request("GET", "/", Body.empty, ["token", "t"]);
  req.neverIndexed = ["token"];
  for (let i = 0; i < 3; i++) await client.request(req);
  assert.deepEqual(seen!.neverIndexed, ["token"]);
});

test("heads larger than a frame pass in CONTINUATION frames; larger than the limit get 431", async () => {
  await using server = await listenH2(async (req) => ok("", req.headers));
  await using client = await dialH2(server.port);
  const large = ["x-large", "x".repeat(40_000)];
  assert.deepEqual((await client.request(request("GET", "/", Body.empty, large))).headers, large);
  const tooLarge = ["x-large", "x".repeat(70_000)];
  assert.equal((await client.request(request("GET", "/", Body.empty, tooLarge))).status, 431);
  assert.deepEqual((await client.request(request("GET", "/", Body.empty, large))).headers, large);
});

test("responses to HEAD, 204 and 304 have no content, whatever the service says", async () => {
  const source = new HandFed();
  await using server = await listenH2(async (req) => {
    if (req.method === "HEAD") return ok(source.body, ["content-length", "5"]);
    return new HttpRsp(Number(req.path.slice(1)), [], Body.of("content"), 20);
  });
  await using client = await dialH2(server.port);
  const head = await client.request(request("HEAD", "/"));
  assert.deepEqual([head.headers, head.body.isEmpty], [["content-length", "5"], true]);
  for (const path of ["/204", "/304"]) {
    assert.ok((await client.request(request("GET", path))).body.isEmpty);
  }
  assert.equal(source.resumes, 1, "its origin may go on");
});

test("a response that cannot be written ends its connection, not the program", async () => {
  await using server = await listenH2(async () => ok("", ["x", undefined as unknown as string]));
  await using client = await dialH2(server.port);
  assert.equal((await faultOf(client.request(request("GET", "/")))).code, "io");
  await client.done;
});

// --- Node's http2 as an independent peer.
