// What clients of the soak do: each kind of conversation once through, from the connection or request to the last byte
// of the answer, which has to be the one that was asked for.

import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { type ClientHttp2Session, connect as connectH2 } from "node:http2";
import { connect } from "node:net";
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import grpc from "@grpc/grpc-js";
import { type Random, systemRandom } from "../../src/base/random.ts";
import { ECHO, GREETING } from "./soakapps.ts";
import { listenerOf, type Protocol } from "./soakworld.ts";

/** A kind of conversation: how many are held at once, how long each side then pauses, and one of them. */
export type Kind = {
  readonly name: string;
  readonly workers: number;
  readonly pauseMs: number;
  talk(random: Random): Promise<void>;
};

const MB = 1 << 20;
const SMALL = 4_000;
const noise = Buffer.from(Array.from({ length: 2 * MB }, () => systemRandom.below(256)));
const keeping = new Agent({ keepAlive: true });

/** `length` bytes, seldom the same twice. */
function some(random: Random, length: number): Buffer {
  const at = random.below(MB);
  return noise.subarray(at, at + length);
}

// oxfmt-ignore
export const KINDS: readonly Kind[] = [
  { name: "HTTP/1, kept alive", workers: 4, pauseMs: 20, talk: (random) => h1(some(random, random.below(SMALL)), keeping) },
  { name: "HTTP/1, closing", workers: 2, pauseMs: 50, talk: (random) => h1(some(random, random.below(SMALL)), false) },
  { name: "HTTP/1, 1 MB", workers: 1, pauseMs: 200, talk: (random) => h1(some(random, MB), keeping) },
  { name: "HTTP/2", workers: 4, pauseMs: 20, talk: (random) => h2(some(random, random.below(SMALL))) },
  { name: "HTTP/2, 1 MB", workers: 1, pauseMs: 200, talk: (random) => h2(some(random, MB)) },
  { name: "gRPC, unary", workers: 2, pauseMs: 20, talk: (random) => unary(some(random, random.below(SMALL))) },
  { name: "gRPC, streaming", workers: 2, pauseMs: 50, talk: chat },
  { name: "WebSocket", workers: 2, pauseMs: 50, talk: websocket },
  { name: "bytes", workers: 2, pauseMs: 50, talk: (random) => bytes("opaque", "", some(random, random.below(20 * SMALL))) },
  { name: "bytes, 1 MB", workers: 1, pauseMs: 200, talk: (random) => bytes("opaque", "", some(random, MB)) },
  { name: "the server speaks first", workers: 2, pauseMs: 50, talk: (random) => bytes("first", GREETING, some(random, SMALL)) },
];

/** Ends what is kept between conversations. */
export function closeTraffic(): void {
  keeping.destroy();
  session?.destroy();
  stub.close();
}

async function h1(body: Buffer, agent: Agent | false): Promise<void> {
  const headers = { host: "web.ns", "content-length": body.length };
  const req = request({ ...listenerOf("http1"), method: "POST", path: "/", headers, agent });
  req.end(body);
  const [rsp] = await once(req, "response");
  same(
    Buffer.concat(await rsp.toArray()),
    body,
    `${rsp.statusCode} ${rsp.headers["l5d-proxy-error"] ?? ""}`,
  );
}

let session: ClientHttp2Session | undefined;

async function h2(body: Buffer): Promise<void> {
  if (session === undefined || session.closed || session.destroyed) {
    const { host, port } = listenerOf("http2");
    session = connectH2(`http://${host}:${port}`);
    // Its streams say so too.
    session.on("error", () => {});
  }
  const stream = session.request({ ":method": "POST", ":path": "/", ":authority": "web.ns" });
  stream.end(body);
  const [head] = await once(stream, "response");
  same(
    Buffer.concat(await stream.toArray()),
    body,
    `${head[":status"]} ${head["l5d-proxy-error"] ?? ""}`,
  );
}

type Say = { text?: string; payload: Buffer };
const Stub = grpc.makeGenericClientConstructor(ECHO, "Echo");
const { host, port } = listenerOf("grpc");
const stub = new Stub(`${host}:${port}`, grpc.credentials.createInsecure());

async function unary(payload: Buffer): Promise<void> {
  const said = await new Promise<Say>((done, fail) =>
    stub["Once"]!({ payload }, (error: ServiceError | null, say: Say) =>
      error ? fail(error) : done(say),
    ),
  );
  same(said.payload, payload, "the message");
}

async function chat(random: Random): Promise<void> {
  const call = stub["Chat"]!() as ClientDuplexStream<Say, Say>;
  const said = call[Symbol.asyncIterator]();
  for (let n = 0; n < 10; n++) {
    const payload = some(random, random.below(SMALL));
    call.write({ payload });
    const { value } = await said.next();
    same(value?.payload ?? Buffer.alloc(0), payload, `message ${n}`);
  }
  call.end();
  assert.ok((await said.next()).done, "more than was said");
}

async function websocket(random: Random): Promise<void> {
  const at = listenerOf("websocket");
  const socket = new WebSocket(`ws://${at.host}:${at.port}/ws`);
  socket.binaryType = "arraybuffer";
  const next = (type: string): Promise<MessageEvent> =>
    new Promise((done, fail) => {
      socket.addEventListener(type, done as never, { once: true });
      const failed = (event: Event): void =>
        fail(new Error(`no ${type}`, { cause: (event as ErrorEvent).error }));
      socket.addEventListener("error", failed, { once: true });
    });
  await next("open");
  for (let n = 0; n < 5; n++) {
    const message = some(random, random.below(20 * SMALL));
    const answer = next("message");
    socket.send(new Uint8Array(message));
    same(Buffer.from((await answer).data as ArrayBuffer), message, `message ${n}`);
  }
  const closed = next("close");
  socket.close(1000);
  await closed;
}

async function bytes(protocol: Protocol, greeting: string, sent: Buffer): Promise<void> {
  const socket = connect({ ...listenerOf(protocol), allowHalfOpen: true, noDelay: true });
  try {
    if (greeting) {
      const [first] = (await once(socket, "data")) as [Buffer];
      assert.equal(first.toString("latin1"), greeting);
    }
    socket.end(sent);
    same(Buffer.concat(await socket.toArray()), sent, "the bytes");
  } finally {
    socket.destroy();
  }
}

/** Not `assert.deepEqual`, whose account of a difference is longer than the body. */
function same(got: Buffer, sent: Buffer, what: string): void {
  if (!got.equals(sent))
    throw new Error(
      `${what}: ${got.length} bytes for ${sent.length}: ${got.toString("latin1", 0, 80)}`,
    );
}
