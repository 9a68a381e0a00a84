// HTTP/1 over real sockets for tests: our server and client, and the plain socket of a scripted peer.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import type { SocketAddr } from "../../src/io/conn.ts";
import { Conn } from "../../src/io/conn.ts";
import { H1Client } from "../../src/io/h1client.ts";
import { type H1Server, type H1ServerOptions, serveH1 } from "../../src/io/h1server.ts";
import { Body } from "../../src/io/body.ts";
import { HttpReq, HttpRsp, type HttpService } from "../../src/io/message.ts";
import type { Headers } from "../../src/wire/headers.ts";
import { PEER, text } from "./h2.ts";

/** A listening HTTP/1 server of ours; `servers` are its connections. */
export async function listenH1(
  service: HttpService,
  options: Partial<H1ServerOptions> = {},
): Promise<{ port: number; servers: H1Server[] } & AsyncDisposable> {
  const servers: H1Server[] = [];
  const listener = net.createServer(
    { noDelay: true, allowHalfOpen: true, pauseOnConnect: true },
    (socket) => {
      servers.push(serveH1(new Conn(socket, PEER), service, { clock: systemClock, ...options }));
    },
  );
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

/** The other end of a connection, which sends text as a test says and collects what it gets. */
export class RawPeer implements AsyncDisposable {
  readonly socket: net.Socket;
  /** What has arrived and no `until` has taken yet. */
  text = "";
  ended = false;
  error: string | undefined;
  private closed = false;
  private wake: () => void = () => {};

  constructor(socket: net.Socket) {
    this.socket = socket;
    const told =
      (note: () => void): (() => void) =>
      () => {
        note();
        this.wake();
      };
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.text += text;
      this.wake();
    });
    socket.on(
      "end",
      told(() => (this.ended = true)),
    );
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
    socket.on(
      "close",
      told(() => (this.closed = true)),
    );
  }

  /** Connects to a server of ours. */
  static async dial(port: number): Promise<RawPeer> {
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    await once(socket, "connect");
    return new RawPeer(socket);
  }

  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Waits for text that `wanted` matches; gives, and takes, all until the end of the match. */
  async until(wanted: RegExp | string): Promise<string> {
    for (;;) {
      const match = typeof wanted === "string" ? [wanted] : wanted.exec(this.text);
      const at = match === null ? -1 : this.text.indexOf(match[0]!);
      if (at >= 0) {
        const end = at + match![0]!.length;
        const taken = this.text.slice(0, end);
        this.text = this.text.slice(end);
        return taken;
      }
      if (this.ended || this.closed) {
        assert.fail(`${this.error ?? "closed"} before ${wanted}: ${JSON.stringify(this.text)}`);
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** Waits for the end of the connection; gives what came before it. */
  async rest(): Promise<string> {
    while (!this.ended && !this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
    const { text } = this;
    this.text = "";
    return text;
  }

  /** Waits until the socket is gone; gives the error that it died of, if any. */
  async gone(): Promise<string | undefined> {
    this.socket.end();
    while (!this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    if (!this.socket.closed) await once(this.socket, "close");
  }
}

/** A server whose connections a test answers by hand. */
export class RawServer implements AsyncDisposable {
  readonly addr: SocketAddr;
  private readonly listener: net.Server;
  private readonly arrived: RawPeer[] = [];
  private readonly all: RawPeer[] = [];
  private wake: () => void = () => {};

  private constructor(listener: net.Server) {
    this.listener = listener;
    this.addr = { ip: "127.0.0.1", port: (listener.address() as net.AddressInfo).port };
    listener.on("connection", (socket) => {
      const peer = new RawPeer(socket);
      this.arrived.push(peer);
      this.all.push(peer);
      this.wake();
    });
  }

  static async listen(): Promise<RawServer> {
    const listener = net.createServer({ noDelay: true, allowHalfOpen: true });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    return new RawServer(listener);
  }

  /** The next connection. */
  async accept(): Promise<RawPeer> {
    while (this.arrived.length === 0) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.arrived.shift()!;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.all.length;
  }

  /** A new connection to it. */
  async dial(): Promise<Conn> {
    const socket = net.connect({
      port: this.addr.port,
      host: this.addr.ip,
      noDelay: true,
      allowHalfOpen: true,
    });
    await once(socket, "connect");
    return new Conn(socket, PEER);
  }

  /** A client of ours that is connected to it, and its end of the connection. */
  async client(): Promise<[client: H1Client, peer: RawPeer]> {
    const client = new H1Client(await this.dial());
    return [client, await this.accept()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.listener.close();
    await Promise.all(this.all.map((peer) => peer[Symbol.asyncDispose]()));
  }
}

/** A response with status 200. */
export function ok(body: Body | string = "", headers: Headers = []): HttpRsp {
  return new HttpRsp(200, headers, typeof body === "string" ? Body.of(body) : body);
}

/** Lets what is under way in this process come to pass. */
export async function turns(n = 5): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A service whose requests a test answers by hand. */
export function byHand() {
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

/** A request as the client's tests send it. */
export function ask(method: string, headers: Headers = [], body: Body = Body.empty): HttpReq {
  return new HttpReq(method, "/p", "auth:1", 11, headers, body, PEER, 0);
}

/** A whole answer. */
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** One exchange that leaves the connection open. */
export async function exchange(client: H1Client, peer: RawPeer): Promise<void> {
  const rsp = client.request(ask("GET"));
  await peer.until("\r\n\r\n");
  peer.send(OK);
  assert.equal(await text((await rsp).body), "ok");
}
