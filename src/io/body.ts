// The body of a message. It travels by reference from the connection that reads it (its Origin) to the
// connection that writes it (its Sink); no filter ever sees a chunk. What filters may do is ask to be told
// of its end, once, with what it amounted to.
//
//   Origin ──push/finish/abort──▶ Body ──chunk/end/abort──▶ Sink
//          ◀──resume/cancel─────      ◀──resume/cancel────

import type { Fault } from "../base/fault.ts";
import type { Headers } from "../wire/headers.ts";
import { keep, Waiting } from "./memory.ts";

/** What a body amounted to: its bytes, and either its trailers or the fault that cut it short. */
export type BodyEnd = {
  readonly bytes: number;
  readonly trailers: Headers | undefined;
  readonly fault: Fault | undefined;
};

/** Whoever produces a body. */
export interface Origin {
  /** The consumer has room: called when it first asks, and after `push` returned false. */
  resume(): void;
  /** The consumer wants no more of it; not called once the origin has finished or aborted. */
  cancel(fault: Fault): void;
}

/** Whoever consumes a body. Calls come in order: chunk*, then end or abort, once. */
export interface Sink {
  /** Takes bytes, which are valid during the call (`keep`) and must not be changed. False: the body waits for `resume`. */
  chunk(chunk: Buffer): boolean;
  end(trailers: Headers | undefined): void;
  /** The origin failed: the message is incomplete and must not look complete to anybody. */
  abort(fault: Fault): void;
}

export type EndHook = (end: BodyEnd) => void;

const NO_BYTES = Buffer.alloc(0);
const NOTHING: BodyEnd = { bytes: 0, trailers: undefined, fault: undefined };

export class Body {
  /** All the bytes, when they were there before anybody asked for them; undefined for a body that streams. */
  whole: Buffer | undefined;
  /** Bytes to come in all, when that is known (Content-Length); undefined when only the end will tell. */
  length: number | undefined;
  /** Bytes that the origin has pushed so far. */
  bytes: number;
  /** Set when the message is over for its consumer, in order or not. */
  ended: BodyEnd | undefined;
  private origin: Origin | undefined;
  private sink: Sink | undefined;
  /** Chunks that the sink has not taken: there is none yet, or it asked to wait. */
  private waiting: Waiting[] | undefined;
  private paused: boolean;
  /** The origin has pushed everything, but the sink has not taken it all yet. */
  private finished: boolean;
  private trailers: Headers | undefined;
  private hook: EndHook | undefined;

  private constructor(
    whole: Buffer | undefined,
    length: number | undefined,
    origin: Origin | undefined,
    ended: BodyEnd | undefined,
  ) {
    this.whole = whole;
    this.length = length;
    this.bytes = whole === undefined ? 0 : whole.length;
    this.ended = ended;
    this.origin = origin;
    this.sink = undefined;
    this.waiting = undefined;
    this.paused = false;
    this.finished = false;
    this.trailers = undefined;
    this.hook = undefined;
  }

  /** No bytes, no trailers. */
  static readonly empty: Body = new Body(NO_BYTES, 0, undefined, NOTHING);

  /** A body that is all there. */
  static of(bytes: Buffer | string, trailers?: Headers): Body {
    const whole = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    if (whole.length === 0 && trailers === undefined) return Body.empty;
    const end = { bytes: whole.length, trailers, fault: undefined };
    return new Body(whole, whole.length, undefined, end);
  }

  /** A body that `origin` will push. `length` in bytes when it is announced. */
  static stream(origin: Origin, length?: number): Body {
    return new Body(undefined, length, origin, undefined);
  }

  get isEmpty(): boolean {
    return this.whole !== undefined && this.whole.length === 0 && !this.ended?.trailers;
  }

  // --- For the origin.

  /** Passes bytes on. False: hold back until `resume` is called (the bytes are taken all the same). */
  push(chunk: Buffer): boolean {
    if (this.ended !== undefined) return true;
    this.bytes += chunk.length;
    if (this.sink === undefined || this.paused || this.waiting !== undefined) {
      const waiting = (this.waiting ??= []);
      if (waiting.at(-1)?.join(chunk) !== true) waiting.push(new Waiting(chunk));
      return false;
    }
    if (this.sink.chunk(chunk)) return true;
    this.paused = true;
    return false;
  }

  /** Says that everything has been pushed. A body that nobody has asked for yet becomes `whole`. */
  finish(trailers?: Headers): void {
    if (this.ended !== undefined) return;
    this.finished = true;
    this.trailers = trailers;
    if (this.sink === undefined) {
      this.whole = joined(this.waiting);
      this.length = this.whole.length;
      this.settle(undefined);
    } else if (this.waiting === undefined) {
      this.deliver();
    }
  }

  /** Says that no more will come although the message is incomplete. What waits is dropped. */
  abort(fault: Fault): void {
    if (this.ended !== undefined) return;
    const { sink } = this;
    this.settle(fault);
    sink?.abort(fault);
  }

  // --- For the consumer.

  /** Sends everything to `sink`; called once, by whoever writes the message. */
  to(sink: Sink): void {
    if (this.ended === undefined) {
      this.sink = sink;
      this.drain();
      return;
    }
    if (this.ended.fault !== undefined) {
      sink.abort(this.ended.fault);
      return;
    }
    if (this.whole!.length > 0) sink.chunk(this.whole!);
    sink.end(this.ended.trailers);
  }

  /** The sink has room again. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.sink !== undefined) this.drain();
  }

  /** The consumer gives up: the origin is told, the end hook sees `fault`, and the sink hears no more. */
  cancel(fault: Fault): void {
    if (this.ended !== undefined) return;
    const origin = this.finished ? undefined : this.origin;
    this.settle(fault);
    origin?.cancel(fault);
  }

  /** Cuts the message short from the middle: its origin is told to stop and its sink that it is incomplete. */
  cut(fault: Fault): void {
    const { sink } = this;
    if (this.ended !== undefined) return;
    this.cancel(fault);
    sink?.abort(fault);
  }

  // --- For filters.

  /** Calls `hook` once at the end of the body; at once if it is over already. Hooks run in order of registration. */
  onEnd(hook: EndHook): void {
    if (this.ended !== undefined) {
      hook(this.ended);
      return;
    }
    const before = this.hook;
    this.hook =
      before === undefined
        ? hook
        : (end) => {
            before(end);
            hook(end);
          };
  }

  /** All the bytes of a body, for small ones; rejects with the fault that cut it short, or when it passes `limitBytes`. */
  read(limitBytes: number, tooLarge: () => Fault): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      this.to({
        chunk: (chunk) => {
          size += chunk.length;
          chunks.push(keep(chunk));
          if (size > limitBytes) this.cut(tooLarge());
          return true;
        },
        end: () => {
          if (size > limitBytes) reject(tooLarge());
          else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
        },
        abort: reject,
      });
    });
  }

  /** Reads and forgets the bytes, so that the connection they come on can go on. */
  discard(): void {
    if (this.ended === undefined) this.to(DISCARD);
  }

  // Hands over what waits; then ends, or asks for more.
  private drain(): void {
    const { waiting } = this;
    if (waiting !== undefined) {
      let next = 0;
      while (next < waiting.length && !this.paused) {
        const one = waiting[next++]!;
        this.paused = !this.sink!.chunk(one.lend());
        one.release();
        if (this.ended !== undefined) return; // The sink gave up.
      }
      if (next < waiting.length) {
        this.waiting = waiting.slice(next);
        return;
      }
      this.waiting = undefined;
    }
    if (this.finished) this.deliver();
    else if (!this.paused) this.origin!.resume();
  }

  private deliver(): void {
    const sink = this.sink!;
    this.settle(undefined);
    sink.end(this.trailers);
  }

  // The message is over: hooks hear of it before the sink does.
  private settle(fault: Fault | undefined): void {
    const trailers = fault === undefined ? this.trailers : undefined;
    const end = (this.ended = { bytes: this.bytes, trailers, fault });
    this.waiting = undefined;
    this.origin = undefined;
    this.sink = undefined;
    const { hook } = this;
    this.hook = undefined;
    hook?.(end);
  }
}

// All of it, valid for good.
function joined(waiting: readonly Waiting[] = []): Buffer {
  const chunks = waiting.map((one) => {
    const kept = keep(one.lend());
    one.release();
    return kept;
  });
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

const DISCARD: Sink = { chunk: () => true, end: () => {}, abort: () => {} };
