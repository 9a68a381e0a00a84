// A connection: a socket with one reader at a time and what is known of the peer. It adds to net.Socket
// what a proxy needs (hand-over from detection to a protocol, half-close, faults instead of errors) and
// takes away what costs (streams, per-chunk closures). It does not know what the bytes mean.

import type { Socket } from "node:net";
import { Fault } from "../base/fault.ts";
import { readInto } from "./onread.ts";

/** An IP address and a TCP port. */
export type SocketAddr = { readonly ip: string; readonly port: number };

/** Why a connection has no TLS, in Linkerd's words (label `no_tls_reason`). */
export type NoTlsReason =
  | "disabled"
  | "loopback"
  | "port_skipped"
  | "no_tls_from_remote"
  | "not_provided_by_service_discovery"
  | "ingress_without_override";

/** TLS on a connection, in Linkerd's words (label `tls`): `identity` is the peer's, "" when it proved none. */
export type TlsStatus =
  | { readonly kind: "true"; readonly identity: string; readonly alpn: string | undefined }
  | { readonly kind: "no_identity"; readonly reason: NoTlsReason }
  | { readonly kind: "opaque"; readonly sni: string | undefined };

/** What is known of the two ends of an accepted connection. */
export type Peer = {
  readonly remote: SocketAddr;
  readonly local: SocketAddr;
  /** Where the client meant to go (SO_ORIGINAL_DST, or what the listener stands for). */
  readonly original: SocketAddr;
  readonly tls: TlsStatus;
};

/** Gets what arrives on a connection. Calls come in order: read*, then end at most once, closed once. */
export interface Reader {
  /** Promises to `keep` what it needs after `read` returns; else every chunk is its own for good, at the cost of a copy. */
  readonly transient?: true;
  read(chunk: Buffer): void;
  /** The peer will send no more (FIN); the other direction may still be open. */
  end(): void;
  /** The connection is gone; `fault` tells why unless both sides had ended it in order. */
  closed(fault: Fault | undefined): void;
  /** Everything written has reached the kernel, after a write that returned false. */
  drained(): void;
}

/** A service of connections: resolves when the connection is over. */
export type ConnService = (conn: Conn) => Promise<void>;

const READ_BYTES = 65536;
// A read of less is copied out, so that a small chunk does not hold on to a large buffer.
const BULK_BYTES = 16384;
// Reads are over before the next one begins, so all connections share the memory.
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

/** The same bytes, valid for good: copied if they lie in memory that the next read overwrites. */
export function keep(chunk: Buffer): Buffer {
  if (chunk.buffer !== shared.buffer) return chunk;
  const kept = Buffer.allocUnsafe(chunk.length);
  chunk.copy(kept);
  return kept;
}

export class Conn {
  readonly socket: Socket;
  peer: Peer;
  readBytes: number;
  writtenBytes: number;
  /** It is gone, or about to be: nothing can be read or written any more. */
  closed: boolean;
  private reader: Reader | undefined;
  private pending: Buffer[] | undefined;
  private next: Buffer | undefined;
  private fault: Fault | undefined;
  private ended: boolean;
  private finished: boolean;
  private over: boolean;

  constructor(socket: Socket, peer: Peer) {
    this.socket = socket;
    this.peer = peer;
    this.readBytes = 0;
    this.writtenBytes = 0;
    this.closed = false;
    this.reader = undefined;
    this.pending = undefined;
    this.next = undefined;
    this.fault = undefined;
    this.ended = false;
    this.finished = false;
    this.over = false;
    const onRead = (size: number, buffer: Buffer): void => this.receive(size, buffer);
    if (!readInto(socket, shared, onRead, () => this.takeNext())) {
      socket.on("data", (chunk: Buffer) => {
        this.readBytes += chunk.length;
        this.deliver(chunk);
      });
    }
    socket.on("end", () => {
      this.ended = true;
      this.reader?.end();
    });
    socket.on("drain", () => this.reader?.drained());
    socket.on("error", (error) => {
      this.fault ??= Fault.from(error, error.message.includes("SSL") ? "protocol" : undefined);
    });
    socket.on("close", () => {
      this.closed = true;
      this.over = true;
      this.reader?.closed(this.fault);
    });
  }

  /** Gives everything that arrives from now on, and `first`, to `reader`. */
  start(reader: Reader, first?: Buffer): void {
    this.reader = reader;
    if (first !== undefined && first.length > 0) reader.read(first);
    const { pending } = this;
    this.pending = undefined;
    for (const chunk of pending ?? []) this.deliver(chunk);
    if (this.ended && this.reader === reader) reader.end();
    if (this.reader !== reader) return;
    if (this.over) reader.closed(this.fault);
    else if (!this.closed) this.socket.resume();
  }

  /** Takes the reader away: what arrives waits for the next `start`, in the kernel for the most part. */
  stop(): void {
    this.reader = undefined;
    this.socket.pause();
  }

  /** Gives the socket away, for TLS to be put on it, with `unread` as the first thing that it brings. */
  release(unread?: Buffer): Socket {
    this.reader = undefined;
    this.socket.removeAllListeners("data");
    this.socket.pause();
    const waiting = [...(unread && unread.length > 0 ? [unread] : []), ...(this.pending ?? [])];
    this.pending = undefined;
    if (waiting.length > 0) this.socket.unshift(Buffer.concat(waiting));
    return this.socket;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Writes bytes, or a string of latin1 characters. False: the kernel is full, wait for `drained`. */
  write(data: Buffer | string): boolean {
    if (this.closed || this.finished) return true;
    this.writtenBytes += data.length;
    return typeof data === "string" ? this.socket.write(data, "latin1") : this.socket.write(data);
  }

  /** Whether what was written has not all reached the kernel: `drained` will tell. */
  get full(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** Holds writes back until `uncork`, so that they leave in one system call. */
  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  /** Sends FIN after what was written; reading goes on. */
  end(): void {
    if (this.closed || this.finished) return;
    this.finished = true;
    this.socket.end();
  }

  /** Closes both directions at once, dropping what was not written. */
  destroy(fault?: Fault): void {
    if (this.over) return;
    this.closed = true;
    this.fault ??= fault;
    this.socket.destroy();
  }

  /** As `destroy`, but so that the peer cannot take it for an orderly end: by RST, or TLS without its closing alert. */
  reset(fault?: Fault): void {
    if (this.over) return;
    this.closed = true;
    this.fault ??= fault;
    if (this.secure || this.socket.destroyed) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** Whether the socket speaks TLS that this process terminates. */
  get secure(): boolean {
    return "encrypted" in this.socket;
  }

  private receive(size: number, buffer: Buffer): void {
    this.readBytes += size;
    const chunk = buffer.subarray(0, size);
    if (buffer === shared) {
      // A full buffer means that much is to come: from now on whole buffers are handed over instead of copied.
      if (size === READ_BYTES) this.next = Buffer.allocUnsafeSlow(READ_BYTES);
      this.deliver(this.reader?.transient ? chunk : keep(chunk));
    } else if (size < BULK_BYTES) {
      this.next = shared;
      this.deliver(Buffer.from(chunk));
    } else {
      this.next = Buffer.allocUnsafeSlow(READ_BYTES);
      this.deliver(chunk);
    }
  }

  private deliver(chunk: Buffer): void {
    if (this.reader !== undefined) {
      this.reader.read(chunk);
    } else {
      (this.pending ??= []).push(keep(chunk));
      this.socket.pause();
    }
  }

  // Where the next read goes, when not where the last one went.
  private takeNext(): Buffer | undefined {
    const { next } = this;
    this.next = undefined;
    return next;
  }
}
