// A server that writes down what it is sent, to the byte, and has it graded. It answers every whole request with what
// it understood ("GET /a 0"), or by the raw bytes that a test wants, and never anything that is not whole.

import { createServer, type Server, type Socket } from "node:net";
import { gradeRequest, type Message } from "./strict.ts";

export type Verdict = "nothing" | "partial" | "normalised" | "malformed" | "ambiguous";

/** The raw bytes to answer a request with; `close` ends the connection after them. */
export type Answer = { readonly bytes: string | Buffer; readonly close?: boolean };

/** Bytes of a request from which on it is long. */
const LONG = 65_536;

export class Recorder {
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();
  /** Requests that arrived whole since the last `reset`. */
  messages: Message[] = [];
  /** What arrived last since the last `reset`, up to 64 kB. */
  raw = "";
  /** What was wrong with it. */
  flaws: { kind: "malformed" | "ambiguous"; why: string }[] = [];
  #partial = 0;
  answer: (message: Message, socket: Socket) => Answer | undefined = plain;
  /** Sees a request that is not whole yet each time more of it has come. */
  peek: (text: string, socket: Socket) => void = () => {};

  private constructor(servers: readonly Server[]) {
    this.#servers = servers;
    for (const server of servers) server.on("connection", (socket) => this.#read(socket));
  }

  /** Listens on `port` of all `hosts`. */
  static async listen(hosts: readonly string[], port: number): Promise<Recorder> {
    const servers = hosts.map(async (host) => {
      const server = createServer({ noDelay: true });
      await new Promise<void>((done, fail) => {
        server.once("error", fail);
        server.listen(port, host, 512, done);
      });
      return server;
    });
    return new Recorder(await Promise.all(servers));
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  reset(): void {
    this.messages = [];
    this.flaws = [];
    this.raw = "";
    this.#partial = 0;
  }

  /** The worst of what arrived. */
  get verdict(): Verdict {
    for (const kind of ["ambiguous", "malformed"] as const)
      if (this.flaws.some((flaw) => flaw.kind === kind)) return kind;
    if (this.messages.length > 0) return "normalised";
    return this.#partial > 0 ? "partial" : "nothing";
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((done) => server.close(done))));
  }

  #read(socket: Socket): void {
    this.#sockets.add(socket);
    let bytes = Buffer.alloc(0);
    let next = 0;
    let timer: NodeJS.Timeout | undefined;
    const grade = (): void => {
      timer = undefined;
      bytes = this.#grade(socket, bytes);
      // What is long is not read anew for every few bytes: that would keep this process from all else.
      next = bytes.length > LONG ? bytes.length * 1.1 : 0;
    };
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    socket.on("data", (chunk: Buffer) => {
      this.raw = (this.raw + chunk.toString("latin1")).slice(-LONG);
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= next) grade();
      else timer ??= setTimeout(grade, 20);
    });
  }

  /** Takes whole requests off the front of `bytes`, and answers them; gives what is left. */
  #grade(socket: Socket, bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    let rest = bytes;
    while (rest.length > 0) {
      const graded = gradeRequest(rest);
      if (graded.kind === "partial") {
        this.#partial++;
        this.peek(rest.toString("latin1"), socket);
        return rest;
      }
      if (graded.kind !== "whole") {
        this.flaws.push(graded);
        socket.destroy();
        return rest;
      }
      rest = rest.subarray(graded.used);
      this.messages.push(graded.message);
      const answer = this.answer(graded.message, socket);
      if (answer === undefined) continue;
      socket.write(
        typeof answer.bytes === "string" ? Buffer.from(answer.bytes, "latin1") : answer.bytes,
      );
      if (answer.close) socket.end();
    }
    return rest;
  }
}

/** Answers with what was understood; tunnels are refused, so that no bytes pass unread. */
export function plain({ method, target, body }: Message): Answer {
  const text = `${method} ${target} ${body.length}`;
  const head = `HTTP/1.1 ${method === "CONNECT" ? "405 No" : "200 OK"}\r\nContent-Length: ${text.length}\r\n\r\n`;
  return { bytes: method === "HEAD" ? head : head + text };
}
