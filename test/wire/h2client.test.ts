// A scripted server against our HTTP/2 client: RFC 9113 from the other side.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Body } from "../../src/io/body.ts";
import { H2 } from "../../src/wire/h2error.ts";
import { dialH2, faultOf, HandFed, request, ScriptedPeer, Slow, text } from "../support/h2.ts";

const OPEN = 4; // END_HEADERS without END_STREAM.
const OK = [":status", "200"];

test("3.4: preface, then settings without push; the request does not wait for the answer", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const answer = client.request(request("GET", "/"));
  const settings = await peer.next("settings");
  assert.match(settings.payload, /^000200000000/);
  const head = await peer.next("headers");
  assert.deepEqual(head.fields, [
    ":method",
    "GET",
    ":scheme",
    "http",
    ":path",
    "/",
    ":authority",
    "test.example",
  ]);
  assert.ok(head.end);
  peer.headers(1, OK);
  assert.equal((await answer).status, 200);
});

test("a response in one chunk is whole, with its trailers", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const answer = client.request(request("GET", "/"));
  await peer.next("headers");
  peer.socket.cork();
  peer.headers(1, OK, OPEN);
  peer.data(1, "ab");
  peer.data(1, "cd");
  peer.headers(1, ["grpc-status", "0"]);
  peer.socket.uncork();
  const rsp = await answer;
  assert.equal(rsp.body.whole?.toString(), "abcd");
  assert.deepEqual(rsp.body.ended?.trailers, ["grpc-status", "0"]);
});

test("a response frame by frame streams", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const answer = client.request(request("GET", "/"));
  await peer.next("headers");
  peer.headers(1, [":status", "103", "link", "x"], OPEN);
  peer.headers(1, [...OK, "content-length", "3"], OPEN);
  const rsp = await answer;
  assert.equal(rsp.body.length, 3);
  const reader = new Slow();
  reader.open = true;
  rsp.body.to(reader);
  peer.data(1, "abc", true);
  await reader.over;
  assert.equal(Buffer.concat(reader.chunks).toString(), "abc");
});

const BAD_HEADS: Record<string, string[]> = {
  "no :status": ["x", "1"],
  "a :status of letters": [":status", "2x0"],
  "a :status of two digits": [":status", "20"],
  "101 (RFC 9113 §8.6)": [":status", "101"],
  "a request's pseudo-header": [...OK, ":path", "/"],
  "a connection field": [...OK, "connection", "close"],
  "an upper-case name": [...OK, "X-A", "1"],
  "an interim response that ends": [":status", "100"],
  "content announced, none sent": [...OK, "content-length", "5"],
};

for (const [what, fields] of Object.entries(BAD_HEADS)) {
  test(`malformed response: ${what}`, async () => {
    const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
    await using _peer = peer;
    await using _client = client;
    const answer = faultOf(client.request(request("GET", "/")));
    await peer.next("headers");
    peer.headers(1, fields);
    const fault = await answer;
    assert.deepEqual([fault.code, fault.side], ["bad-response", "upstream"]);
    assert.equal((await peer.next("reset")).code, H2.PROTOCOL_ERROR);
    assert.ok(client.ready, "the connection goes on");
  });
}

test("HEAD and 304 announce content that does not come", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const head = client.request(request("HEAD", "/"));
  const get = client.request(request("GET", "/"));
  await peer.next("headers");
  peer.headers(1, [...OK, "content-length", "5"]);
  peer.headers(3, [":status", "304", "content-length", "5"]);
  assert.equal((await head).status, 200);
  assert.equal((await get).status, 304);
});

test("DATA before HEADERS, responses to nothing, pushes", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const answer = faultOf(client.request(request("GET", "/")));
  await peer.next("headers");
  peer.data(1, "x");
  assert.equal((await answer).code, "bad-response");
  peer.headers(7, OK);
  assert.equal((await peer.next("goaway")).code, H2.PROTOCOL_ERROR);
  const [pusher, victim] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _pusher = pusher;
  await using _victim = victim;
  const waiting = faultOf(victim.request(request("GET", "/")));
  await pusher.next("headers");
  pusher.send("000005 05 04 00000001 00000002 88");
  assert.equal((await pusher.next("goaway")).code, H2.PROTOCOL_ERROR);
  assert.equal((await waiting).code, "protocol");
  assert.ok(!victim.ready);
});

test("REFUSED_STREAM may be retried, other resets carry their code", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const refused = faultOf(client.request(request("GET", "/")));
  const reset = faultOf(client.request(request("GET", "/")));
  await peer.next("headers");
  peer.send("000004 03 00 00000001 00000007 000004 03 00 00000003 0000000b");
  assert.deepEqual([(await refused).code, (await refused).retryable], ["refused-stream", true]);
  const fault = await reset;
  assert.deepEqual(
    [fault.code, fault.retryable, fault.detail],
    ["reset", false, H2.ENHANCE_YOUR_CALM],
  );
});

test("GOAWAY: streams above the last one may be retried, those below finish, then the connection ends", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const first = client.request(request("GET", "/"));
  const second = faultOf(client.request(request("GET", "/")));
  await peer.next("headers");
  peer.send("00000a 07 00 00000000 00000001 00000000 6f6b");
  const fault = await second;
  assert.deepEqual([fault.code, fault.retryable], ["refused-stream", true]);
  assert.match(fault.message, /NO_ERROR: ok/);
  assert.ok(!client.ready);
  assert.equal((await faultOf(client.request(request("GET", "/")))).retryable, true);
  peer.headers(1, OK, OPEN);
  peer.data(1, "done", true);
  assert.equal(await text((await first).body), "done");
  peer.socket.end();
  await client.done;
});

test("SETTINGS_MAX_CONCURRENT_STREAMS is kept to, and cancelled requests leave the queue", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port), "000300000001");
  await using _peer = peer;
  await using _client = client;
  await peer.next("ack");
  const first = client.request(request("GET", "/1"));
  const given = request("GET", "/2");
  const second = faultOf(client.request(given));
  const third = client.request(request("GET", "/3"));
  assert.ok(!client.ready);
  assert.equal(client.load, 3);
  await peer.next("headers");
  await peer.settled();
  assert.equal(peer.frames.filter((frame) => frame.type === "headers").length, 1);
  const { Fault } = await import("../../src/base/fault.ts");
  given.cancel(new Fault("cancelled", "never mind"));
  assert.equal((await second).code, "cancelled");
  peer.headers(1, OK);
  await first;
  assert.equal((await peer.next("headers")).fields[5], "/3");
  peer.headers(3, OK);
  await third;
  assert.ok(client.ready);
});

test("an upload keeps to the server's windows, and stops at RST_STREAM", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port), "000400000005");
  await using _peer = peer;
  await using _client = client;
  await peer.next("ack");
  const source = new HandFed();
  const answer = client.request(request("POST", "/", source.body));
  await peer.next("headers");
  assert.equal(source.body.push(Buffer.from("0123456789")), false);
  assert.equal((await peer.next("data")).bytes.toString(), "01234");
  const before = source.resumes;
  peer.send("000004 08 00 00000001 00000064");
  assert.equal((await peer.next("data")).bytes.toString(), "56789");
  assert.equal(source.resumes, before + 1);
  peer.headers(1, OK);
  peer.send("000004 03 00 00000001 00000000");
  assert.equal((await answer).status, 200);
  await peer.settled();
  assert.ok(source.cancelled);
});

test("a response that is cut by RST_STREAM does not look complete", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) => dialH2(port));
  await using _peer = peer;
  await using _client = client;
  const answer = client.request(request("GET", "/"));
  await peer.next("headers");
  peer.headers(1, OK, OPEN);
  const reader = new Slow();
  (await answer).body.to(reader);
  peer.data(1, "half");
  peer.send("000004 03 00 00000001 00000002");
  await reader.over;
  assert.deepEqual([reader.fault?.code, reader.fault?.detail], ["reset", H2.INTERNAL_ERROR]);
});

test("what nobody takes is given back to the connection's window when its stream is over", async () => {
  const [peer, client] = await ScriptedPeer.accept((port) =>
    dialH2(port, { connectionWindowBytes: 65_535 }),
  );
  await using _peer = peer;
  await using _client = client;
  for (let round = 0; round < 5; round++) {
    const answer = client.request(request("GET", "/", Body.empty));
    const { id } = await peer.next("headers");
    peer.headers(id, OK, OPEN);
    await answer;
    for (let i = 0; i < 3; i++) peer.data(id, Buffer.alloc(16_000), i === 2);
    await peer.settled();
  }
  assert.ok(client.ready);
});
