// A client's HTTP/1 connection around its requests: how long it may wait for them, and the ways in which it ends. What the
// requests are is in h1server.ts.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Http1Limits } from "../wire/limits.ts";
import type { Conn } from "./conn.ts";
import { cutShort } from "./h1incoming.ts";
import { Watchdog } from "./watchdog.ts";

export type H1ServerOptions = {
  readonly clock: Clock;
  readonly limits?: Http1Limits;
  /** For a head to arrive, from its first byte, or from the start of the connection. Default 60 s; answered with 408. */
  readonly headerTimeoutMs?: number;
  /** Between two requests. Default 10 min. */
  readonly idleTimeoutMs?: number;
  /** Between two pieces of a request body. Default: none. */
  readonly bodyTimeoutMs?: number;
};

const HEADER_TIMEOUT_MS = 60_000;
const IDLE_TIMEOUT_MS = 600_000;
// A client that has ended its side may still wait for its answer, or be gone: only a write would tell.
const HALF_CLOSED_MS = 1000;
// How long to read what nobody wants before closing, so that a reset does not overtake the answer (RFC 9112 §9.6).
const LINGER_MS = 2000;

export abstract class H1Link {
  /** Resolves when the connection is gone, however that came. */
  readonly done: Promise<void>;
  readonly conn: Conn;
  /** The connection shall end with the request under way. */
  draining = false;
  /** The client has ended its side. */
  halfClosed = false;
  protected readonly clock: Clock;
  protected readonly watchdog: Watchdog;
  protected readonly headerTimeoutMs: number;
  protected readonly idleTimeoutMs: number;
  protected readonly bodyTimeoutMs: number;
  /** Our side has ended; what still arrives is dropped. */
  protected lingering = false;
  protected resolveDone!: () => void;

  constructor(conn: Conn, options: H1ServerOptions) {
    this.done = new Promise((resolve) => (this.resolveDone = resolve));
    this.conn = conn;
    this.clock = options.clock;
    this.headerTimeoutMs = options.headerTimeoutMs ?? HEADER_TIMEOUT_MS;
    this.idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.bodyTimeoutMs = options.bodyTimeoutMs ?? Infinity;
    this.watchdog = new Watchdog(options.clock, () => this.expire());
    this.watchdog.await(this.headerTimeoutMs);
  }

  /** What the connection is in the middle of. */
  protected abstract get phase(): "idle" | "reading" | "answering" | "tunnel";
  /** Whether the head of an answer has been written. */
  protected abstract get answered(): boolean;
  /** Answers what is no request, or no body, and closes. */
  protected abstract refuse(fault: Fault): void;
  /** Forgets the request under way, since no answer will be written any more. */
  protected abstract drop(cause?: Fault): void;

  /** Lets the connection end: at once when it is idle, else after the request under way. */
  drain(): void {
    this.draining = true;
    if (this.phase === "idle") this.close();
  }

  /** Ends our side and drops what the client still sends. */
  close(): void {
    if (this.lingering) return;
    this.lingering = true;
    this.drop();
    this.conn.end();
    this.conn.resume();
    this.watchdog.await(LINGER_MS);
  }

  /** The client will send no more, but may still read. */
  protected halfClose(): void {
    this.halfClosed = true;
    const written = this.conn.writtenBytes;
    this.clock.after(HALF_CLOSED_MS, () => {
      if (this.conn.closed || this.lingering || this.phase === "tunnel") return;
      if (this.conn.writtenBytes !== written || this.answered) this.halfClose();
      else this.conn.destroy(cutShort("client", undefined));
    });
  }

  private expire(): void {
    if (this.lingering) {
      this.conn.destroy();
    } else if (this.phase === "reading") {
      const message = `the rest of the request did not arrive within ${this.watchdog.allowedMs} ms`;
      this.refuse(new Fault("header-timeout", message, { side: "client" }));
    } else {
      this.close();
    }
  }
}
