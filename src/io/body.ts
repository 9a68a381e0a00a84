// The body of a message. It travels by reference from the connection that reads it (its Origin) to the
// connection that writes it (its Sink); no filter ever sees a chunk. What filters may do is ask to be told
// of its end, once, with what it amounted to.
//
//   Origin ──push/finish/abort──▶ Body ──chunk/end/abort──▶ Sink
//          ◀──resume/cancel─────      ◀──resume/cancel────
//
// A body that arrived whole with its head has `whole` set and no machinery at all.

import type { Fault } from "../base/fault.ts";
import type { Headers } from "../wire/headers.ts";

/** What a body amounted to: its bytes, and either its trailers or the fault that cut it short. */
export type BodyEnd = {
  readonly bytes: number;
  readonly trailers: Headers | undefined;
  readonly fault: Fault | undefined;
};

/** Whoever produces a body. */
export interface Origin {
  /** The consumer has room again after `push` returned false. */
  resume(): void;
  /** The consumer wants no more of it. */
  cancel(fault: Fault): void;
}

/** Whoever consumes a body. Calls come in order: chunk*, then end or abort, once. */
export interface Sink {
  /** Takes bytes, which are valid for good and must not be changed. False asks the body to wait for `resume`. */
  chunk(chunk: Buffer): boolean;
  end(trailers: Headers | undefined): void;
  /** The origin failed: the message is incomplete and must not look complete to anybody. */
  abort(fault: Fault): void;
}

export type EndHook = (end: BodyEnd) => void;

const NO_BYTES = Buffer.alloc(0);

export class Body {
  /** All the bytes, when they were there from the start; undefined for a body that streams. */
  readonly whole: Buffer | undefined;
  /** Bytes to come, when the sender said so (Content-Length); undefined when only the end will tell. */
  readonly length: number | undefined;
  /** Bytes that have passed so far. */
  bytes: number;
  ended: BodyEnd | undefined;
  private origin: Origin | undefined;
  private sink: Sink | undefined;
  private waiting: Buffer[] | undefined;
  private paused: boolean;
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
    this.hook = undefined;
  }

  /** No bytes, no trailers. */
  static readonly empty: Body = new Body(NO_BYTES, 0, undefined, {
    bytes: 0,
    trailers: undefined,
    fault: undefined,
  });

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
    if (this.sink === undefined || this.waiting !== undefined) {
      (this.waiting ??= []).push(chunk);
      return false;
    }
    if (this.sink.chunk(chunk)) return true;
    this.paused = true;
    return false;
  }

  /** Says that everything has been pushed. */
  finish(trailers?: Headers): void {
    this.conclude(trailers, undefined);
  }

  /** Says that no more will come although the message is incomplete. */
  abort(fault: Fault): void {
    this.conclude(undefined, fault);
  }

  // --- For the consumer.

  /** Sends everything to `sink`; called once, by whoever writes the message. */
  to(sink: Sink): void {
    this.sink = sink;
    if (this.whole !== undefined) {
      if (this.whole.length > 0) sink.chunk(this.whole);
      sink.end(this.ended!.trailers);
      return;
    }
    this.drain();
  }

  /** The sink has room again. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.drain();
  }

  /** The consumer gives up: the origin is told, the end hook sees `fault`, and the sink hears no more. */
  cancel(fault: Fault): void {
    if (this.ended !== undefined && this.waiting === undefined) return;
    this.waiting = undefined;
    this.sink = undefined;
    const origin = this.origin;
    this.origin = undefined;
    this.settle(undefined, fault);
    origin?.cancel(fault);
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
    if (this.whole !== undefined) {
      return this.whole.length > limitBytes
        ? Promise.reject(tooLarge())
        : Promise.resolve(this.whole);
    }
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      this.to({
        chunk: (chunk) => {
          size += chunk.length;
          if (size > limitBytes) {
            const fault = tooLarge();
            this.cancel(fault);
            reject(fault);
          } else {
            chunks.push(chunk);
          }
          return true;
        },
        end: () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)),
        abort: reject,
      });
    });
  }

  /** Cuts the message short from the middle: its origin is told to stop and its sink that it is incomplete. */
  cut(fault: Fault): void {
    const origin = this.origin;
    this.conclude(undefined, fault);
    origin?.cancel(fault);
  }

  /** Reads and forgets the bytes, so that the connection they come on can go on. */
  discard(): void {
    if (this.whole === undefined) this.to(DISCARD);
  }

  // Hands over what waits; then asks for more, or ends.
  private drain(): void {
    const waiting = this.waiting;
    if (waiting !== undefined) {
      const sink = this.sink!;
      while (waiting.length > 0) {
        if (!sink.chunk(waiting.shift()!)) {
          this.paused = waiting.length > 0 || this.ended === undefined;
          if (this.paused) return;
        }
        if (this.sink === undefined) return; // Cancelled by the sink.
      }
      this.waiting = undefined;
    }
    if (this.ended !== undefined) this.deliverEnd(this.ended);
    else this.origin?.resume();
  }

  private conclude(trailers: Headers | undefined, fault: Fault | undefined): void {
    if (this.ended !== undefined) return;
    // A failed message is cut short at once: what waits is worth nothing to anybody.
    if (fault !== undefined) this.waiting = undefined;
    this.settle(trailers, fault);
    if (this.waiting === undefined && this.sink !== undefined) this.deliverEnd(this.ended!);
  }

  private settle(trailers: Headers | undefined, fault: Fault | undefined): void {
    if (this.ended?.fault === undefined && this.ended !== undefined && fault === undefined) return;
    const first = this.ended === undefined;
    this.ended = { bytes: this.bytes, trailers, fault };
    const hook = this.hook;
    this.hook = undefined;
    if (first) hook?.(this.ended);
  }

  private deliverEnd(end: BodyEnd): void {
    const sink = this.sink!;
    this.sink = undefined;
    this.origin = undefined;
    if (end.fault !== undefined) sink.abort(end.fault);
    else sink.end(end.trailers);
  }
}

const DISCARD: Sink = { chunk: () => true, end: () => {}, abort: () => {} };
