// Connections over real sockets: hand-over, half-close, back-pressure, and memory that is lent out.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import type { Fault } from "../base/fault.ts";
import { Conn, type Peer, type Reader } from "./conn.ts";
import { keep } from "./memory.ts";

const nowhere = { ip: "127.0.0.1", port: 0 };
const peer: Peer = {
  remote: nowhere,
  local: nowhere,
  original: nowhere,
  tls: { kind: "no_identity", reason: "disabled" },
};

class Recorder implements Reader {
  readonly chunks: Buffer[] = [];
  ended = false;
  drains = 0;
  readonly over: Promise<Fault | undefined>;
  readonly done: Promise<void>;
  closed!: (fault: Fault | undefined) => void;
  private finish!: () => void;

  constructor() {
    this.over = new Promise((resolve) => (this.closed = resolve));
    this.done = new Promise((resolve) => (this.finish = resolve));
  }

  read(chunk: Buffer): void {
    this.chunks.push(keep(chunk));
  }

  end(): void {
    this.ended = true;
    this.finish();
  }

  drained(): void {
    this.drains++;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }
}

/** A connected pair: ours as a Conn, the other a plain socket. */
async function pair(t: { after(fn: () => void): void }): Promise<{ conn: Conn; other: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const other = connect({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  const connected = once(other, "connect");
  const [socket] = (await once(server, "connection")) as [Socket];
  await connected;
  other.on("error", () => {});
  t.after(() => {
    other.destroy();
    socket.destroy();
    server.close();
  });
  return { conn: new Conn(socket, peer), other };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("bytes arrive in order and stay valid when kept", async (t) => {
  const { conn, other } = await pair(t);
  const reader = new Recorder();
  conn.start(reader);
  for (let i = 0; i < 20; i++) {
    other.write(`message ${i};`);
    await turn();
  }
  other.end();
  await reader.done;
  assert.equal(reader.text, Array.from({ length: 20 }, (_, i) => `message ${i};`).join(""));
  assert.equal(conn.readBytes, reader.text.length);
});

test("a large stream arrives unharmed, whatever the size of its reads", async (t) => {
  const { conn, other } = await pair(t);
  const reader = new Recorder();
  conn.start(reader);
  const sent = Buffer.alloc(3_000_000);
  for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE(i, i);
  other.write(sent.subarray(0, 2_000_000));
  other.write(sent.subarray(2_000_000, 2_000_007));
  await turn();
  other.end(sent.subarray(2_000_007));
  await reader.done;
  assert.ok(Buffer.concat(reader.chunks).equals(sent));
});

test("readers hand over without loss, with what the first one gives back", async (t) => {
  const { conn, other } = await pair(t);
  const second = new Recorder();
  const first = new Recorder();
  const handedOver = new Promise<void>((resolve) => {
    first.read = (chunk) => {
      conn.stop();
      const kept = keep(chunk);
      // The second reader comes later, as after a look-up.
      setImmediate(() => {
        conn.start(second, kept);
        resolve();
      });
    };
  });
  conn.start(first);
  other.write("hello ");
  await turn();
  other.write("world");
  await handedOver;
  other.end(" end");
  await second.done;
  assert.equal(second.text, "hello world end");
});

test("what arrives before any reader waits for it", async (t) => {
  const { conn, other } = await pair(t);
  conn.resume();
  other.end("early");
  await turn();
  await turn();
  const reader = new Recorder();
  conn.start(reader);
  await reader.done;
  assert.equal(reader.text, "early");
});

test("half-close keeps the other direction open", async (t) => {
  const { conn, other } = await pair(t);
  const reader = new Recorder();
  conn.start(reader);
  other.end("bye");
  await reader.done;
  let got = "";
  other.setEncoding("latin1").on("data", (text: string) => (got += text));
  conn.write("still ");
  conn.write(Buffer.from("here"));
  conn.end();
  conn.write("never");
  await once(other, "end");
  assert.equal(got, "still here");
  assert.equal(await reader.over, undefined, "an orderly end has no fault");
  assert.equal(conn.writtenBytes, 10);
});

test("a full kernel says so, and drains", async (t) => {
  const { conn, other } = await pair(t);
  const reader = new Recorder();
  conn.start(reader);
  other.pause();
  const block = Buffer.alloc(1 << 20);
  let blocks = 1;
  while (conn.write(block)) blocks++;
  assert.equal(reader.drains, 0);
  let got = 0;
  other.on("data", (chunk: Buffer) => (got += chunk.length)).resume();
  while (got < blocks * block.length) await once(other, "data");
  await turn();
  assert.equal(reader.drains, 1);
});

test("a reset of the peer is a fault, and so is one of ours for the peer", async (t) => {
  const { conn, other } = await pair(t);
  const reader = new Recorder();
  conn.start(reader);
  other.resetAndDestroy();
  assert.equal((await reader.over)?.code, "io");

  const second = await pair(t);
  const gone = new Promise((resolve) => second.other.on("close", resolve));
  let error: NodeJS.ErrnoException | undefined;
  second.other.on("error", (e) => (error = e)).resume();
  second.conn.start(new Recorder());
  second.conn.reset();
  await gone;
  assert.equal(error?.code, "ECONNRESET");
});
