// A scripted client against our HTTP/2 server: what RFC 9113 asks for, section by section, and what attackers try.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../src/base/fault.ts";
import { Body } from "../../src/io/body.ts";
import { type HttpReq, HttpRsp } from "../../src/io/message.ts";
import { H2 } from "../../src/wire/h2error.ts";
import type { Headers } from "../../src/wire/headers.ts";
import { HandFed, listenH2, ScriptedPeer, Slow, statusOf } from "../support/h2.ts";

const GET: Headers = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"];
const POST: Headers = [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"];
const OPEN = 4; // END_HEADERS without END_STREAM.

const ok = async (): Promise<HttpRsp> => new HttpRsp(200, [], Body.of("ok"), 20);

// Answers when the whole body is there, as a proxy's service may not before.
const patient = async (req: HttpReq): Promise<HttpRsp> => {
  const reader = new Slow();
  reader.open = true;
  req.body.to(reader);
  await reader.over;
  if (reader.fault !== undefined) throw reader.fault;
  return new HttpRsp(200, [], Body.of(Buffer.concat(reader.chunks)), 20);
};

async function expectGoAway(peer: ScriptedPeer, code: number): Promise<void> {
  assert.equal((await peer.next("goaway")).code, code);
  await peer.next("closed").catch(() => {});
}

test("3.4: our SETTINGS come first, theirs are acknowledged", async () => {
  await using server = await listenH2(ok);
  await using peer = await ScriptedPeer.dial(server.port);
  await peer.next("ack");
  assert.equal(peer.frames[0]?.type, "settings");
});

test("3.4: HTTP/1 instead of a preface", async () => {
  await using server = await listenH2(ok);
  await using peer = await ScriptedPeer.dial(server.port);
  await peer.settled();
  await using wrong = new ScriptedPeer((await ScriptedPeer.dial(server.port)).socket, false);
  wrong.socket.write("GET / HTTP/1.1\r\n\r\n");
  await expectGoAway(wrong, H2.FRAME_SIZE_ERROR);
});

test("5.1: frames on idle streams end the connection", async () => {
  await using server = await listenH2(ok);
  for (const frame of [
    "000001 00 00 00000001 61",
    "000004 03 00 00000001 00000008",
    "000004 08 00 00000001 00000001",
  ]) {
    await using peer = await ScriptedPeer.dial(server.port);
    peer.send(frame);
    await expectGoAway(peer, H2.PROTOCOL_ERROR);
  }
});

test("5.1: DATA after END_STREAM, before and after the response", async () => {
  await using server = await listenH2(() => new Promise<HttpRsp>(() => {}));
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, GET);
  peer.data(1, "late");
  assert.equal((await peer.next("reset")).code, H2.STREAM_CLOSED);
  await using done = await listenH2(ok);
  await using other = await ScriptedPeer.dial(done.port);
  other.headers(1, GET);
  await other.next("data");
  other.data(1, "late");
  await expectGoAway(other, H2.STREAM_CLOSED);
});

test("5.1: frames after our own RST_STREAM are ignored, but counted for the connection's window", async () => {
  await using server = await listenH2(ok, { connectionWindowBytes: 70_000 });
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, [...GET, "connection", "close"], OPEN);
  assert.equal((await peer.next("reset")).code, H2.PROTOCOL_ERROR);
  for (let i = 0; i < 10; i++) {
    peer.data(1, Buffer.alloc(16_000));
    await peer.settled();
  }
  peer.send("000004 08 00 00000001 00000001 000004 03 00 00000001 00000008");
  peer.headers(1, ["trailer", "1"]);
  peer.headers(3, GET);
  assert.equal(statusOf((await peer.next("headers")).fields), "200");
});

test("5.1.1: even and decreasing stream ids", async () => {
  await using server = await listenH2(ok);
  await using even = await ScriptedPeer.dial(server.port);
  even.headers(2, GET);
  await expectGoAway(even, H2.PROTOCOL_ERROR);
  await using back = await ScriptedPeer.dial(server.port);
  back.headers(5, GET);
  await back.next("data");
  back.headers(3, GET);
  await expectGoAway(back, H2.STREAM_CLOSED);
});

test("5.1.2: streams beyond the limit are refused, and others go on", async () => {
  let finish: ((rsp: HttpRsp) => void) | undefined;
  await using server = await listenH2(() => new Promise<HttpRsp>((resolve) => (finish = resolve)), {
    maxConcurrentStreams: 1,
  });
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, GET);
  peer.headers(3, GET);
  const refused = await peer.next("reset");
  assert.deepEqual([refused.id, refused.code], [3, H2.REFUSED_STREAM]);
  finish!(await ok());
  assert.equal((await peer.next("headers")).id, 1);
});

test("6.5.2, 6.9.2: the initial window bounds, grows, and goes below zero", async () => {
  await using server = await listenH2(async () => new HttpRsp(200, [], Body.of("0123456789"), 20));
  await using peer = await ScriptedPeer.dial(server.port);
  peer.send("000006 04 00 00000000 000400000003");
  peer.headers(1, GET);
  assert.equal((await peer.next("data")).bytes.toString(), "012");
  peer.send("000006 04 00 00000000 000400000000");
  peer.send("000004 08 00 00000001 00000003");
  await peer.settled();
  assert.equal(peer.frames.filter((frame) => frame.type === "data").length, 1, "the window is 0");
  peer.send("000004 08 00 00000001 00000002");
  assert.equal((await peer.next("data")).bytes.toString(), "34");
  peer.send("000006 04 00 00000000 000400000064");
  const last = await peer.next("data");
  assert.deepEqual([last.bytes.toString(), last.end], ["56789", true]);
});

test("6.9: the connection's window is shared fairly by waiting streams", async () => {
  await using server = await listenH2(
    async () => new HttpRsp(200, [], Body.of(Buffer.alloc(65_535)), 20),
  );
  await using peer = await ScriptedPeer.dial(server.port);
  for (const id of [1, 3, 5]) peer.headers(id, GET);
  await peer.settled();
  const sent = (): number[] =>
    [1, 3, 5].map((id) =>
      peer.frames.reduce(
        (sum, f) => sum + (f.type === "data" && f.id === id ? f.bytes.length : 0),
        0,
      ),
    );
  while (sent()[0] !== 65_535) await peer.settled();
  peer.send("000004 08 00 00000000 0000ffff");
  while (sent()[1]! + sent()[2]! !== 65_535) await peer.settled();
  const [, second, third] = sent();
  assert.ok(Math.abs(second! - third!) <= 16_384);
});

test("6.9.1: more than a window of DATA, and windows beyond 2^31-1", async () => {
  await using server = await listenH2(() => new Promise<HttpRsp>(() => {}));
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, POST, OPEN);
  for (let i = 0; i < 5; i++) peer.data(1, Buffer.alloc(16_384));
  const reset = await peer.next("reset");
  assert.deepEqual([reset.id, reset.code], [1, H2.FLOW_CONTROL_ERROR]);
  peer.headers(3, GET);
  peer.send("000004 08 00 00000003 7fffffff");
  assert.equal((await peer.next("reset")).code, H2.FLOW_CONTROL_ERROR);
  peer.send("000004 08 00 00000000 7fffffff");
  await expectGoAway(peer, H2.FLOW_CONTROL_ERROR);
});

test("6.9.1: window updates come when the consumer has taken half a window", async () => {
  const reader = new Slow();
  let body: Body | undefined;
  await using server = await listenH2((req) => {
    body = req.body;
    body.to(reader);
    return new Promise<HttpRsp>(() => {});
  });
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, POST, OPEN);
  await peer.settled();
  for (let i = 0; i < 3; i++) peer.data(1, Buffer.alloc(16_000));
  await peer.settled();
  const updates = (): number[] =>
    peer.frames.flatMap((f) => (f.type === "window" && f.id === 1 ? [f.bytes] : []));
  assert.deepEqual(updates(), []);
  reader.open = true;
  body!.resume();
  await peer.settled();
  assert.deepEqual(updates(), [48_000]);
});

test("6.1: padding counts for flow control and is given back", async () => {
  await using server = await listenH2(patient, { streamWindowBytes: 1000 });
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, POST, OPEN);
  for (let i = 0; i < 10; i++) {
    peer.frame(0, 8, 1, Buffer.concat([Buffer.from([200]), Buffer.from("x"), Buffer.alloc(200)]));
    await peer.settled();
  }
  peer.data(1, "", true);
  assert.equal((await peer.next("data")).bytes.toString(), "x".repeat(10));
});

test("6.4, 8.1: an early answer ends with RST_STREAM of NO_ERROR, and the upload is let go", async () => {
  await using server = await listenH2(ok);
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, POST, OPEN);
  const data = await peer.next("data");
  assert.ok(data.end);
  assert.equal((await peer.next("reset")).code, H2.NO_ERROR);
  peer.data(1, Buffer.alloc(1000));
  await peer.settled();
});

test("6.8: drain announces, waits for the PING, then says what was last", async () => {
  await using server = await listenH2(ok);
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, GET);
  await peer.next("data");
  server.servers[0]!.drain();
  assert.equal((await peer.next("goaway")).last, 0x7fff_ffff);
  const ping = await peer.next("ping");
  peer.headers(3, GET);
  assert.equal((await peer.next("headers")).id, 3);
  peer.send(`000008 06 01 00000000 ${ping.high.toString(16).padStart(8, "0")}00000000`);
  const last = await peer.next("goaway");
  assert.deepEqual([last.last, last.code], [3, H2.NO_ERROR]);
  await server.servers[0]!.done;
});

const MALFORMED: Record<string, Headers> = {
  "8.2 upper-case name": [...GET, "X-A", "1"],
  "8.2.1 space in a name": [...GET, "x a", "1"],
  "8.2.1 line feed in a value": [...GET, "x", "a\nb"],
  "8.2.1 blank before a value": [...GET, "x", " a"],
  "8.2.2 connection": [...GET, "connection", "keep-alive"],
  "8.2.2 transfer-encoding": [...GET, "transfer-encoding", "chunked"],
  "8.2.2 upgrade": [...GET, "upgrade", "x"],
  "8.2.2 keep-alive": [...GET, "keep-alive", "5"],
  "8.2.2 proxy-connection": [...GET, "proxy-connection", "x"],
  "8.2.2 te other than trailers": [...GET, "te", "gzip"],
  "8.3 unknown pseudo-header": [...GET, ":unknown", "x"],
  "8.3 pseudo-header of responses": [...GET, ":status", "200"],
  "8.3 pseudo-header after a field": [":method", "GET", ":scheme", "http", "x", "1", ":path", "/"],
  "8.3 twice :path": [...GET, ":path", "/"],
  "8.3 twice :authority": [...GET, ":authority", "a"],
  "8.3.1 no :method": [":scheme", "http", ":path", "/"],
  "8.3.1 no :scheme": [":method", "GET", ":path", "/"],
  "8.3.1 no :path": [":method", "GET", ":scheme", "http"],
  "8.3.1 empty :path": [":method", "GET", ":scheme", "http", ":path", ""],
  "8.3.1 relative :path": [":method", "GET", ":scheme", "http", ":path", "a"],
  "8.3.1 * without OPTIONS": [":method", "GET", ":scheme", "http", ":path", "*"],
  "8.3.1 space in :path": [":method", "GET", ":scheme", "http", ":path", "/ HTTP/1.1"],
  "8.3.1 invalid :method": [":method", "G(T", ":scheme", "http", ":path", "/"],
  "8.3.1 user in :authority": [
    ":method",
    "GET",
    ":scheme",
    "http",
    ":path",
    "/",
    ":authority",
    "u@a",
  ],
  "8.3.1 host differs": [...GET, "host", "b"],
  "8.1.1 content-length without content": [...GET, "content-length", "1"],
  "8.1.1 signed content-length": [...GET, "content-length", "+0"],
  "8.1.1 two content-lengths": [...GET, "content-length", "0", "content-length", "1"],
  "8.5 CONNECT with :path": [":method", "CONNECT", ":authority", "a", ":path", "/"],
  "8.5 CONNECT without :authority": [":method", "CONNECT"],
  "RFC 8441 :protocol without CONNECT": [...GET, ":protocol", "websocket"],
};

for (const [what, fields] of Object.entries(MALFORMED)) {
  test(`malformed request: ${what}`, async () => {
    let called = 0;
    await using server = await listenH2((req) => (called++, patient(req)));
    await using peer = await ScriptedPeer.dial(server.port);
    peer.headers(1, fields);
    const reset = await peer.next("reset");
    assert.deepEqual([reset.id, reset.code], [1, H2.PROTOCOL_ERROR]);
    assert.equal(called, 0);
    peer.headers(3, GET);
    assert.equal((await peer.next("headers")).id, 3, "the connection goes on");
  });
}

test("8.1.1: content that is not as long as announced", async () => {
  await using server = await listenH2(patient);
  await using peer = await ScriptedPeer.dial(server.port);
  for (const [id, chunks] of [
    [1, ["abcd"]],
    [3, ["a"]],
    [5, ["ab", "cd"]],
  ] as const) {
    peer.headers(id, [...POST, "content-length", "3"], OPEN);
    await peer.settled();
    chunks.forEach((chunk, i) => peer.data(id, chunk, i === chunks.length - 1));
    const reset = await peer.next("reset");
    assert.deepEqual([reset.id, reset.code], [id, H2.PROTOCOL_ERROR]);
  }
  peer.headers(7, [...POST, "content-length", "3"], OPEN);
  peer.data(7, "abc", true);
  assert.equal((await peer.next("data")).bytes.toString(), "abc");
});

test("8.1: trailers must end the stream and hold no pseudo-headers", async () => {
  await using server = await listenH2(patient);
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, POST, OPEN);
  peer.headers(1, ["x", "1"], OPEN);
  assert.equal((await peer.next("reset")).code, H2.PROTOCOL_ERROR);
  peer.headers(3, POST, OPEN);
  peer.headers(3, [":path", "/"]);
  assert.equal((await peer.next("reset")).code, H2.PROTOCOL_ERROR);
});

test("8.2.3: cookies that were split are one field again", async () => {
  await using server = await listenH2(async (req) => new HttpRsp(200, req.headers, Body.empty, 20));
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, [...GET, "cookie", "a=1", "x", "y", "cookie", "b=2"]);
  const { fields } = await peer.next("headers");
  assert.deepEqual(fields.slice(2), ["cookie", "a=1; b=2", "x", "y"]);
});

test("8.3.1: Host stands in for :authority", async () => {
  await using server = await listenH2(async (req) => {
    assert.deepEqual(req.headers, ["x", "1"]);
    return new HttpRsp(200, ["authority", req.authority], Body.empty, 20);
  });
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, [":method", "GET", ":scheme", "http", ":path", "/", "host", "h", "x", "1"]);
  assert.deepEqual((await peer.next("headers")).fields.slice(2), ["authority", "h"]);
  peer.headers(3, [...GET, "host", "A", "x", "1"]);
  assert.deepEqual((await peer.next("headers")).fields.slice(2), ["authority", "a"]);
});

test("a HEADERS frame in thousands of pieces is as good as in one", async () => {
  await using server = await listenH2(ok);
  await using peer = await ScriptedPeer.dial(server.port);
  await peer.settled();
  const bytes = Buffer.from("00000301050000000182 8684".replaceAll(" ", ""), "hex");
  for (const byte of bytes) {
    peer.socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok((await peer.next("data")).end);
});

test("an answer of head, content and trailers is three frames; a trailers-only one is one", async () => {
  await using server = await listenH2(async (req) =>
    req.path === "/only"
      ? new HttpRsp(200, ["grpc-status", "5"], Body.empty, 20)
      : new HttpRsp(200, [], Body.of("abc", ["grpc-status", "0"]), 20),
  );
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, GET);
  assert.equal((await peer.next("headers")).end, false);
  assert.equal((await peer.next("data")).end, false);
  const trailers = await peer.next("headers");
  assert.deepEqual([trailers.fields, trailers.end], [["grpc-status", "0"], true]);
  peer.headers(3, GET.with(5, "/only"));
  const only = await peer.next("headers");
  assert.deepEqual([only.fields, only.end], [[":status", "200", "grpc-status", "5"], true]);
});

test("END_STREAM goes onto the last frame when the end follows it in the same turn", async () => {
  await using server = await listenH2(async () => {
    const source = new HandFed();
    setTimeout(() => {
      source.body.push(Buffer.from("last"));
      source.body.finish();
    }, 1);
    return new HttpRsp(200, [], source.body, 20);
  });
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, GET);
  const data = await peer.next("data");
  assert.deepEqual([data.bytes.toString(), data.end], ["last", true]);
});

// --- Attacks: each ends in GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §10.5).

const never = (): Promise<HttpRsp> => new Promise(() => {});

const FLOODS: Record<string, (peer: ScriptedPeer, round: number) => void> = {
  "rapid reset (CVE-2023-44487)": (peer, round) => {
    const id = 2 * round + 1;
    peer.headers(id, GET);
    peer.frame(3, 0, id, Buffer.from([0, 0, 0, 8]));
  },
  "provoked resets (CVE-2025-8671)": (peer, round) => {
    const id = 2 * round + 1;
    peer.headers(id, GET);
    peer.frame(8, 0, id, Buffer.from([0, 0, 0, 0]));
  },
  "malformed requests": (peer, round) => peer.headers(2 * round + 1, [...GET, "te", "x"]),
  "PING flood": (peer) => peer.frame(6, 0, 0, Buffer.alloc(8)),
  "SETTINGS flood": (peer) => peer.frame(4, 0, 0, Buffer.alloc(0)),
  "empty DATA flood": (peer, round) => {
    if (round === 0) peer.headers(1, POST, OPEN);
    peer.data(1, "");
  },
  "window updates of a byte": (peer, round) => {
    if (round === 0) peer.headers(1, POST, OPEN);
    peer.frame(8, 0, round % 2, Buffer.from([0, 0, 0, 1]));
  },
  "frames for closed streams": (peer, round) => {
    if (round === 0) {
      peer.headers(1, [...GET, "te", "x"]);
      peer.headers(3, GET);
    }
    peer.data(1, "");
  },
};

for (const [name, flood] of Object.entries(FLOODS)) {
  test(`attack: ${name}`, async () => {
    await using server = await listenH2(never);
    await using peer = await ScriptedPeer.dial(server.port);
    for (let round = 0; round < 4000 && server.servers[0]?.fault === undefined; round++) {
      flood(peer, round);
      if (round % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
    }
    await expectGoAway(peer, H2.ENHANCE_YOUR_CALM);
    await server.servers[0]!.done;
  });
}

test("attack: a window of one byte at a time", async () => {
  await using server = await listenH2(
    async () => new HttpRsp(200, [], Body.of(Buffer.alloc(60_000)), 20),
  );
  await using peer = await ScriptedPeer.dial(server.port);
  peer.send("000006 04 00 00000000 000400000000");
  peer.headers(1, GET);
  for (let round = 0; round < 6000 && server.servers[0]?.fault === undefined; round++) {
    peer.send("000004 08 00 00000001 00000001");
    if (round % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  await expectGoAway(peer, H2.ENHANCE_YOUR_CALM);
});

test("attack: CONTINUATION without end (CVE-2024-27316)", async () => {
  await using server = await listenH2(ok);
  await using peer = await ScriptedPeer.dial(server.port);
  peer.frame(1, 1, 1, Buffer.from([0x82]));
  for (let i = 0; i < 200; i++) peer.frame(9, 0, 1, Buffer.from([0x00, 0x01, 0x61, 0x01, 0x62]));
  await expectGoAway(peer, H2.ENHANCE_YOUR_CALM);
});

test("attack: an HPACK bomb gets 431 and costs nothing", async () => {
  await using server = await listenH2(ok);
  await using peer = await ScriptedPeer.dial(server.port);
  const entry = Buffer.concat([
    Buffer.from([0x40, 1, 0x61, 0x7f, 0x80 + 0x21, 0x1e]),
    Buffer.alloc(4000, 98),
  ]);
  const bomb = Buffer.concat([Buffer.from([0x82, 0x86, 0x84]), entry, Buffer.alloc(12_000, 0xbe)]);
  peer.frame(1, 5, 1, bomb);
  assert.equal(statusOf((await peer.next("headers")).fields), "431");
  peer.headers(3, GET);
  assert.equal(statusOf((await peer.next("headers")).fields), "200");
});

test("a busy client that cancels half of its requests is no attacker", async () => {
  await using server = await listenH2(async (req) => {
    if (req.path === "/slow") return never();
    return ok();
  });
  await using peer = await ScriptedPeer.dial(server.port);
  for (let round = 0; round < 3000; round++) {
    peer.headers(4 * round + 1, GET);
    peer.headers(4 * round + 3, GET.with(5, "/slow"));
    peer.frame(3, 0, 4 * round + 3, Buffer.from([0, 0, 0, 8]));
    if (round % 50 === 49) await peer.settled();
  }
  assert.equal(server.servers[0]!.fault, undefined);
});

test("a service that rejects after the client is gone disturbs nobody", async () => {
  await using server = await listenH2(
    (req) =>
      new Promise((_, reject) => {
        req.onCancel = () => reject(new Fault("io", "late"));
      }),
  );
  await using peer = await ScriptedPeer.dial(server.port);
  peer.headers(1, GET);
  peer.frame(3, 0, 1, Buffer.from([0, 0, 0, 8]));
  await peer.settled();
  assert.equal(peer.frames.filter((frame) => frame.type === "headers").length, 0);
});
