// One HTTP/2 connection (RFC 9113), the part that servers and clients share: each frame that arrives goes to its stream,
// or is an error. What a stream does with it is in h2stream.ts; what a request is, in h2server.ts and h2client.ts.

import { Fault } from "../base/fault.ts";
import type { FrameSink } from "../wire/frameparser.ts";
import { FrameReader } from "../wire/framereader.ts";
import {
  DEFAULT_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  writePing,
  writeSettingsAck,
} from "../wire/frames.ts";
import { H2, type H2Error, streamError } from "../wire/h2error.ts";
import { H2Head } from "../wire/h2head.ts";
import type { Headers } from "../wire/headers.ts";
import { HpackDecoder } from "../wire/hpackdecoder.ts";
import { errorCode, EVENT, isConnectionError, nextState, STATE } from "../wire/streamstate.ts";
import type { Conn, Reader } from "./conn.ts";
import { H2Link, type H2Options } from "./h2link.ts";
import type { H2Stream } from "./h2stream.ts";

export type { H2Options } from "./h2link.ts";

export abstract class H2Conn extends H2Link implements Reader, FrameSink {
  readonly head: H2Head;
  readonly decoder: HpackDecoder;
  /** Clock.now() at the last chunk read. */
  now: number;

  private readonly frames: FrameReader;
  // Streams whose head came in the chunk being read and whose body may come in the same one.
  private readonly fresh: H2Stream[];

  constructor(conn: Conn, options: H2Options, isServer: boolean) {
    super(conn, options, isServer);
    const listBytes = this.maxHeaderListBytes;
    const frameBytes = options.maxFrameBytes ?? DEFAULT_FRAME_BYTES;
    this.head = new H2Head();
    this.decoder = new HpackDecoder(listBytes);
    // Somewhat too large a head shall get its answer; one without end shall not be read to its end.
    this.frames = new FrameReader(this, isServer, 4 * listBytes + frameBytes, frameBytes);
    this.now = this.clock.now();
    this.fresh = [];
  }

  /** A field block that is not for a stream in `streams`: a new request, or a mistake. */
  protected abstract openStream(streamId: number, endStream: boolean): void;
  /** The peer will not take streams above `lastStreamId`. */
  protected abstract leave(lastStreamId: number, code: number, reason: string): void;
  /** A PING of ours that began with the number `high` was answered. */
  protected onPong(_high: number): void {}
  /** The connection is over. */
  protected abstract ended(): void;

  protected override stopReading(): void {
    this.frames.stop();
  }

  // --- Reader.

  read(chunk: Buffer): void {
    this.heard = true;
    this.now = this.clock.now();
    this.frames.read(chunk);
    const { fresh } = this;
    if (fresh.length === 0) return;
    for (const stream of fresh) if (stream.fresh) stream.deliver();
    fresh.length = 0;
  }

  end(): void {
    this.shut(new Fault("io", "the HTTP/2 peer closed the connection"));
  }

  closed(fault: Fault | undefined): void {
    this.shut(fault ?? new Fault("io", "the HTTP/2 connection is closed"));
    this.stopTimer();
    this.ended();
  }

  drained(): void {
    this.output.drained();
    this.unpark();
  }

  // --- FrameSink.

  onHeaders(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void {
    // Also the block of a stream that nobody wants must be read, to keep the tables in step.
    const error = this.decoder.decode(block, start, end);
    if (error !== null) return this.onError(error);
    const stream = this.streams.get(streamId);
    if (stream !== undefined) stream.onHeaders(endStream);
    else this.openStream(streamId, endStream);
  }

  onData(
    streamId: number,
    chunk: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    first: boolean,
    endStream: boolean,
  ): void {
    this.recvLeft -= flowBytes;
    if (this.recvLeft < 0) return this.fail(H2.FLOW_CONTROL_ERROR, "connection window exceeded");
    if (end > start) this.calm.earn(1);
    else if (first && !endStream && !this.spend(1)) return;
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      stream.onData(chunk, start, end, flowBytes, endStream);
    } else {
      this.credit(flowBytes);
      this.onStray(streamId, EVENT.recvData);
    }
  }

  onReset(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.onStray(streamId, EVENT.recvReset);
    if (this.spend(1)) stream.onReset(code);
  }

  onSettings(chunk: Buffer, start: number, end: number): void {
    if (!this.spend(5)) return;
    const before = this.peer.initialWindowBytes;
    const error = this.peer.apply(chunk, start, end);
    if (error !== null) return this.onError(error);
    this.encoder.resize(this.peer.headerTableBytes);
    // Before anything that the new settings allow.
    this.output.at = writeSettingsAck(this.output.reserve(9), this.output.at);
    const change = this.peer.initialWindowBytes - before;
    if (change !== 0) {
      // A window may become negative by this (RFC 9113 §6.9.2).
      for (const stream of this.streams.all()) {
        if (stream.sendLeft + change > MAX_WINDOW_BYTES) {
          return this.fail(H2.FLOW_CONTROL_ERROR, "a window grew beyond 2^31-1");
        }
        stream.grow(change);
      }
    }
    this.hasRoom();
  }

  onSettingsAck(): void {}

  onPing(ack: boolean, high: number, low: number): void {
    if (ack) return this.onPong(high);
    if (!this.spend(1)) return;
    this.output.at = writePing(this.output.reserve(17), this.output.at, true, high, low);
  }

  onGoAway(lastStreamId: number, code: number, reason: string): void {
    this.leave(lastStreamId, code, reason);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (increment < 1024 && !this.spend(0.5)) return;
    if (streamId === 0) {
      this.sendLeft += increment;
      if (this.sendLeft > MAX_WINDOW_BYTES) {
        return this.fail(H2.FLOW_CONTROL_ERROR, "the connection's window grew beyond 2^31-1");
      }
      return this.unpark();
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.onStray(streamId, EVENT.recvWindow);
    if (stream.sendLeft + increment > MAX_WINDOW_BYTES) {
      return this.onError(streamError(streamId, H2.FLOW_CONTROL_ERROR, "window beyond 2^31-1"));
    }
    stream.grow(increment);
  }

  onError(error: H2Error): void {
    if (error.streamId === 0) return this.fail(error.code, error.reason);
    if (!this.spend(1)) return;
    const stream = this.streams.get(error.streamId);
    if (stream !== undefined) stream.reject(error.code, error.reason);
    else this.sendReset(error.streamId, error.code);
  }

  /** A stream whose body may follow in the same chunk. */
  await(stream: H2Stream): void {
    this.fresh.push(stream);
  }

  /** A frame for a stream that is not open: too early, late after our own reset, or a mistake. */
  protected onStray(streamId: number, event: number): void {
    // Only clients open streams here, with odd ids.
    const idle = streamId > this.lastStreamId || streamId % 2 === 0;
    const late = this.resets?.includes(streamId) === true;
    const next = nextState(idle ? STATE.idle : late ? STATE.reset : STATE.closed, event);
    if (!this.spend(1) || next >= 0) return;
    const id = isConnectionError(next) ? 0 : streamId;
    this.onError(streamError(id, errorCode(next), "a frame for an idle or closed stream"));
  }

  /** The block just decoded as trailers, or what is wrong with it. */
  readTrailers(): Headers | undefined | string {
    const { decoder, head } = this;
    if (decoder.tooLarge) return "trailers too large";
    if (decoder.malformed) return "malformed trailers";
    const wrong = head.readTrailers(decoder.fields, decoder.length);
    return wrong ?? (head.headers.length > 0 ? head.headers : undefined);
  }
}
