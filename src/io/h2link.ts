// What keeps an HTTP/2 connection going, whatever its streams do (RFC 9113): our settings, the connection's two windows,
// what goes out, whose turn it is, PING, GOAWAY, patience, and the end. h2conn.ts reads what comes in.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import {
  DEFAULT_WINDOW_BYTES,
  MAX_STREAM_ID,
  SETTING,
  writeGoAway,
  writePing,
  writeReset,
  writeSettings,
  writeWindowUpdate,
} from "../wire/frames.ts";
import { errorName, H2 } from "../wire/h2error.ts";
import { HpackEncoder } from "../wire/hpackencoder.ts";
import { Settings } from "../wire/settings.ts";
import { STATE } from "../wire/streamstate.ts";
import type { Conn } from "./conn.ts";
import { Calm } from "./h2calm.ts";
import type { H2Outgoing } from "./h2outgoing.ts";
import { Output } from "./h2output.ts";
import { traffic } from "./h2rest.ts";
import { H2Streams } from "./h2streams.ts";

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
// What the peer may make us write without reading it.
const MAX_BACKLOG_BYTES = 8 << 20;
// How much a stream that waited for the connection sends before the next one has its turn.
const TURN_BYTES = 16_384;
// How many streams that we reset are remembered, so that late frames for them are known to be late.
const RESETS = 1024;
const MAX_HEADER_LIST_BYTES = 65_536;
// Tells the answer to this PING from others.
const KEEP_ALIVE = 1;

export abstract class H2Link {
  readonly conn: Conn;
  readonly options: H2Options;
  readonly clock: Clock;
  readonly output: Output;
  readonly encoder: HpackEncoder;
  readonly calm: Calm;
  /** What the peer's SETTINGS said. */
  readonly peer: Settings;
  readonly streams: H2Streams;
  readonly streamWindowBytes: number;
  readonly maxHeaderListBytes: number;
  /** The connection's send window, and what the peer may still send. */
  sendLeft: number;
  recvLeft: number;
  /** Streams that have something to send and wait for the connection. */
  readonly parked: Set<H2Outgoing>;
  /** Why the connection is of no more use; undefined while it is. */
  fault: Fault | undefined;
  /** Whether it ends when its last stream does. */
  draining: boolean;

  protected readonly isServer: boolean;
  /** The highest stream that the peer has opened (server) or that we have (client). */
  protected lastStreamId: number;
  /** Streams that we reset, the last thousand. */
  protected resets: Int32Array | undefined;
  /** Whether anything was read since the last look. */
  protected heard: boolean;
  private resetCount: number;
  private readonly windowBytes: number;
  private owed: number;
  private timer: Timer | undefined;

  constructor(conn: Conn, options: H2Options, isServer: boolean) {
    this.conn = conn;
    this.options = options;
    this.clock = options.clock;
    this.output = new Output(conn);
    this.encoder = new HpackEncoder();
    this.calm = new Calm(options.clock);
    this.peer = new Settings();
    this.streams = new H2Streams(isServer ? traffic.served : traffic.asked);
    this.streamWindowBytes = options.streamWindowBytes ?? DEFAULT_WINDOW_BYTES;
    this.maxHeaderListBytes = options.maxHeaderListBytes ?? MAX_HEADER_LIST_BYTES;
    this.sendLeft = DEFAULT_WINDOW_BYTES;
    this.recvLeft = DEFAULT_WINDOW_BYTES;
    this.parked = new Set();
    this.fault = undefined;
    this.draining = false;
    this.isServer = isServer;
    this.lastStreamId = 0;
    this.resets = undefined;
    this.heard = false;
    this.resetCount = 0;
    this.windowBytes = options.connectionWindowBytes ?? 1 << 20;
    this.owed = 0;
    this.timer = undefined;
    this.keepAlive();
  }

  /** The peer's settings have changed, or a stream has ended: there may be room for more streams. */
  protected abstract hasRoom(): void;
  /** Nothing that arrives from now on is of interest. */
  protected abstract stopReading(): void;

  /** Writes our SETTINGS, with `pairs` before the ones both sides send, and opens the connection's window. */
  protected greet(pairs: number[]): void {
    const { options } = this;
    pairs.push(SETTING.INITIAL_WINDOW_SIZE, this.streamWindowBytes);
    pairs.push(SETTING.MAX_HEADER_LIST_SIZE, this.maxHeaderListBytes);
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
    this.stopReading();
    for (const stream of this.streams.all()) stream.lost(fault);
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
  forget(stream: H2Outgoing): void {
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

  /** Lets each parked stream send a frame in turn, as long as the connection takes it. */
  protected unpark(): void {
    const { parked } = this;
    for (const stream of parked) {
      if (this.sendLeft <= 0 || this.output.blocked) return;
      parked.delete(stream);
      stream.pump(TURN_BYTES);
    }
  }

  protected stopTimer(): void {
    this.timer?.cancel();
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
