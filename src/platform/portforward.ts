// Port-forwarding: a port of this machine whose connections reach a port inside a pod, through the API server. Each
// connection is a WebSocket (RFC 6455) with the subprotocol v4.channel.k8s.io: a byte for the channel before the data.

import { randomBytes } from "node:crypto";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Fault } from "../base/fault.ts";
import type { Scope } from "../base/scope.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { KubeApi } from "./kubeapi.ts";

export type PodPort = { readonly namespace: string; readonly pod: string; readonly port: number };

const HOST = "127.0.0.1";
const DATA = 0;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Listens on a free port of loopback (or on `listen`) until the scope closes; resolves to the address. Rejects when the
 * API server does not let this user forward, or knows no such pod. Unless an address was asked for, it does not keep the
 * process alive. */
export async function forwardPort(
  api: KubeApi,
  target: PodPort,
  scope: Scope,
  listen?: SocketAddr,
): Promise<SocketAddr> {
  const sockets = new Set<Socket>();
  // The first connection's, opened before anybody connects: later, there is no way to tell a client what went wrong.
  let early: Duplex | undefined = await open(api, target);
  early.once("error", () => (early = undefined));
  const server = createServer((socket) => {
    const opened = early ? Promise.resolve(early) : open(api, target);
    early = undefined;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    opened.then(
      (remote) => join(socket, remote),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(Fault.from(error));
    server.once("error", failed).listen(listen?.port ?? 0, listen?.ip ?? HOST, resolve);
  });
  if (!listen) server.unref();
  scope.defer(() => {
    server.close();
    early?.destroy();
    for (const socket of sockets) socket.destroy();
  });
  return { ip: listen?.ip ?? HOST, port: (server.address() as AddressInfo).port };
}

function open(api: KubeApi, { namespace, pod, port }: PodPort): Promise<Duplex> {
  return api.upgrade(`/api/v1/namespaces/${namespace}/pods/${pod}/portforward?ports=${port}`, {
    // An API server has streams in no media type, and refuses whoever asks for one.
    accept: "*/*",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    "sec-websocket-protocol": "v4.channel.k8s.io",
  });
}

function join(socket: Socket, remote: Duplex): void {
  // Each channel begins with the port, two bytes; what follows is the stream.
  const greeted = new Set<number>();
  let pending: Buffer = Buffer.alloc(0);
  remote.on("data", (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (let frame = parseFrame(pending); frame; frame = parseFrame(pending)) {
      pending = pending.subarray(frame.size);
      if (frame.opcode === CLOSE) return socket.end();
      if (frame.opcode === PING) remote.write(printFrame(PONG, frame.payload));
      if (frame.opcode !== BINARY) continue;
      const channel = frame.payload[0] ?? DATA;
      if (!greeted.has(channel)) greeted.add(channel);
      else if (channel === DATA && !socket.write(frame.payload.subarray(1))) remote.pause();
      // The other channel carries an error, after which there is nothing more.
      else if (channel !== DATA) socket.destroy();
    }
  });
  socket.on("drain", () => remote.resume());
  remote.on("end", () => socket.end());
  remote.on("error", () => socket.destroy());
  remote.on("close", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    if (!remote.write(printFrame(BINARY, Buffer.concat([Buffer.of(DATA), chunk])))) socket.pause();
  });
  remote.on("drain", () => socket.resume());
  socket.on("close", () => remote.destroy());
  socket.resume();
}

type Frame = { readonly opcode: number; readonly payload: Buffer; readonly size: number };

// Servers do not mask (RFC 6455 §5.1); API servers do not fragment.
function parseFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const extra = short === 127 ? 8 : short === 126 ? 2 : 0;
  if (bytes.length < 2 + extra) return undefined;
  const length =
    extra === 8 ? Number(bytes.readBigUInt64BE(2)) : extra === 2 ? bytes.readUInt16BE(2) : short;
  const size = 2 + extra + length;
  if (bytes.length < size) return undefined;
  return { opcode: bytes[0]! & 0x0f, payload: bytes.subarray(2 + extra, size), size };
}

// Clients must mask; the mask is no secret, so zeros would do, but intermediaries look for random ones.
function printFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const extra = length > 0xffff ? 8 : length > 125 ? 2 : 0;
  const frame = Buffer.alloc(2 + extra + 4 + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (extra === 8 ? 127 : extra === 2 ? 126 : length);
  if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  else if (extra === 2) frame.writeUInt16BE(length, 2);
  const mask = randomBytes(4);
  mask.copy(frame, 2 + extra);
  for (let i = 0; i < length; i++) frame[6 + extra + i] = payload[i]! ^ mask[i & 3]!;
  return frame;
}
