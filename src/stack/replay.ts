// Keeps a request's body that streams for further attempts: it is remembered up to a limit while it passes. Beyond the
// limit the request can only be sent once. A body that came whole with its head needs none of this.

import type { Fault } from "../base/fault.ts";
import { Body, type Origin, type Sink } from "../io/body.ts";
import { keep } from "../io/memory.ts";
import type { Headers } from "../wire/headers.ts";

/** Whether `body` might be kept within `maxBytes`. */
export function isReplayable(body: Body, maxBytes: number): boolean {
  return body.length === undefined || body.length <= maxBytes;
}

/** A body that can be sent more than once, one attempt at a time. */
export class Replay implements Sink, Origin {
  /** Whether too much has passed for another attempt. */
  lost: boolean;
  private readonly source: Body;
  private readonly maxBytes: number;
  private kept: Buffer[];
  private keptBytes: number;
  private current: Body | undefined;
  /** Why the last attempt took no more of it. */
  private unwanted: Fault | undefined;
  private final: boolean;
  private trailers: Headers | undefined;
  private ended: boolean;
  private started: boolean;

  constructor(source: Body, maxBytes: number) {
    this.source = source;
    this.maxBytes = maxBytes;
    this.lost = false;
    this.kept = [];
    this.keptBytes = 0;
    this.current = undefined;
    this.unwanted = undefined;
    this.final = false;
    this.trailers = undefined;
    this.ended = false;
    this.started = false;
  }

  /** The body for the next attempt: what has passed already, then the rest. */
  next(): Body {
    const { source } = this;
    if (this.ended) return Body.of(Buffer.concat(this.kept), this.trailers);
    this.unwanted = undefined;
    const body = (this.current = Body.stream(this, source.length));
    for (const chunk of this.kept) body.push(chunk);
    if (!this.started) {
      this.started = true;
      source.to(this);
    }
    return body;
  }

  /** No further attempt will follow: whatever becomes of this one becomes of the request's body. */
  settle(): void {
    this.final = true;
    this.kept = [];
    if (this.unwanted !== undefined) this.source.cancel(this.unwanted);
  }

  chunk(chunk: Buffer): boolean {
    const bytes = this.final || this.lost ? chunk : this.remember(chunk);
    // Between two attempts nobody listens; what comes is kept, and more is not asked for.
    return this.current === undefined ? this.lost : this.current.push(bytes);
  }

  end(trailers: Headers | undefined): void {
    this.ended = true;
    this.trailers = trailers;
    this.current?.finish(trailers);
  }

  abort(fault: Fault): void {
    this.lost = true;
    this.current?.abort(fault);
  }

  resume(): void {
    this.source.resume();
  }

  cancel(fault: Fault): void {
    this.current = undefined;
    this.unwanted = fault;
    if (this.final || this.lost) this.source.cancel(fault);
  }

  private remember(chunk: Buffer): Buffer {
    this.keptBytes += chunk.length;
    if (this.keptBytes > this.maxBytes) {
      this.lost = true;
      this.kept = [];
      return chunk;
    }
    const kept = keep(chunk);
    this.kept.push(kept);
    return kept;
  }
}
