// Our clients and servers of both versions against peers that send spoilt bytes and then close: every request and
// connection comes to an end, what a server answers can be read, and what a forwarder sends on is beyond doubt.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/fault.ts";
import type { Random } from "../../src/base/random.ts";
import { Body } from "../../src/io/body.ts";
import { Conn } from "../../src/io/conn.ts";
import { H1Client } from "../../src/io/h1client.ts";
import { serveH1 } from "../../src/io/h1server.ts";
import { H2Client } from "../../src/io/h2client.ts";
import { serveH2 } from "../../src/io/h2server.ts";
import { HttpReq, HttpRsp, type HttpService } from "../../src/io/message.ts";
import { FrameReader } from "../../src/wire/framereader.ts";
import { FLAG, FRAME, PREFACE } from "../../src/wire/frames.ts";
import { HpackDecoder } from "../../src/wire/hpackdecoder.ts";
import { frame, literals } from "../conformance/h2raw.ts";
import { Recorder } from "../conformance/recorder.ts";
import { gradeResponse } from "../conformance/strict.ts";
import { PEER } from "../support/h2.ts";
import { fuzz } from "./fuzz.ts";
import { clientConversations, pieces, requests, responses, serverConversations } from "./mutate.ts";

const options = { clock: systemClock };
const servers: Server[] = [];
let recorder: Recorder;
const at = { h1: 0, h2: 0, h1Forwarder: 0, h2Forwarder: 0, h1Spoilt: 0, h2Spoilt: 0 };
// Test runs side by side must not meet.
const RECORDER = { host: `127.92.${process.pid & 255}.1`, port: 28_790 };

before(async () => {
  recorder = await Recorder.listen([RECORDER.host], RECORDER.port);
  const echo: HttpService = async (req) => new HttpRsp(200, ["x-got", req.path], req.body);
  at.h1 = await listening((socket) => serveH1(new Conn(socket, PEER), echo, options));
  at.h2 = await listening((socket) => serveH2(new Conn(socket, PEER), echo, options));
  at.h1Forwarder = await listening((socket) => serveH1(new Conn(socket, PEER), forward, options));
  at.h2Forwarder = await listening((socket) => serveH2(new Conn(socket, PEER), forward, options));
  at.h1Spoilt = await listening(answerSpoilt);
  at.h2Spoilt = await listening(answerSpoilt);
});
after(async () => {
  for (const server of servers) server.close();
  await recorder.close();
});

fuzz("a server of HTTP/1 ends, and its answers can be read", requests, async (input, random) => {
  let bytes = await answerTo(at.h1, input, random);
  while (bytes.length > 0) {
    const graded = gradeResponse(bytes, "GET");
    // The body of a request that broke off is echoed as far as it came, and then the connection is cut.
    if (graded.kind === "partial") return;
    // Which method was understood is not known here; a response to HEAD has a length and no body.
    const whole = graded.kind === "whole" ? graded : gradeResponse(bytes, "HEAD");
    assert.ok(whole.kind === "whole", `it answered ${JSON.stringify(bytes.toString("latin1"))}`);
    bytes = bytes.subarray(whole.used);
  }
});

fuzz(
  "a server of HTTP/2 ends, and its frames can be read",
  clientConversations(),
  async (input, random) => {
    const bytes = await answerTo(at.h2, input, random);
    const decoder = new HpackDecoder(1 << 20);
    const nothing = (): void => {};
    const reader = new FrameReader(
      {
        onHeaders: (_id, block, start, stop) =>
          assert.equal(decoder.decode(block, start, stop), null),
        onData: nothing,
        onReset: nothing,
        onGoAway: nothing,
        onSettings: nothing,
        onSettingsAck: nothing,
        onPing: nothing,
        onWindowUpdate: nothing,
        onError: ({ reason }) => assert.fail(`it answered bad frames: ${reason}`),
      },
      false,
      1 << 20,
    );
    reader.read(bytes);
  },
);

fuzz("what is forwarded from HTTP/1 is beyond doubt", requests, async (input, random) => {
  await answerTo(at.h1Forwarder, input, random);
  noFlaws();
});

fuzz(
  "what is forwarded from HTTP/2 is beyond doubt",
  [],
  async (input, random) => {
    await answerTo(at.h2Forwarder, input, random);
    noFlaws();
  },
  anyRequest,
);

fuzz("a client of HTTP/1 ends", responses, async (input, random) => {
  const client = new H1Client(await dial(at.h1Spoilt, input, random));
  for (const req of someRequests(random)) await over(client.request(req));
  client.close();
  await client.done;
});

fuzz("a client of HTTP/2 ends", serverConversations(), async (input, random) => {
  const client = new H2Client(await dial(at.h2Spoilt, input, random), options);
  await Promise.all(someRequests(random).map((req) => over(client.request(req))));
  client.close();
  await client.done;
});

async function listening(accept: (socket: Socket) => unknown): Promise<number> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    accept(socket);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

/** Sends `input` in pieces, then FIN; gives what came back until the other side closed too. */
async function answerTo(port: number, input: Buffer, random: Random): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  // Not `once` of node:events, which an error ends: the server may close before it has read all.
  const closed = new Promise((done) => socket.once("close", done));
  send(socket, input, random);
  await closed;
  return Buffer.concat(chunks);
}

/** In a few pieces, each in a turn of its own. */
function send(socket: Socket, bytes: Buffer, random: Random): void {
  const parts = random.below(2) === 0 ? [bytes] : pieces(bytes, random).slice(0, 20);
  const next = (): void => {
    const part = parts.shift();
    if (socket.destroyed) return;
    if (part === undefined) return void socket.end();
    socket.write(part);
    setImmediate(next);
  };
  next();
}

/** What the servers of spoilt bytes send on the connection from a port, since several tests run at once. */
const spoilt = new Map<number, readonly [input: Buffer, random: Random]>();

function answerSpoilt(socket: Socket): void {
  // Once the first bytes have come, or the client would not know what it is that is answered.
  socket.once("data", () => {
    const [input, random] = spoilt.get(socket.remotePort!)!;
    spoilt.delete(socket.remotePort!);
    socket.resume();
    send(socket, input, random);
  });
}

async function dial(port: number, input: Buffer, random: Random): Promise<Conn> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  socket.once("connect", () => spoilt.set(socket.localPort!, [input, random]));
  await once(socket, "connect");
  return new Conn(socket, PEER);
}

function someRequests(random: Random): HttpReq[] {
  return Array.from({ length: 1 + random.below(2) }, () => {
    const method = ["GET", "HEAD", "POST", "CONNECT"][random.below(4)]!;
    const body = method === "POST" ? Body.of("abc") : Body.empty;
    const path = method === "CONNECT" ? "" : "/";
    const headers = random.below(4) === 0 ? ["te", "trailers"] : [];
    const req = new HttpReq(method, path, "h:80", 11, headers, body, PEER, 0);
    if (method === "CONNECT") req.upgrade = "";
    if (random.below(2) === 0) req.inform = () => {};
    return req;
  });
}

/** Waits until the response is over, in order or by a fault; nothing else may be thrown. */
async function over(answer: Promise<HttpRsp>): Promise<void> {
  try {
    const rsp = await answer;
    if (rsp.tunnel !== undefined) rsp.tunnel.send(Body.empty);
    const body = rsp.tunnel?.incoming ?? rsp.body;
    await body.read(1 << 20, () => new Fault("protocol", "too much"));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
}

/** Sends a request on to the recorder, on a connection of its own. */
async function forward(req: HttpReq): Promise<HttpRsp> {
  const socket = connect({ ...RECORDER, noDelay: true, allowHalfOpen: true });
  socket.on("error", () => {});
  const client = new H1Client(new Conn(socket, PEER));
  return client.request(req).finally(() => client.close());
}

function noFlaws(): void {
  assert.deepEqual(recorder.flaws, [], `sent on: ${JSON.stringify(recorder.raw.slice(-1_000))}`);
  recorder.reset();
}

// oxfmt-ignore
const NAMES = [":method", ":path", ":scheme", ":authority", ":protocol", ":status", "host", "content-length", "transfer-encoding",
  "connection", "upgrade", "te", "expect", "cookie", "keep-alive", "proxy-connection", "trailer", "x", "transfer_encoding", "X", ""];
// oxfmt-ignore
const VALUES = ["GET", "POST", "HEAD", "CONNECT", "OPTIONS", "/", "/a?b", "*", "http", "https", "h", "h:80", "[::1]:80", "u@h", "", "0", "3",
  "003", "+3", "3, 3", "chunked", "gzip, chunked", "close", "upgrade", "websocket", "trailers", "100-continue", " x", "a\r\nb", "a\nb", "a\0b", "é"];

/** One request of HTTP/2 as nobody should send it: fields of chance about a good head, a body, perhaps trailers. */
function anyRequest(_seeds: readonly Buffer[], random: Random): Buffer {
  const any = (all: readonly string[]): string => all[random.below(all.length)]!;
  const pair = (): string[] => [any(NAMES), any(VALUES)];
  const fields = [
    [":method", any(["GET", "POST"])],
    [":scheme", "http"],
    [":path", "/a"],
    [":authority", "h"],
  ];
  for (let n = random.below(4); n > 0; n--)
    fields.splice(random.below(fields.length + 1), random.below(8) === 0 ? 1 : 0, pair());
  const sends = random.below(2) === 0;
  const ends = random.below(3) > 0;
  const parts = [PREFACE, frame(FRAME.SETTINGS, 0, 0), frame(FRAME.SETTINGS, FLAG.ACK, 0)];
  parts.push(
    frame(
      FRAME.HEADERS,
      FLAG.END_HEADERS | (sends ? 0 : FLAG.END_STREAM),
      1,
      literals(fields.flat()),
    ),
  );
  if (sends)
    parts.push(
      frame(FRAME.DATA, ends ? FLAG.END_STREAM : 0, 1, Buffer.from(any(["abc", "", "0\r\n\r\n"]))),
    );
  if (sends && !ends)
    parts.push(frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, literals(pair())));
  return Buffer.concat(parts);
}
