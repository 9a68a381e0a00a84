// The bodies that arrive on an HTTP/1 connection, one after the other: cut out of what is read by length, by chunks,
// or by the end of the connection. What follows a body is its owner's to read.

import { Fault } from "../base/fault.ts";
import { ChunkedDecoder } from "../wire/chunked.ts";
import { CHUNKED } from "../wire/http1.ts";
import type { Http1Kind } from "../wire/http1fields.ts";
import type { Http1Limits } from "../wire/limits.ts";
import { Body, type Origin } from "./body.ts";
import type { Conn } from "./conn.ts";
import { keep } from "./memory.ts";

/** Whoever reads the connection. */
export interface IncomingOwner {
  /** The body has been read to its end. Not called for one that was there when it began. */
  received(): void;
  /** Its consumer has asked for it. */
  wanted(): void;
  /** Its consumer wants no more; what still comes is dropped. */
  unwanted(fault: Fault): void;
}

export class H1Incoming implements Origin {
  /** The body that is being read. */
  body: Body | undefined;
  /** Where the last body stopped in the bytes that were given. */
  used: number;
  /** Somebody consumes the body. */
  taken: boolean;
  private readonly conn: Conn;
  private readonly owner: IncomingOwner;
  private readonly what: Http1Kind;
  private readonly limits: Http1Limits;
  private left: number;
  private decoder: ChunkedDecoder | undefined;
  private full: boolean;
  private paused: boolean;

  constructor(conn: Conn, owner: IncomingOwner, what: Http1Kind, limits: Http1Limits) {
    this.body = undefined;
    this.used = 0;
    this.taken = false;
    this.conn = conn;
    this.owner = owner;
    this.what = what;
    this.limits = limits;
    this.left = 0;
    this.decoder = undefined;
    this.full = false;
    this.paused = false;
  }

  /** Begins the body that is framed as `framing` says and starts at `at` of `bytes`. Throws a Fault. */
  start(framing: number, bytes: Buffer, at: number): Body {
    this.used = at;
    if (framing === 0) return Body.empty;
    const size = bytes.length - at;
    if (framing > 0 && size >= framing) {
      this.used = at + framing;
      return Body.of(keep(bytes.subarray(at, at + framing)));
    }
    const body = Body.stream(this, framing > 0 ? framing : undefined);
    this.body = body;
    this.taken = false;
    this.left = framing;
    this.decoder = framing === CHUNKED ? new ChunkedDecoder(this.what, this.limits) : undefined;
    if (size > 0) this.cut(bytes, at);
    return body;
  }

  /** Takes what belongs to the body and tells the owner when it is complete. Throws a Fault. */
  feed(bytes: Buffer): void {
    this.cut(bytes, 0);
    if (this.body === undefined) this.owner.received();
  }

  /** The connection has ended in order: so has a body without any other end. False: the body was cut short. */
  end(): boolean {
    if (this.body === undefined) return true;
    if (this.left > 0 || this.decoder !== undefined) return false;
    this.finish();
    return true;
  }

  /** What is missing of the body will never come. */
  fail(fault: Fault): void {
    const { body } = this;
    this.body = undefined;
    body?.abort(fault);
  }

  // --- Origin.

  resume(): void {
    if (!this.taken) {
      this.taken = true;
      if (this.body !== undefined) this.owner.wanted();
    }
    this.unpause();
  }

  cancel(fault: Fault): void {
    this.unpause();
    if (this.body !== undefined) this.owner.unwanted(fault);
  }

  /** For the decoder of chunks. */
  push(data: Buffer): void {
    if (!this.body!.push(data)) this.full = true;
  }

  private cut(bytes: Buffer, at: number): void {
    if (this.left > 0) {
      const end = Math.min(bytes.length, at + this.left);
      this.left -= end - at;
      this.used = end;
      this.push(end - at === bytes.length ? bytes : bytes.subarray(at, end));
      if (this.left === 0) this.finish();
    } else if (this.decoder !== undefined) {
      this.used = at + this.decoder.decode(bytes.subarray(at), 0, this);
      if (this.decoder.done) this.finish();
    } else {
      this.used = bytes.length;
      this.push(bytes.subarray(at));
    }
    if (this.full && this.body !== undefined && !this.paused) {
      this.paused = true;
      this.conn.pause();
    }
  }

  private finish(): void {
    const body = this.body!;
    const trailers = this.decoder?.trailers;
    this.body = undefined;
    this.decoder = undefined;
    this.unpause();
    body.finish(trailers);
  }

  private unpause(): void {
    this.full = false;
    if (!this.paused) return;
    this.paused = false;
    this.conn.resume();
  }
}

/** What is told to the consumer of a body whose connection ended too early. */
export function cutShort(side: "client" | "upstream", cause: Fault | undefined): Fault {
  const who = side === "client" ? "client" : "server";
  const message = `the ${who} closed the connection in the middle of a message`;
  const code = side === "client" ? "cancelled" : "io";
  return new Fault(code, cause === undefined ? message : `${message}: ${cause.message}`, {
    side,
    cause,
  });
}
