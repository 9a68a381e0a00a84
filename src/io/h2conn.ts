// One HTTP/2 connection (RFC 9113), the part that servers and clients share: settings, the streams by their ids, both
// flow-control windows of the connection, PING, GOAWAY, errors, limits against abuse. What a stream does with its
// frames is in h2stream.ts; what a request is, in h2server.ts and h2client.ts.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { FrameSink } from "../wire/frameparser.ts";
import { FrameReader } from "../wire/framereader.ts";
import {
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  SETTING,
  writeGoAway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "../wire/frames.ts";
import { errorName, H2, type H2Error, streamError } from "../wire/h2error.ts";
import { H2Head } from "../wire/h2head.ts";
import type { Headers } from "../wire/headers.ts";
import { HpackDecoder } from "../wire/hpackdecoder.ts";
import { HpackEncoder } from "../wire/hpackencoder.ts";
import { Settings } from "../wire/settings.ts";
import { errorCode, EVENT, isConnectionError, nextState, STATE } from "../wire/streamstate.ts";
import type { Conn, Reader } from "./conn.ts";
import { Calm } from "./h2calm.ts";
import { Output } from "./h2output.ts";
import type { H2Stream } from "./h2stream.ts";

/** How an HTTP/2 connection is run. Sizes in bytes, times in milliseconds. */
export type H2Options = {
  readonly clock: Clock;
  /** Streams that the peer may have open at a server; default 1000. More are refused and may be retried. */
  readonly maxConcurrentStreams?: number;
  /** Limit of one decoded header list; default 65,536. Larger requests get 431. */
  readonly maxHeaderListBytes?: number;
  /** What may arrive on a stream before its consumer takes it; default 65,535. */
  readonly streamWindowBytes?: number;
  /** What may arrive on all streams before it is taken; default 1 MiB. */
  readonly connectionWindowBytes?: number;
  /** The largest frame that the peer may send; default 16,384. */
  readonly maxFrameBytes?: number;
  /** A PING after this long without a byte from the peer; default none. */
  readonly keepAliveIntervalMs?: number;
  /** The connection is closed when nothing comes this long after that PING; default 20 s. */
  readonly keepAliveTimeoutMs?: number;
};

// A peer that does not close after GOAWAY is closed after this long.
const LINGER_MS = 1000;
// Control frames that the peer makes us write and does not read.
const MAX_BACKLOG_BYTES = 1 << 20;
// How much a stream that waited for the connection sends before the next one has its turn.
const TURN_BYTES = 16_384;
// How many streams that we reset are remembered, so that late frames for them are known to be late.
const RESETS = 1024;

const KEEP_ALIVE = 1;

export abstract class H2Conn implements Reader, FrameSink {
  readonly transient = true;
  readonly conn: Conn;
  readonly clock: Clock;
  readonly output: Output;
  readonly encoder: HpackEncoder;
  readonly head: H2Head;
  readonly calm: Calm;
  /** What the peer's SETTINGS said. */
  readonly peer: Settings;
  readonly streams: Map<number, H2Stream>;
  readonly streamWindowBytes: number;
  /** The connection's send window. */
  sendLeft: number;
  /** Streams that have something to send and wait for the connection. */
  readonly parked: Set<H2Stream>;
  /** Clock.now() at the last chunk read. */
  now: number;
  /** Why the connection is of no more use; undefined while it is. */
  fault: Fault | undefined;
  /** Whether it ends when its last stream does. */
  draining: boolean;

  readonly decoder: HpackDecoder;
  private readonly isServer: boolean;
  private readonly frames: FrameReader;
  /** The highest stream that the peer has opened (server) or that we have (client). */
  protected lastStreamId: number;
  private readonly options: H2Options;
  private readonly windowBytes: number;
  private recvLeft: number;
  private owed: number;
  private resets: Int32Array | undefined;
  private resetCount: number;
  // Streams whose head came in the chunk being read and whose body may come in the same one.
  private readonly fresh: H2Stream[];
  private heard: boolean;
  private timer: Timer | undefined;

  constructor(conn: Conn, options: H2Options, isServer: boolean) {
    const maxListBytes = options.maxHeaderListBytes ?? 65_536;
    const frameBytes = options.maxFrameBytes ?? DEFAULT_FRAME_BYTES;
    this.conn = conn;
    this.isServer = isServer;
    this.options = options;
    this.clock = options.clock;
    this.output = new Output(conn);
    this.encoder = new HpackEncoder();
    this.decoder = new HpackDecoder(maxListBytes);
    this.head = new H2Head();
    this.calm = new Calm(options.clock);
    this.frames = new FrameReader(this, isServer, maxListBytes + frameBytes, frameBytes);
    this.peer = new Settings();
    this.streams = new Map();
    this.streamWindowBytes = options.streamWindowBytes ?? DEFAULT_WINDOW_BYTES;
    this.windowBytes = options.connectionWindowBytes ?? 1 << 20;
    this.sendLeft = DEFAULT_WINDOW_BYTES;
    this.recvLeft = DEFAULT_WINDOW_BYTES;
    this.owed = 0;
    this.parked = new Set();
    this.now = options.clock.now();
    this.fault = undefined;
    this.draining = false;
    this.lastStreamId = 0;
    this.resets = undefined;
    this.resetCount = 0;
    this.fresh = [];
    this.heard = false;
    this.timer = undefined;
    this.keepAlive();
  }

  /** A field block that is not for a stream in `streams`: a new request, or a mistake. */
  protected abstract openStream(streamId: number, endStream: boolean): void;
  /** The peer's settings have changed, or a stream has ended: there may be room for more streams. */
  protected abstract hasRoom(): void;
  /** The peer will not take streams above `lastStreamId`. */
  protected abstract leave(lastStreamId: number, code: number, reason: string): void;
  /** A PING of ours that began with the number `high` was answered. */
  protected onPong(_high: number): void {}
  /** The connection is over. */
  protected abstract ended(fault: Fault | undefined): void;

  // --- Opening and closing.

  /** Writes our SETTINGS, with `pairs` before the ones both sides send, and opens the connection's window. */
  protected greet(pairs: number[]): void {
    const { options } = this;
    pairs.push(SETTING.INITIAL_WINDOW_SIZE, this.streamWindowBytes);
    pairs.push(SETTING.MAX_HEADER_LIST_SIZE, options.maxHeaderListBytes ?? 65_536);
    if (options.maxFrameBytes !== undefined) {
      pairs.push(SETTING.MAX_FRAME_SIZE, options.maxFrameBytes);
    }
    const { output } = this;
    const out = output.reserve(9 + pairs.length * 3 + 13);
    output.at = writeSettings(out, output.at, pairs);
    const more = this.windowBytes - this.recvLeft;
    if (more > 0) {
      output.at = writeWindowUpdate(out, output.at, 0, more);
      this.recvLeft = this.windowBytes;
    }
  }

  /** Tells the peer which of its streams were taken at most; `soon` leaves that open (RFC 9113 §6.8). */
  protected sendGoAway(code: number, reason: string, soon = false): void {
    const last = soon ? MAX_STREAM_ID : this.isServer ? this.lastStreamId : 0;
    const out = this.output.reserve(17 + reason.length);
    this.output.at = writeGoAway(out, this.output.at, last, code, reason);
  }

  /** Sends a PING that `onPong` will tell by the number `high`. */
  protected sendPing(high: number): void {
    this.output.at = writePing(this.output.reserve(17), this.output.at, false, high, 0);
  }

  /** Ends the connection because of what the peer did (RFC 9113 §5.4.1). */
  fail(code: number, reason: string): void {
    if (this.fault !== undefined) return;
    const message = `HTTP/2 connection ended with ${errorName(code)}: ${reason}`;
    this.sendGoAway(code, reason);
    this.shut(new Fault("protocol", message, { detail: code }));
  }

  /** Ends all streams with `fault` and the connection after what was written. */
  protected shut(fault: Fault): void {
    if (this.fault !== undefined) return;
    this.fault = fault;
    this.frames.stop();
    for (const stream of this.streams.values()) stream.lost(fault);
    this.streams.clear();
    this.hangUp();
  }

  /** Closes in a way that lets the peer read our last frames: a reset would overtake them. */
  protected hangUp(): void {
    this.timer?.cancel();
    this.output.flush();
    this.conn.end();
    this.timer = this.clock.after(LINGER_MS, () => this.conn.destroy());
  }

  /** Forgets an ended stream. */
  forget(stream: H2Stream): void {
    this.streams.delete(stream.id);
    if (stream.state === STATE.reset) this.rememberReset(stream.id);
    if (this.fault !== undefined) return;
    if (this.draining && this.streams.size === 0) this.hangUp();
    else this.hasRoom();
  }

  /** Remembers that late frames for a stream are ours to ignore. */
  protected rememberReset(streamId: number): void {
    this.resets ??= new Int32Array(RESETS);
    this.resets[this.resetCount++ % RESETS] = streamId;
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
    const streamFault = fault ?? new Fault("io", "the HTTP/2 connection is closed");
    this.timer?.cancel();
    this.shut(streamFault);
    this.timer?.cancel();
    this.ended(fault);
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
    const change = this.peer.initialWindowBytes - before;
    if (change !== 0) {
      // A window may become negative by this (RFC 9113 §6.9.2).
      for (const stream of this.streams.values()) {
        if (stream.sendLeft + change > MAX_WINDOW_BYTES) {
          return this.fail(H2.FLOW_CONTROL_ERROR, "a window grew beyond 2^31-1");
        }
        stream.grow(change);
      }
    }
    this.output.at = writeSettingsAck(this.output.reserve(9), this.output.at);
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

  // --- For streams.

  /** A stream whose body may follow in the same chunk. */
  await(stream: H2Stream): void {
    this.fresh.push(stream);
  }

  /** Takes points from the peer; false when the connection had to be ended for it. */
  spend(points: number): boolean {
    if (this.calm.spend(points) && this.output.backlogBytes < MAX_BACKLOG_BYTES) return true;
    if (this.fault === undefined) this.fail(H2.ENHANCE_YOUR_CALM, "too much work for nothing");
    return false;
  }

  sendReset(streamId: number, code: number): void {
    this.output.at = writeReset(this.output.reserve(13), this.output.at, streamId, code);
  }

  /** Consumers have taken `bytes` off the connection: returned to the peer when half the window is owed. */
  credit(bytes: number): void {
    this.owed += bytes;
    if (this.owed * 2 < this.windowBytes || this.fault !== undefined) return;
    this.recvLeft += this.owed;
    this.sendWindow(0, this.owed);
    this.owed = 0;
  }

  sendWindow(streamId: number, bytes: number): void {
    this.output.at = writeWindowUpdate(this.output.reserve(13), this.output.at, streamId, bytes);
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

  // Lets each parked stream send a frame in turn, as long as the connection takes it.
  private unpark(): void {
    const { parked } = this;
    for (const stream of parked) {
      if (this.sendLeft <= 0 || this.output.blocked) return;
      parked.delete(stream);
      stream.pump(TURN_BYTES);
    }
  }

  private keepAlive(): void {
    const intervalMs = this.options.keepAliveIntervalMs;
    if (intervalMs === undefined) return;
    this.heard = false;
    this.timer = this.clock.after(intervalMs, () => {
      if (this.heard) return this.keepAlive();
      this.sendPing(KEEP_ALIVE);
      this.timer = this.clock.after(this.options.keepAliveTimeoutMs ?? 20_000, () => {
        if (this.heard) return this.keepAlive();
        this.conn.destroy(new Fault("io", "the HTTP/2 peer did not answer a keep-alive PING"));
      });
    });
  }
}
