// When HTTP/2 rests. A proxy that is sooner done than its peers wakes up for each message of theirs, and pays a read, a
// write and a wait for it; a tenth of a millisecond later there are a dozen of them for the same price. So while many
// requests pass from one HTTP/2 connection to another, and come and go fast, the thread sleeps after a turn that had
// little to do, as network cards do between interrupts. Whoever has many under way waits longer for their turns than for
// this; few are never made to wait, nor is what comes or goes on connections of its own, which nothing gathers.

import { systemClock } from "../base/clock.ts";

// Asked of the kernel, which adds 0.05 ms or so.
const REST_MS = 0.04;
const MIN_REQUESTS = 24;
const MIN_REQUESTS_PER_MS = 5;
const WINDOW_MS = 10;

/** The streams of many connections. */
export class Tally {
  open = 0;
  opened = 0;
  ended = 0;
}

/** The streams of this thread: those that it serves, and those that it has asked others to serve. */
export class Traffic {
  readonly served = new Tally();
  readonly asked = new Tally();

  private perMs = 0;
  private since = 0;
  private openedThen = 0;
  private stepsThen = 0;

  /** To be asked once at the end of each turn: whether more is about to come than it had. */
  isDense(nowMs: number): boolean {
    const { open, opened, ended } = this.served;
    const steps = opened + ended;
    const thin = steps - this.stepsThen < open;
    this.stepsThen = steps;
    const elapsedMs = nowMs - this.since;
    if (elapsedMs >= WINDOW_MS) {
      this.perMs = (opened - this.openedThen) / elapsedMs;
      this.since = nowMs;
      this.openedThen = opened;
    }
    const requests = Math.min(open, this.asked.open);
    return thin && requests >= MIN_REQUESTS && this.perMs >= MIN_REQUESTS_PER_MS;
  }
}

/** What all HTTP/2 connections of this thread count in. */
export const traffic = new Traffic();

const never = new Int32Array(new SharedArrayBuffer(4));

/** Ends a turn of the event loop after everything was written. */
export function rest(): void {
  if (traffic.isDense(systemClock.now())) Atomics.wait(never, 0, 0, REST_MS);
}
