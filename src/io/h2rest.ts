// When HTTP/2 rests. A proxy that is sooner done than its peers wakes up for each message of theirs, and pays a read, a
// write and a wait for it; a tenth of a millisecond later there are a dozen of them for the same price. So while many
// streams are under way, and come and go fast, the thread sleeps after a turn that had little to do, as network cards do
// between interrupts. Latency stays what it was: whoever has many requests under way waits longer for their turns than
// for this, and few are never made to wait.

import { systemClock } from "../base/clock.ts";

// Asked of the kernel, which adds 0.05 ms or so.
const REST_MS = 0.04;
const MIN_OPEN = 32;
const MIN_OPENED_PER_MS = 10;
const WINDOW_MS = 10;

/** The streams of all connections. */
export class Traffic {
  open = 0;
  opened = 0;
  ended = 0;

  private perMs = 0;
  private since = 0;
  private openedThen = 0;
  private stepsThen = 0;

  /** To be asked once at the end of each turn: whether more is about to come than it had. */
  isDense(nowMs: number): boolean {
    const { open, opened } = this;
    const steps = opened + this.ended;
    const thin = steps - this.stepsThen < open;
    this.stepsThen = steps;
    const elapsedMs = nowMs - this.since;
    if (elapsedMs >= WINDOW_MS) {
      this.perMs = (opened - this.openedThen) / elapsedMs;
      this.since = nowMs;
      this.openedThen = opened;
    }
    return thin && open >= MIN_OPEN && this.perMs >= MIN_OPENED_PER_MS;
  }
}

/** What all HTTP/2 connections of this thread count in. */
export const traffic = new Traffic();

const never = new Int32Array(new SharedArrayBuffer(4));

/** Ends a turn of the event loop after everything was written. */
export function rest(): void {
  if (traffic.isDense(systemClock.now())) Atomics.wait(never, 0, 0, REST_MS);
}
