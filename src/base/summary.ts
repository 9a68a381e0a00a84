// A summary: count, sum, extremes and quantiles of what was seen in the last minute, as Linkerd 1 shows latencies.
// Values fall into buckets that grow by 4 %, so a quantile is right to 2 %; two half-minutes are kept, so that it is
// always live and never older than a minute.

const GROWTH = Math.log(1.04);
const BUCKETS = 560; // ln(2^31) / GROWTH, and some room.
// Up to 11 ms. A router of a thousand names has ten thousand summaries, most of which never see more.
const FIRST_BUCKETS = 64;

/** How often `roll` is to be called, in milliseconds: half of what a summary tells about. */
export const ROLL_MS = 30_000;

class Part {
  counts: Uint32Array | undefined = undefined;
  count = 0;
  sum = 0;
  min = Infinity;
  max = -Infinity;

  add(value: number): void {
    const at = bucketOf(value);
    if (this.counts === undefined || at >= this.counts.length) this.grow(at);
    this.counts![at]! += 1;
    this.count += 1;
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  private grow(at: number): void {
    let size = this.counts?.length ?? FIRST_BUCKETS;
    while (size <= at) size *= 2;
    const grown = new Uint32Array(Math.min(size, BUCKETS));
    if (this.counts !== undefined) grown.set(this.counts);
    this.counts = grown;
  }

  clear(): void {
    this.counts?.fill(0);
    this.count = 0;
    this.sum = 0;
    this.min = Infinity;
    this.max = -Infinity;
  }
}

// The same value goes to several summaries, one after the other.
let lastValue = 0;
let lastBucket = 0;

function bucketOf(value: number): number {
  if (value !== lastValue) {
    const at = value <= 0 ? 0 : (Math.log(value + 1) / GROWTH) | 0;
    lastBucket = at < BUCKETS ? at : BUCKETS - 1;
    lastValue = value;
  }
  return lastBucket;
}

/** What a summary says at one moment. */
export type Digest = {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  /** The value that a share `q` of all values does not exceed. */
  quantile(q: number): number;
};

export class Summary {
  private current = new Part();
  private previous = new Part();

  /** Takes a value, at least 0. */
  add(value: number): void {
    this.current.add(value);
  }

  /** Forgets what is older than a half-minute; to be called every `ROLL_MS`. */
  roll(): void {
    const { previous } = this;
    this.previous = this.current;
    previous.clear();
    this.current = previous;
  }

  /** What it says now. */
  read(): Digest {
    const { current: a, previous: b } = this;
    const count = a.count + b.count;
    const [min, max] = [Math.min(a.min, b.min), Math.max(a.max, b.max)];
    const quantile = (q: number): number => {
      let left = Math.ceil(q * count);
      if (left <= 0) return count > 0 ? min : 0;
      for (let at = 0; at < BUCKETS; at++) {
        left -= (a.counts?.[at] ?? 0) + (b.counts?.[at] ?? 0);
        if (left <= 0) return Math.max(min, Math.min(max, Math.exp((at + 0.5) * GROWTH) - 1));
      }
      return max;
    };
    return {
      count,
      sum: a.sum + b.sum,
      min: count > 0 ? min : 0,
      max: count > 0 ? max : 0,
      quantile,
    };
  }
}
