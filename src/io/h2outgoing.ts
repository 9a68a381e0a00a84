// The half of an HTTP/2 stream that sends: a head, a body as fast as both windows and the socket take it, trailers.
// What does not fit waits here and holds its origin back.

import type { Fault } from "../base/fault.ts";
import {
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  writeDataHeader,
  writeFrameHeader,
  writeHeaderFrames,
} from "../wire/frames.ts";
import { H2 } from "../wire/h2error.ts";
import { toH2Fields } from "../wire/h2fields.ts";
import type { Headers } from "../wire/headers.ts";
import { encodedBound } from "../wire/hpackencoder.ts";
import { EVENT, nextState, STATE } from "../wire/streamstate.ts";
import type { Body, Sink } from "./body.ts";
import type { H2Link } from "./h2link.ts";
import { keep } from "./memory.ts";

// DATA smaller than this for want of window is the peer's doing.
const DRIBBLE_BYTES = 128;

export abstract class H2Outgoing implements Sink {
  readonly conn: H2Link;
  id: number;
  /** Where it is in the table of `wire/streamstate.ts`. */
  state: number;
  /** The send window; below zero after the peer has made it smaller. */
  sendLeft: number;

  /** Whether outgoing fields come from HTTP/2 and need no cleaning. */
  protected clean: boolean;
  protected outgoing: Body | undefined;
  private queue: Buffer[] | undefined;
  private queueAt: number;
  private ending: boolean;
  private trailers: Headers | undefined;

  constructor(conn: H2Link, id: number, state: number) {
    this.conn = conn;
    this.id = id;
    this.state = state;
    this.sendLeft = conn.peer.initialWindowBytes;
    this.clean = true;
    this.outgoing = undefined;
    this.queue = undefined;
    this.queueAt = 0;
    this.ending = false;
    this.trailers = undefined;
  }

  /** Ends the stream with RST_STREAM. */
  abstract reset(code: number, fault: Fault): void;
  /** Our side has ended, the peer's has not. */
  protected abstract sentAll(): void;

  /** Reserves room for a head with `headers` and `more` bytes, behind the frame header; see `writeBlock`. */
  protected roomFor(headers: Headers, more: number): Buffer {
    return this.conn.output.reserve(FRAME_HEADER_BYTES + encodedBound(headers) + more);
  }

  /** Makes the field block, which was encoded up to `end` in `out`, a HEADERS frame. */
  protected writeBlock(out: Buffer, end: number, endStream: boolean): void {
    const { output, peer } = this.conn;
    const from = output.at;
    const length = end - from - FRAME_HEADER_BYTES;
    if (length > peer.maxFrameBytes) {
      const block = Buffer.from(out.subarray(from + FRAME_HEADER_BYTES, end));
      const frames = Math.ceil(length / peer.maxFrameBytes);
      const room = output.reserve(length + frames * FRAME_HEADER_BYTES);
      output.at = writeHeaderFrames(room, output.at, this.id, block, endStream, peer.maxFrameBytes);
      return;
    }
    const flags = endStream ? FLAG.END_HEADERS | FLAG.END_STREAM : FLAG.END_HEADERS;
    output.mark(this.id, from);
    writeFrameHeader(out, from, length, FRAME.HEADERS, flags, this.id);
    output.at = end;
  }

  /** Sends everything that `body` brings after the head; a tunnel's other direction too. */
  send(body: Body): void {
    if (this.state >= STATE.closed) return;
    this.outgoing = body;
    body.to(this);
  }

  chunk(chunk: Buffer): boolean {
    const { conn } = this;
    if (this.state >= STATE.closed) return true;
    let rest = chunk;
    if (this.queue === undefined && conn.parked.size === 0) {
      const sent = this.sendData(chunk, 0, chunk.length);
      conn.output.flushLent();
      if (sent === chunk.length) {
        if (!conn.output.blocked) return true;
        conn.parked.add(this);
        return false;
      }
      rest = chunk.subarray(sent);
    }
    (this.queue ??= []).push(keep(rest));
    if (this.sendLeft > 0) conn.parked.add(this);
    return false;
  }

  end(trailers: Headers | undefined): void {
    if (this.state >= STATE.closed) return;
    if (this.queue !== undefined) {
      this.ending = true;
      this.trailers = trailers;
    } else {
      this.sendEnd(trailers);
    }
  }

  abort(fault: Fault): void {
    this.outgoing = undefined;
    this.reset(resetCode(fault), fault);
  }

  /** Sends up to `bytes` of what waits, then END_STREAM when that was all and no more will come. */
  pump(bytes: number): void {
    const { queue } = this;
    if (queue !== undefined) {
      while (queue.length > 0 && bytes > 0) {
        const chunk = queue[0]!;
        const from = this.queueAt;
        const to = this.sendData(chunk, from, Math.min(chunk.length, from + bytes));
        bytes -= to - from;
        this.queueAt = to;
        if (to < chunk.length) {
          if (this.sendLeft > 0) this.conn.parked.add(this);
          return;
        }
        queue.shift();
        this.queueAt = 0;
      }
      if (queue.length > 0) {
        this.conn.parked.add(this);
        return;
      }
      this.queue = undefined;
    }
    if (this.ending) this.sendEnd(this.trailers);
    else this.outgoing?.resume();
  }

  /** The send window grows by `bytes`, or shrinks. */
  grow(bytes: number): void {
    this.sendLeft += bytes;
    if (this.sendLeft <= 0 || this.queue === undefined) return;
    if (this.conn.parked.size > 0) this.conn.parked.add(this);
    else this.pump(Infinity);
  }

  // Sends `chunk[from, to)` as far as both windows and the socket go; returns how far that was.
  private sendData(chunk: Buffer, from: number, to: number): number {
    const { conn, id } = this;
    const { output } = conn;
    while (from < to && !output.blocked) {
      const bytes = Math.min(to - from, this.sendLeft, conn.sendLeft, conn.peer.maxFrameBytes);
      if (bytes <= 0) break;
      if (bytes < DRIBBLE_BYTES && bytes < to - from && !conn.spend(1)) break;
      const out = output.reserve(FRAME_HEADER_BYTES);
      output.mark(id, output.at);
      output.at = writeDataHeader(out, output.at, id, bytes, false);
      output.append(chunk, from, from + bytes);
      this.sendLeft -= bytes;
      conn.sendLeft -= bytes;
      conn.calm.earn(1);
      from += bytes;
    }
    return from;
  }

  private sendEnd(trailers: Headers | undefined): void {
    const { output, encoder } = this.conn;
    if (trailers !== undefined && trailers.length > 0) {
      const fields = this.clean ? trailers : toH2Fields(trailers);
      const out = this.roomFor(fields, 0);
      const at = encoder.begin(out, output.at + FRAME_HEADER_BYTES);
      this.writeBlock(out, encoder.encode(fields, out, at), true);
    } else if (!output.endLast(this.id)) {
      const out = output.reserve(FRAME_HEADER_BYTES);
      output.at = writeDataHeader(out, output.at, this.id, 0, true);
    }
    this.sentEnd();
  }

  /** To be called after a frame with END_STREAM was written. */
  protected sentEnd(): void {
    this.outgoing = undefined;
    this.ending = false;
    this.state = nextState(this.state, EVENT.sendEnd);
    if (this.state === STATE.closed) {
      this.conn.calm.earn(1);
      this.conn.forget(this);
    } else {
      this.sentAll();
    }
  }

  /** The stream is gone: nothing waits any more. Returns the body that was on its way. */
  protected dropOutgoing(): Body | undefined {
    const { outgoing } = this;
    this.outgoing = undefined;
    this.queue = undefined;
    this.ending = false;
    this.conn.parked.delete(this);
    return outgoing;
  }
}

/** The HTTP/2 code for a fault that ends a stream: a reset keeps the code it came with. */
export function resetCode(fault: Fault): number {
  if (fault.code === "reset" || fault.code === "refused-stream" || fault.code === "cancelled") {
    return fault.detail ?? H2.CANCEL;
  }
  return H2.INTERNAL_ERROR;
}
