// One HTTP/2 stream: what arrives on it, and the rules for both halves. A message that is complete within one chunk
// is delivered with a whole body and never pushed in pieces. Subclasses know which end of the exchange they are.

import type { Fault } from "../base/fault.ts";
import { H2 } from "../wire/h2error.ts";
import type { Headers } from "../wire/headers.ts";
import { errorCode, EVENT, isConnectionError, nextState, STATE } from "../wire/streamstate.ts";
import { Body, type Origin } from "./body.ts";
import type { H2Conn } from "./h2conn.ts";
import { H2Outgoing } from "./h2outgoing.ts";
import { keep } from "./memory.ts";
import type { Tunnel } from "./message.ts";

// A body that comes with its head in one chunk is kept whole up to this size.
const WHOLE_BYTES = 16_384;

const NO_BYTES = Buffer.alloc(0);

export abstract class H2Stream extends H2Outgoing implements Origin, Tunnel {
  declare readonly conn: H2Conn;
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

  private recvLeft: number;
  // Bytes the consumer took that the peer has not been told of, and bytes it has not taken.
  private owed: number;
  private held: number;
  private stash: Buffer | undefined;

  constructor(conn: H2Conn, id: number, state: number) {
    super(conn, id, state);
    this.fresh = false;
    this.incoming = Body.empty;
    this.headSeen = false;
    this.expected = -1;
    this.asked = false;
    this.discarding = false;
    this.recvLeft = conn.streamWindowBytes;
    this.owed = 0;
    this.held = 0;
    this.stash = undefined;
  }

  /** Reads the block that `conn` has just decoded as the message's head. */
  protected abstract onHead(endStream: boolean): void;
  /** Hands the message, whose head was read, to its consumer. */
  protected abstract dispatch(body: Body): void;
  /** The exchange has failed before it was complete. */
  protected abstract failed(fault: Fault): void;
  /** The consumer gave `incoming` up. */
  protected abstract givenUp(fault: Fault): void;
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
      else this.take(chunk.subarray(start, end));
    }
    if (endStream) this.recvEnd(undefined);
  }

  onReset(code: number): void {
    if (!this.advance(EVENT.recvReset)) return;
    this.lost(this.resetFault(code));
    this.conn.forget(this);
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
    this.release();
    this.fresh = false;
    this.stash = undefined;
    const outgoing = this.dropOutgoing();
    this.failed(fault);
    this.incoming.abort(fault);
    outgoing?.cancel(fault);
  }

  /** Ends the stream because of what the peer did (RFC 9113 §5.4.2). */
  reject(code: number, reason: string): void {
    if (this.conn.spend(1)) this.reset(code, this.blame(code, reason));
  }

  /** Ends the stream with RST_STREAM; everybody who waits for it gets `fault`. */
  override reset(code: number, fault: Fault): void {
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
        this.stash = stash === undefined ? keep(bytes) : Buffer.concat([stash, bytes]);
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
}
