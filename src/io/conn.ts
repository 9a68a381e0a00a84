// A connection: a socket with one reader at a time and what is known of the peer. It adds to net.Socket
// what a proxy needs (hand-over from detection to a protocol, half-close, faults instead of errors) and
// takes away what costs (streams, per-chunk closures). It does not know what the bytes mean.

import type { Socket } from "node:net";
import { Fault } from "../base/fault.ts";
import { latin1 } from "../wire/latin1.ts";
import { keep, lend, lender, type Page, shared } from "./memory.ts";
import { readInto, readNothing } from "./onread.ts";

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
  /** Gets bytes that are valid during the call: what is needed longer must be passed through `keep`. */
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

// Holding a page for less costs more than a copy, which as a string costs less than as a buffer.
const COPY_BYTES = 4096;
// TLS brings no more than this at once.
const RECORD_BYTES = 16_384;
const NOTHING = Buffer.alloc(0);

export class Conn {
  readonly socket: Socket;
  peer: Peer;
  readBytes = 0;
  writtenBytes = 0;
  /** It is gone, or about to be: nothing can be read or written any more. */
  closed = false;
  /** Some metrics count it until it is gone. */
  counted = false;
  private reader: Reader | undefined = undefined;
  private pending: Buffer[] | undefined = undefined;
  // Where the next read goes, and where when that has changed.
  private page: Page = shared;
  private turned: Buffer | undefined = undefined;
  // Pages of which some has yet to reach the kernel.
  private readonly held: Page[] = [];
  private readonly onWritten = (error?: Error | null): void => {
    if (!error) this.settle();
  };
  private fault: Fault | undefined = undefined;
  private ended = false;
  private finished = false;
  private over = false;
  // Bytes come whether its stream flows or not.
  private readonly direct: boolean;

  constructor(socket: Socket, peer: Peer) {
    this.socket = socket;
    this.peer = peer;
    const onRead = (size: number): void => this.receive(size);
    this.direct = readInto(socket, shared.bytes, onRead, () => this.turn());
    if (!this.direct) {
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
      this.page.release();
      this.page = shared;
      this.reader?.closed(this.fault);
      // Sockets stay until the next full collection (WritableState.onwrite): what served them need not.
      socket.removeAllListeners();
      socket.on("error", ignore); // Of a write on a TLS socket whose own socket went first.
      readNothing(socket);
    });
  }

  /** Calls `fn` when the connection is gone, after its reader. */
  onClosed(fn: () => void): void {
    this.socket.on("close", fn);
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
    // Making a stream flow takes a tick, which is for one that has been paused.
    else if (!this.closed && (!this.direct || this.socket.isPaused())) this.socket.resume();
  }

  /** Takes the reader away: what arrives waits for the next `start`, in the kernel but for what comes first. */
  stop(): void {
    this.reader = undefined;
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
    const { socket } = this;
    if (typeof data === "string") socket.write(data, "latin1");
    else {
      const page = lender(data);
      if (page === undefined) socket.write(data);
      else if (data.length < COPY_BYTES) socket.write(latin1(data, 0, data.length), "latin1");
      else if (page === shared) socket.write(keep(data));
      else this.writeLent(data, page);
    }
    return this.flows;
  }

  /** Whether what was written has not all reached the kernel: `drained` will tell. */
  get full(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** Whether all that was written has reached the kernel. */
  get flushed(): boolean {
    return this.socket.writableLength === 0;
  }

  /** Holds writes back until `uncork`, so that they leave in one system call. */
  cork(): void {
    this.socket.cork();
  }

  /** False as of `write`. */
  uncork(): boolean {
    this.socket.uncork();
    if (this.held.length > 0) {
      this.settle();
      if (this.held.length > 0) this.mark();
    }
    return this.flows;
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

  // A stream counts what it was given and not what has waited: it says stop for more than it would queue.
  private get flows(): boolean {
    return !this.socket.writableNeedDrain || this.socket.writableLength === 0;
  }

  private receive(size: number): void {
    const { page } = this;
    this.readBytes += size;
    try {
      this.deliver(lend(page, size));
    } catch (error) {
      // Node would read into a page that may be held.
      this.destroy(Fault.from(error));
      throw error;
    }
    const isMore = size === page.bytes.length || (size === RECORD_BYTES && this.secure);
    const next = (this.page = page.next(size, isMore));
    if (next !== page) this.turned = next.bytes;
  }

  private deliver(chunk: Buffer): void {
    if (this.reader !== undefined) {
      this.reader.read(chunk);
    } else {
      (this.pending ??= []).push(keep(chunk));
      this.socket.pause();
    }
  }

  private turn(): Buffer | undefined {
    const { turned } = this;
    this.turned = undefined;
    return turned;
  }

  private writeLent(data: Buffer, page: Page): void {
    const { socket, held } = this;
    if (this.secure) socket.write(data, this.onWritten);
    else socket.write(data);
    if (socket.writableLength === 0) return;
    if (held.at(-1) !== page) {
      page.hold();
      held.push(page);
    }
    if (!this.secure && socket.writableCorked === 0) this.mark();
  }

  // Asks to be told when what was written so far has reached the kernel. A callback for each write would cost a tick
  // where the kernel takes all at once; TLS, which never does, has one.
  private mark(): void {
    this.socket.write(NOTHING, this.onWritten);
  }

  // Gives back what was held once all has been written; what never is, stays out of use.
  private settle(): void {
    const { held } = this;
    if (held.length === 0 || this.socket.writableLength > 0) return;
    for (const page of held) page.release();
    held.length = 0;
  }
}

function ignore(): void {}
