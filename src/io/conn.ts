// A connection: a socket with one reader at a time and what is known of the peer. It adds to net.Socket
// what a proxy needs (hand-over from detection to a protocol, half-close, faults instead of errors) and
// takes away what costs (streams, per-chunk closures). It does not know what the bytes mean.

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Fault } from "../base/fault.ts";

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

/** TLS on a connection, in Linkerd's words (label `tls`): `identity` is the peer's, when it proved one. */
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
  read(chunk: Buffer): void;
  /** The peer will send no more (FIN); the other direction may still be open. */
  end(): void;
  /** The connection is gone; `fault` tells why unless both sides had ended it in order. */
  closed(fault: Fault | undefined): void;
  /** Everything written has reached the kernel, after a write that returned false. */
  drained(): void;
}

export class Conn {
  readonly socket: Socket;
  peer: Peer;
  readBytes: number;
  writtenBytes: number;
  closed: boolean;
  private reader: Reader | undefined;
  private pending: Buffer[] | undefined;
  private fault: Fault | undefined;
  private ended: boolean;

  constructor(socket: Socket, peer: Peer) {
    this.socket = socket;
    this.peer = peer;
    this.readBytes = 0;
    this.writtenBytes = 0;
    this.closed = false;
    this.reader = undefined;
    this.pending = undefined;
    this.fault = undefined;
    this.ended = false;
    socket.on("data", (chunk: Buffer) => {
      this.readBytes += chunk.length;
      if (this.reader === undefined) (this.pending ??= []).push(chunk);
      else this.reader.read(chunk);
    });
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
      this.reader?.closed(this.fault);
    });
  }

  /** Gives everything that arrives from now on, and `first`, to `reader`. */
  start(reader: Reader, first?: Buffer): void {
    this.reader = reader;
    if (first !== undefined && first.length > 0) reader.read(first);
    const pending = this.pending;
    this.pending = undefined;
    for (const chunk of pending ?? []) if (this.reader === reader) reader.read(chunk);
    if (this.ended && this.reader === reader) reader.end();
    if (this.closed) reader.closed(this.fault);
    else if (this.socket.isPaused()) this.socket.resume();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Writes bytes, or a string of latin1 characters. False: the kernel is full, wait for `drained`. */
  write(data: Buffer | string): boolean {
    if (this.closed) return true;
    this.writtenBytes += data.length;
    return typeof data === "string" ? this.socket.write(data, "latin1") : this.socket.write(data);
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
    if (!this.closed) this.socket.end();
  }

  /** Closes both directions at once, dropping what was not written. */
  destroy(fault?: Fault): void {
    if (this.closed) return;
    this.fault ??= fault;
    this.socket.destroy();
  }

  /** Whether the socket speaks TLS that this process terminates. */
  get secure(): boolean {
    return this.socket instanceof TLSSocket;
  }
}
