// HTTP/2 over real sockets for tests: our server and client, and the plain socket of a scripted peer.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import type { Fault } from "../../src/base/fault.ts";
import { Body, type Sink } from "../../src/io/body.ts";
import { Conn, type Peer } from "../../src/io/conn.ts";
import { H2Client } from "../../src/io/h2client.ts";
import type { H2Options } from "../../src/io/h2link.ts";
import { type H2Server, serveH2 } from "../../src/io/h2server.ts";
import { keep } from "../../src/io/memory.ts";
import { HttpReq, HttpRsp, type HttpService } from "../../src/io/message.ts";
import { FrameReader } from "../../src/wire/framereader.ts";
import { PREFACE } from "../../src/wire/frames.ts";
import { type Headers, header } from "../../src/wire/headers.ts";
import { HpackDecoder } from "../../src/wire/hpackdecoder.ts";
import { encodedBound, HpackEncoder } from "../../src/wire/hpackencoder.ts";

export const PEER: Peer = {
  remote: { ip: "127.0.0.1", port: 1 },
  local: { ip: "127.0.0.1", port: 2 },
  original: { ip: "127.0.0.1", port: 2 },
  tls: { kind: "no_identity", reason: "disabled" },
};

const defaults: H2Options = { clock: systemClock };

/** A listening HTTP/2 server of ours; `servers` are its connections. */
export async function listenH2(
  service: HttpService,
  options: Partial<H2Options> = {},
): Promise<{ port: number; servers: H2Server[] } & AsyncDisposable> {
  const servers: H2Server[] = [];
  const listener = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    servers.push(serveH2(new Conn(socket, PEER), service, { ...defaults, ...options }));
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as net.AddressInfo).port,
    servers,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      for (const server of servers) server.conn.destroy();
      await Promise.all(servers.map((server) => server.done));
    },
  };
}

/** A connected HTTP/2 client of ours. */
export async function dialH2(
  port: number,
  options: Partial<H2Options> = {},
): Promise<H2Client & AsyncDisposable> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  const client = new H2Client(new Conn(socket, PEER), { ...defaults, ...options });
  return Object.assign(client, {
    [Symbol.asyncDispose]: async () => {
      client.conn.destroy();
      await client.done;
    },
  });
}

/** A request as a client of the proxy would have sent it by HTTP/2. */
export function request(
  method: string,
  path: string,
  body: Body = Body.empty,
  headers: Headers = [],
): HttpReq {
  return new HttpReq(method, path, "test.example", 20, headers, body, PEER, 0);
}

/** All of a body as text, for small ones. */
export async function text(body: Body): Promise<string> {
  return (await body.read(1 << 24, () => assert.fail("too large"))).toString();
}

/** The fault that a promise is rejected with. */
export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise;
  } catch (fault) {
    return fault as Fault;
  }
  throw new assert.AssertionError({ message: "nothing was refused" });
}

/** A body that a test pushes into by hand. */
export class HandFed {
  readonly body: Body;
  cancelled: Fault | undefined;
  resumes = 0;

  constructor(length?: number) {
    this.body = Body.stream(this, length);
  }

  resume(): void {
    this.resumes++;
  }

  cancel(fault: Fault): void {
    this.cancelled = fault;
  }
}

/** A consumer that takes a body only as fast as the test says, and collects what it got. */
export class Slow implements Sink {
  readonly chunks: Buffer[] = [];
  trailers: Headers | undefined;
  fault: Fault | undefined;
  readonly over: Promise<void>;
  open = false;
  private finish!: () => void;

  constructor() {
    this.over = new Promise((resolve) => (this.finish = resolve));
  }

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  chunk(chunk: Buffer): boolean {
    this.chunks.push(keep(chunk));
    return this.open;
  }

  end(trailers: Headers | undefined): void {
    this.trailers = trailers;
    this.finish();
  }

  abort(fault: Fault): void {
    this.fault = fault;
    this.finish();
  }
}

export type Frame =
  | { type: "headers"; id: number; fields: Headers; end: boolean }
  | { type: "data"; id: number; bytes: Buffer; end: boolean }
  | { type: "reset"; id: number; code: number }
  | { type: "goaway"; last: number; code: number; reason: string }
  | { type: "settings"; payload: string }
  | { type: "ack" }
  | { type: "ping"; ack: boolean; high: number; low: number }
  | { type: "window"; id: number; bytes: number }
  | { type: "closed" };

/** The other end of a connection, which sends bytes as a test says and collects the frames that it gets. */
export class ScriptedPeer implements AsyncDisposable {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  private readonly encoder = new HpackEncoder();
  private read = 0;
  private wake: () => void = () => {};

  /** `isServer`: the peer plays the server, so that it reads a preface. */
  constructor(socket: net.Socket, isServer: boolean) {
    this.socket = socket;
    const decoder = new HpackDecoder(1 << 20);
    const add = (frame: Frame): void => {
      this.frames.push(frame);
      this.wake();
    };
    const reader = new FrameReader(
      {
        onHeaders: (id, block, start, stop, end) => {
          assert.equal(decoder.decode(block, start, stop), null);
          add({ type: "headers", id, fields: decoder.fields.slice(0, decoder.length), end });
        },
        onData: (id, chunk, start, stop, _flow, _first, end) =>
          add({ type: "data", id, bytes: Buffer.from(chunk.subarray(start, stop)), end }),
        onReset: (id, code) => add({ type: "reset", id, code }),
        onGoAway: (last, code, reason) => add({ type: "goaway", last, code, reason }),
        onSettings: (chunk, start, stop) =>
          add({ type: "settings", payload: chunk.toString("hex", start, stop) }),
        onSettingsAck: () => add({ type: "ack" }),
        onPing: (ack, high, low) => add({ type: "ping", ack, high, low }),
        onWindowUpdate: (id, bytes) => add({ type: "window", id, bytes }),
        onError: (error) => assert.fail(`we sent bad frames: ${error.reason}`),
      },
      isServer,
      1 << 20,
    );
    socket.on("data", (chunk: Buffer) => reader.read(chunk));
    socket.on("end", () => add({ type: "closed" }));
    socket.on("error", () => add({ type: "closed" }));
  }

  /** Connects to a server of ours and sends the preface and empty SETTINGS. */
  static async dial(port: number): Promise<ScriptedPeer> {
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    const peer = new ScriptedPeer(socket, false);
    socket.write(PREFACE);
    peer.send("000000 04 00 00000000");
    return peer;
  }

  /** Accepts a client of ours, made by `connect`, and answers its preface with SETTINGS of the payload `settings`. */
  static async accept<T>(
    connect: (port: number) => Promise<T>,
    settings = "",
  ): Promise<[peer: ScriptedPeer, client: T]> {
    const listener = net.createServer({ noDelay: true });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const accepted = once(listener, "connection") as Promise<[net.Socket]>;
    const client = await connect((listener.address() as net.AddressInfo).port);
    const [socket] = await accepted;
    listener.close();
    const peer = new ScriptedPeer(socket, true);
    peer.send(`${(settings.length / 2).toString(16).padStart(6, "0")} 04 00 00000000 ${settings}`);
    return [peer, client];
  }

  /** Sends frames written in hexadecimal. */
  send(hex: string): void {
    this.socket.write(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
  }

  /** Sends a field block as one frame with these flags; 5 is END_HEADERS and END_STREAM. */
  headers(id: number, fields: Headers, flags = 5): void {
    const out = Buffer.alloc(encodedBound(fields));
    const block = out.subarray(0, this.encoder.encode(fields, out, this.encoder.begin(out, 0)));
    this.frame(1, flags, id, block);
  }

  data(id: number, bytes: Buffer | string, end = false): void {
    this.frame(0, end ? 1 : 0, id, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
  }

  frame(type: number, flags: number, id: number, payload: Buffer): void {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(id, 5);
    this.socket.write(Buffer.concat([head, payload]));
  }

  /** The next frame of a type, skipping others; fails when the connection closes before. */
  async next<T extends Frame["type"]>(type: T): Promise<Extract<Frame, { type: T }>> {
    for (;;) {
      const frame = this.frames[this.read];
      if (frame === undefined) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        continue;
      }
      this.read++;
      if (frame.type === type) return frame as Extract<Frame, { type: T }>;
      if (frame.type === "closed") assert.fail(`closed instead of ${type}`);
    }
  }

  /** Waits until everything sent so far has been read and answered: a PING goes there and back. */
  async settled(): Promise<void> {
    this.send("000008 06 00 00000000 7777777777777777");
    for (;;) {
      const ping = await this.next("ping");
      if (ping.ack && ping.high === 0x7777_7777) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    if (!this.socket.closed) await once(this.socket, "close");
  }
}

/** :status of a response's fields. */
export function statusOf(fields: Headers): string | undefined {
  return header(fields, ":status");
}

/** A response with status 200. */
export function ok(body: Body | string = "", headers: Headers = []): HttpRsp {
  return new HttpRsp(200, headers, typeof body === "string" ? Body.of(body) : body, 20);
}

/** Lets what is under way between processes or sockets come to pass. */
export function settle(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
