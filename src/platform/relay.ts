// Ways between the machine's network and a mesh that has one of its own, through Unix sockets in the state
// folder, which both see. A connection begins with a line that says where it goes; "?name" asks for the
// addresses of a name instead, and "!port" whether a port of this side's 127.0.0.1 is free.

import { lookup } from "node:dns/promises";
import { chmodSync, rmSync } from "node:fs";
import type { ListenOptions, Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { Close } from "../base/watch.ts";

/** Where connections to an address go, and what addresses a name has. */
export type RelayOptions = {
  /** The address to dial instead; the same when nothing is said. */
  readonly translate?: (ip: string) => string;
};

const LONGEST_LINE = 300;

/** Dials for whoever connects to the Unix socket `path`, until closed. */
export async function serveRelay(path: string, options: RelayOptions = {}): Promise<Close> {
  rmSync(path, { force: true });
  const close = await accept({ path }, (from) => {
    readLine(from, (line, rest) => {
      if (line.startsWith("?")) return void answerName(from, line.slice(1));
      if (line.startsWith("!")) return void answerPort(from, Number(line.slice(1)));
      const at = line.lastIndexOf(":");
      const ip = line.slice(0, at);
      const to = connect({
        host: options.translate?.(ip) ?? ip,
        port: Number(line.slice(at + 1)),
        allowHalfOpen: true,
      });
      if (rest.length > 0) to.write(rest);
      join(from, to);
    });
  });
  chmodSync(path, 0o600);
  return close;
}

/** Listens at `host`:`port` and passes connections to `target` on the other side of the Unix socket `path`. */
export function relayTo(path: string, host: string, port: number, target: string): Promise<Close> {
  return accept({ host, port }, (from) => join(from, through(path, target)));
}

/** A connection to `target` on the other side. */
export function through(path: string, target: string): Socket {
  const socket = connect({ path, allowHalfOpen: true });
  socket.write(`${target}\n`);
  return socket;
}

/** The addresses of a name, as the other side knows it. */
export const resolveThrough = (path: string, name: string): Promise<string[]> =>
  ask(path, `?${name}`);

/** Whether a port of the other side's 127.0.0.1 is free. */
export const isFreeThrough = async (path: string, port: number): Promise<boolean> =>
  (await ask(path, `!${port}`)).includes("free");

function ask(path: string, question: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("error", reject);
    socket.on("close", () => resolve(text.split("\n").filter((line) => line !== "")));
    socket.end(`${question}\n`);
  });
}

/** Whether nothing listens at a port of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}

/** Listens; what it returns stops that and ends all connections. */
export function accept(at: ListenOptions, serve: (socket: Socket) => void): Promise<Close> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    serve(socket);
  });
  const close = (): void => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return new Promise((resolve, reject) => {
    // Later ones too, of connections that cannot be accepted.
    server.on("error", reject);
    server.listen(at, () => resolve(close));
  });
}

/** Passes bytes both ways until both sides have ended. */
export function join(a: Socket, b: Socket): void {
  a.on("error", () => b.destroy());
  b.on("error", () => a.destroy());
  a.pipe(b).pipe(a);
}

async function answerName(from: Socket, name: string): Promise<void> {
  const found = await lookup(name, { all: true, family: 4 }).catch(() => []);
  from.end(found.map(({ address }) => `${address}\n`).join(""));
}

async function answerPort(from: Socket, port: number): Promise<void> {
  from.end((await isFree(port)) ? "free\n" : "taken\n");
}

function readLine(socket: Socket, done: (line: string, rest: Buffer) => void): void {
  let bytes = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const at = bytes.indexOf(10);
    if (at < 0 && bytes.length < LONGEST_LINE) return;
    socket.off("data", read);
    if (at < 0) socket.destroy();
    else done(bytes.toString("latin1", 0, at), bytes.subarray(at + 1));
  };
  socket.on("data", read);
  socket.on("error", () => {});
}
