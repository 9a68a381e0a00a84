// The one timer of a connection. What it waits for changes with each message while the timer keeps running: when it
// fires too early it waits for the rest, so that a connection in use starts no timers.

import type { Clock, Timer } from "../base/clock.ts";

export class Watchdog {
  /** How long what is waited for may take; Infinity while nothing is. */
  allowedMs: number;
  private readonly clock: Clock;
  private readonly onExpired: () => void;
  private readonly onTimer = (): void => this.check();
  private since: number;
  private timer: Timer | undefined;

  constructor(clock: Clock, onExpired: () => void) {
    this.allowedMs = Infinity;
    this.clock = clock;
    this.onExpired = onExpired;
    this.since = 0;
    this.timer = undefined;
  }

  /** Waits `ms` from now; costs a timer, so it is for the rare cases and for shorter times than before. */
  await(ms: number): void {
    this.timer?.cancel();
    this.since = this.clock.now();
    this.allowedMs = ms;
    this.timer = this.clock.after(ms, this.onTimer);
  }

  /** As `await`, for a time no shorter than the one that runs already; costs two writes. */
  awaitLazily(ms: number): void {
    if (this.timer === undefined) return this.await(ms);
    this.since = this.clock.now();
    this.allowedMs = ms;
  }

  /** What is waited for goes on: its time starts anew. */
  touch(): void {
    if (this.allowedMs < Infinity) this.since = this.clock.now();
  }

  /** Nothing is waited for. */
  rest(): void {
    this.allowedMs = Infinity;
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private check(): void {
    this.timer = undefined;
    const leftMs = this.since + this.allowedMs - this.clock.now();
    if (leftMs === Infinity) return;
    if (leftMs > 0) this.timer = this.clock.after(leftMs, this.onTimer);
    else this.onExpired();
  }
}
