// One HTTP/2 stream: its state, its two flow-control windows, the body that arrives and the body that leaves.
// A message that is complete within one chunk is delivered with a whole body and never pushed in pieces.
// Subclasses know which end of the exchange they are.

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
import { errorCode, EVENT, isConnectionError, nextState, STATE } from "../wire/streamstate.ts";
import { Body, type Origin, type Sink } from "./body.ts";
import { keep } from "./conn.ts";
import type { H2Conn } from "./h2conn.ts";
import type { Tunnel } from "./message.ts";

// A body that comes with its head in one chunk is kept whole up to this size.
const WHOLE_BYTES = 16_384;
// DATA smaller than this for want of window is the peer's doing.
const DRIBBLE_BYTES = 128;

const NO_BYTES = Buffer.alloc(0);

export abstract class H2Stream implements Origin, Sink, Tunnel {
  readonly conn: H2Conn;
  id: number;
  state: number;
  /** The send window; below zero after the peer has made it smaller. */
  sendLeft: number;
  /** The head is here, but the message is held back because its end may be in the same chunk. */
  fresh: boolean;
  /** What arrives after the head; in a tunnel, the bytes from the other side. */
  incoming: Body;

  /** Whether a field block is trailers now. */
  protected headSeen: boolean;
  /** Content-Length still to come, -1 when it was not announced. */
  protected expected: number;
  /** Whether somebody has asked for `incoming`, and whether nobody wants more of it. */
  protected asked: boolean;
  protected discarding: boolean;
  /** Whether outgoing fields come from HTTP/2 and need no cleaning. */
  protected clean: boolean;

  private recvLeft: number;
  // Bytes the consumer took that the peer has not been told of, and bytes it has not taken.
  private owed: number;
  private held: number;
  private stash: Buffer | undefined;
  private outgoing: Body | undefined;
  private queue: Buffer[] | undefined;
  private queueAt: number;
  private ending: boolean;
  private trailers: Headers | undefined;

  constructor(conn: H2Conn, id: number, state: number) {
    this.conn = conn;
    this.id = id;
    this.state = state;
    this.sendLeft = conn.peer.initialWindowBytes;
    this.fresh = false;
    this.incoming = Body.empty;
    this.headSeen = false;
    this.expected = -1;
    this.asked = false;
    this.discarding = false;
    this.clean = true;
    this.recvLeft = conn.streamWindowBytes;
    this.owed = 0;
    this.held = 0;
    this.stash = undefined;
    this.outgoing = undefined;
    this.queue = undefined;
    this.queueAt = 0;
    this.ending = false;
    this.trailers = undefined;
  }

  /** Reads the block that `conn` has just decoded as the message's head. */
  protected abstract onHead(endStream: boolean): void;
  /** Hands the message, whose head was read, to its consumer. */
  protected abstract dispatch(body: Body): void;
  /** The exchange has failed before it was complete. */
  protected abstract failed(fault: Fault): void;
  /** The consumer gave `incoming` up. */
  protected abstract givenUp(fault: Fault): void;
  /** Our side has ended, the peer's has not. */
  protected abstract sentAll(): void;
  /** The fault that a mistake of the peer is, or its RST_STREAM. */
  protected abstract blame(code: number, reason: string): Fault;
  protected abstract resetFault(code: number): Fault;

  // --- What arrives.

  onHeaders(endStream: boolean): void {
    if (!this.advance(EVENT.recvHeaders)) return;
    if (!this.headSeen) return this.onHead(endStream);
    if (!endStream) return this.reject(H2.PROTOCOL_ERROR, "a second head");
    const trailers = this.conn.readTrailers();
    if (typeof trailers === "string") return this.reject(H2.PROTOCOL_ERROR, trailers);
    this.recvEnd(trailers);
  }

  onData(chunk: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    const { conn } = this;
    const bytes = end - start;
    this.recvLeft -= flowBytes;
    const wrong = this.wrongData(bytes);
    if (!this.advance(EVENT.recvData) || wrong !== undefined) {
      conn.credit(flowBytes);
      if (wrong !== undefined)
        this.reject(wrong, "DATA beyond the window, its length or its place");
      return;
    }
    if (flowBytes > bytes) this.taken(flowBytes - bytes);
    if (bytes > 0) {
      if (this.discarding) conn.credit(bytes);
      else this.take(keep(chunk.subarray(start, end)));
    }
    if (endStream) this.recvEnd(undefined);
  }

  onReset(code: number): void {
    if (!this.advance(EVENT.recvReset)) return;
    this.lost(this.resetFault(code));
    this.conn.forget(this);
  }

  /** The send window grows by `bytes`, or shrinks. */
  grow(bytes: number): void {
    this.sendLeft += bytes;
    if (this.sendLeft <= 0 || this.queue === undefined) return;
    if (this.conn.parked.size > 0) this.conn.parked.add(this);
    else this.pump(Infinity);
  }

  /** The chunk that brought the head is over: the message begins with what is here. */
  deliver(): void {
    this.fresh = false;
    const body = Body.stream(this, this.expected < 0 ? undefined : this.expected + this.held);
    this.incoming = body;
    this.dispatch(body);
    const { stash, held } = this;
    if (stash === undefined) return;
    this.stash = undefined;
    this.held = 0;
    if (body.push(stash)) this.taken(held);
    else this.held += held;
  }

  /** The stream is gone, whoever ended it: everybody who waits is told. */
  lost(fault: Fault): void {
    if (this.state < STATE.closed) this.state = STATE.closed;
    this.conn.parked.delete(this);
    this.release();
    this.fresh = false;
    this.stash = undefined;
    this.queue = undefined;
    const { outgoing } = this;
    this.outgoing = undefined;
    this.failed(fault);
    this.incoming.abort(fault);
    outgoing?.cancel(fault);
  }

  /** Ends the stream because of what the peer did (RFC 9113 §5.4.2). */
  reject(code: number, reason: string): void {
    if (this.conn.spend(1)) this.reset(code, this.blame(code, reason));
  }

  /** Ends the stream with RST_STREAM; everybody who waits for it gets `fault`. */
  reset(code: number, fault: Fault): void {
    if (this.state >= STATE.closed) return;
    this.state = nextState(this.state, EVENT.sendReset);
    this.conn.sendReset(this.id, code);
    this.lost(fault);
    this.conn.forget(this);
  }

  /** The message ends here, with `trailers` if any. */
  protected recvEnd(trailers: Headers | undefined): void {
    if (this.expected > 0) return this.reject(H2.PROTOCOL_ERROR, "less than its Content-Length");
    this.state = nextState(this.state, EVENT.recvEnd);
    this.release();
    if (this.fresh || this.incoming === Body.empty) {
      const { stash } = this;
      this.fresh = false;
      this.stash = undefined;
      if (stash === undefined && trailers === undefined) this.dispatch(Body.empty);
      else this.dispatch(Body.of(stash ?? NO_BYTES, trailers));
    } else {
      this.incoming.finish(trailers);
    }
    if (this.state === STATE.closed) this.conn.forget(this);
  }

  private wrongData(bytes: number): number | undefined {
    if (this.recvLeft < 0) return H2.FLOW_CONTROL_ERROR;
    if (!this.headSeen) return H2.PROTOCOL_ERROR;
    if (this.expected < 0) return undefined;
    this.expected -= bytes;
    return this.expected < 0 ? H2.PROTOCOL_ERROR : undefined;
  }

  private take(bytes: Buffer): void {
    if (this.fresh) {
      const { stash } = this;
      if ((stash?.length ?? 0) + bytes.length <= WHOLE_BYTES) {
        this.stash = stash === undefined ? bytes : Buffer.concat([stash, bytes]);
        this.held += bytes.length;
        return;
      }
      this.deliver();
    }
    if (this.incoming.push(bytes)) this.taken(bytes.length);
    else this.held += bytes.length;
  }

  private taken(bytes: number): void {
    this.conn.credit(bytes);
    this.owed += bytes;
    if (this.owed * 2 < this.conn.streamWindowBytes) return;
    if (this.state === STATE.open || this.state === STATE.halfLocal) {
      this.conn.sendWindow(this.id, this.owed);
    }
    this.recvLeft += this.owed;
    this.owed = 0;
  }

  // What nobody will take off the connection any more counts as taken.
  private release(): void {
    if (this.held === 0) return;
    this.conn.credit(this.held);
    this.held = 0;
  }

  // Moves along the table of states; false when the peer was not allowed to.
  private advance(event: number): boolean {
    const next = nextState(this.state, event);
    if (next >= 0) {
      this.state = next;
      return true;
    }
    const reason = "a frame that the stream's state does not allow";
    if (isConnectionError(next)) this.conn.fail(errorCode(next), reason);
    else this.reject(errorCode(next), reason);
    return false;
  }

  // --- Origin of `incoming`.

  resume(): void {
    this.asked = true;
    const { held } = this;
    if (held === 0) return;
    this.held = 0;
    this.taken(held);
  }

  cancel(fault: Fault): void {
    if (this.state >= STATE.closed) return;
    this.discarding = true;
    this.release();
    this.givenUp(fault);
  }

  // --- What leaves.

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
    if (this.queue === undefined && conn.parked.size === 0) {
      const sent = this.sendData(chunk, 0, chunk.length);
      if (sent === chunk.length) {
        if (!conn.output.blocked) return true;
        conn.parked.add(this);
        return false;
      }
      this.queueAt = sent;
    }
    if (this.queue === undefined) this.queue = [chunk];
    else this.queue.push(chunk);
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
}

/** The HTTP/2 code for a fault that ends a stream: a reset keeps the code it came with. */
export function resetCode(fault: Fault): number {
  if (fault.code === "reset" || fault.code === "refused-stream" || fault.code === "cancelled") {
    return fault.detail ?? H2.CANCEL;
  }
  return H2.INTERNAL_ERROR;
}
