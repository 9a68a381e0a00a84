// Patience with a peer. Frames that cost us work and bring nothing (resets of fresh streams, pings, settings, empty DATA,
// useless window updates, refused or broken requests) take points; finished streams, payload and time give them
// back. A peer that has used up its points is told ENHANCE_YOUR_CALM (RFC 9113 §10.5, CVE-2023-44487 and its kin).

import type { Clock } from "../base/clock.ts";

const FULL = 1000;
const POINTS_PER_MS = 0.1;

export class Calm {
  private readonly clock: Clock;
  private points = FULL;
  private since: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.since = clock.now();
  }

  /** Takes points; false when the peer has none left. */
  spend(points: number): boolean {
    this.points -= points;
    if (this.points >= 0) return true;
    // Time is looked at only here, which is rare.
    const now = this.clock.now();
    this.points = Math.min(FULL, this.points + (now - this.since) * POINTS_PER_MS);
    this.since = now;
    return this.points >= 0;
  }

  earn(points: number): void {
    this.points = Math.min(FULL, this.points + points);
  }
}
