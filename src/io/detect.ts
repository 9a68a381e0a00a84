// Detection: what protocol a connection speaks, from its first bytes. Nothing is lost: the bytes that were
// read go on to whoever serves the protocol. Somebody else may decide in the meantime (`settle`), as when the
// server on the other side is the first to speak.

import type { Clock, Timer } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import { judge, type Verdict } from "../wire/preface.ts";
import type { Conn, Reader } from "./conn.ts";
import { keep } from "./memory.ts";

export type Detected = {
  /** `closed` when the client went away, or ended its side, before it had said anything. */
  readonly protocol: Exclude<Verdict, "undecided"> | "closed";
  /** The bytes that have been read: the first thing that the next reader must be given. */
  readonly first: Buffer;
  /** Whether the time ran out, so that `opaque` is a guess. */
  readonly timedOut: boolean;
};

const NOTHING: Buffer = Buffer.alloc(0);

export class Detection implements Reader {
  /** Resolves once, never rejects. */
  readonly result: Promise<Detected>;
  private readonly conn: Conn;
  private readonly ask: (bytes: Buffer) => Verdict;
  private readonly timer: Timer;
  private resolve!: (detected: Detected) => void;
  private bytes: Buffer;
  private done: boolean;

  /** Starts reading `conn`; after `timeoutMs` it is `opaque`. `ask` judges the bytes so far. */
  constructor(conn: Conn, timeoutMs: number, clock: Clock, first: Buffer = NOTHING, ask = judge) {
    this.conn = conn;
    this.ask = ask;
    this.bytes = NOTHING;
    this.done = false;
    this.result = new Promise((resolve) => (this.resolve = resolve));
    this.timer = clock.after(timeoutMs, () => this.conclude("opaque", true));
    conn.start(this, first);
  }

  read(chunk: Buffer): void {
    this.bytes = this.bytes.length === 0 ? keep(chunk) : Buffer.concat([this.bytes, chunk]);
    const verdict = this.ask(this.bytes);
    if (verdict !== "undecided") this.conclude(verdict);
  }

  end(): void {
    this.conclude(this.bytes.length > 0 ? "opaque" : "closed");
  }

  closed(_fault: Fault | undefined): void {
    this.conclude("closed");
  }

  drained(): void {}

  /** Somebody else knows: stop asking. */
  settle(protocol: Exclude<Verdict, "undecided">): void {
    this.conclude(protocol);
  }

  private conclude(protocol: Detected["protocol"], timedOut = false): void {
    if (this.done) return;
    this.done = true;
    this.timer.cancel();
    // No reader until the next one starts: what comes in between waits.
    this.conn.stop();
    this.resolve({ protocol, first: this.bytes, timedOut });
  }
}

/** Detects the protocol of `conn` within `timeoutMs`. */
export function detect(
  conn: Conn,
  timeoutMs: number,
  clock: Clock,
  first?: Buffer,
): Promise<Detected> {
  return new Detection(conn, timeoutMs, clock, first).result;
}
