// Moving averages that forget exponentially. PeakEwma is the cost estimate of Finagle's balancer: it jumps to
// a higher sample at once and comes down slowly, so that an endpoint that turns slow is left at once.
// (Finagle's PeakEwma; the decay towards zero between samples is tower's.)

/** A latency estimate in ms. All times are those of one clock; nothing here reads it. */
export class PeakEwma {
  private readonly decayMs: number;
  private cost: number;
  private at: number;

  /** Starts at `initialMs` and loses all but 1/e of what is known in `decayMs`. */
  constructor(initialMs: number, decayMs: number, now: number) {
    this.decayMs = decayMs;
    this.cost = initialMs;
    this.at = now;
  }

  /** The estimate at `now`: it decays towards zero when nothing is heard, so that the endpoint is tried again. */
  value(now: number): number {
    const elapsed = now - this.at;
    return elapsed <= 0 ? this.cost : this.cost * Math.exp(-elapsed / this.decayMs);
  }

  /** Takes a sample of `ms`: at once if it is higher. */
  add(ms: number, now: number): void {
    if (ms > this.cost) this.cost = ms;
    else this.average(ms, now);
    this.at = Math.max(now, this.at);
  }

  /** Takes a sample of `ms` by its share of the time since the last one, even if it is higher. */
  average(ms: number, now: number): void {
    const elapsed = Math.max(0, now - this.at);
    const weight = Math.exp(-elapsed / this.decayMs);
    this.cost = this.cost * weight + ms * (1 - weight);
    this.at = Math.max(now, this.at);
  }
}

/** A plain moving average over time; NaN before the first sample. */
export class Ewma {
  private readonly decayMs: number;
  private at = 0;
  private average = Number.NaN;

  constructor(decayMs: number) {
    this.decayMs = decayMs;
  }

  get value(): number {
    return this.average;
  }

  add(sample: number, now: number): void {
    const weight = Number.isNaN(this.average) ? 0 : Math.exp((this.at - now) / this.decayMs);
    this.average = weight === 0 ? sample : this.average * weight + sample * (1 - weight);
    this.at = now;
  }
}
