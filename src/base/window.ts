// Success rates: over the last so many milliseconds, or over the last so many requests. Circuit breakers ask.

const BUCKETS = 10;

/** Successes and failures of the last `windowMs`, in ten buckets. Times are those of one clock. */
export class SuccessWindow {
  private readonly bucketMs: number;
  private readonly good = new Float64Array(BUCKETS);
  private readonly bad = new Float64Array(BUCKETS);
  private bucket = 0;

  constructor(windowMs: number) {
    this.bucketMs = windowMs / BUCKETS;
  }

  add(success: boolean, now: number): void {
    this.advance(now);
    (success ? this.good : this.bad)[this.bucket % BUCKETS]! += 1;
  }

  /** How many outcomes the window holds. */
  total(now: number): number {
    this.advance(now);
    return sum(this.good) + sum(this.bad);
  }

  /** The share of successes; 1 when nothing happened. */
  rate(now: number): number {
    const total = this.total(now);
    return total === 0 ? 1 : sum(this.good) / total;
  }

  /** Whether it holds at least `minimum` outcomes and too few of them are successes. */
  below(threshold: number, minimum: number, now: number): boolean {
    return this.total(now) >= minimum && this.rate(now) < threshold;
  }

  clear(): void {
    this.good.fill(0);
    this.bad.fill(0);
  }

  private advance(now: number): void {
    const bucket = Math.floor(now / this.bucketMs);
    if (bucket === this.bucket) return;
    for (let i = Math.max(this.bucket + 1, bucket - BUCKETS + 1); i <= bucket; i++) {
      this.good[i % BUCKETS] = 0;
      this.bad[i % BUCKETS] = 0;
    }
    this.bucket = bucket;
  }
}

/** A success rate that forgets by requests: each outcome counts 2/(n+1) (an EWMA over n). */
export class SuccessAverage {
  private readonly alpha: number;
  private readonly requests: number;
  private average = 1;
  private seen = 0;

  constructor(requests: number) {
    this.requests = requests;
    this.alpha = 2 / (requests + 1);
  }

  add(success: boolean): void {
    this.seen += 1;
    this.average += this.alpha * ((success ? 1 : 0) - this.average);
  }

  /** The rate, or 1 before it has seen `requests` outcomes. */
  get rate(): number {
    return this.seen < this.requests ? 1 : this.average;
  }

  clear(): void {
    this.average = 1;
    this.seen = 0;
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
