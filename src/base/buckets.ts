// Token buckets that hold one second's worth, each kept as a single moment (GCRA): that at which it would be full again.
// Threads that share a limit share that moment, in memory that all of them see, and change it by compare and exchange.

import type { Clock } from "./clock.ts";

export interface Bucket {
  /** Tokens a second. */
  readonly rps: number;
  /** Takes a token, unless there is none. `now` is that of the clock. */
  take(now: number): boolean;
}

/** Makes the bucket of that name; by the same name, threads that share buckets get the same one. */
export type BindBucket = (rps: number, name: string) => Bucket;

/** A bucket of this thread alone. */
export class OwnBucket implements Bucket {
  readonly rps: number;
  private readonly costMs: number;
  private fullAt: number;

  constructor(rps: number) {
    this.rps = rps;
    this.costMs = rps > 0 ? 1000 / rps : Infinity;
    this.fullAt = -Infinity;
  }

  take(now: number): boolean {
    const fullAt = Math.max(this.fullAt, now) + this.costMs;
    // Rounding must not cost the last token of a full bucket.
    if (fullAt - now > 1000 + 1e-6) return false;
    this.fullAt = fullAt;
    return true;
  }
}

// A slot is the hash of a name and a moment. One whose bucket is full again says nothing any more, so anybody may have
// it; when all that a name may use are in use, it shares the first of them.
const SLOTS = 8192;
const PROBES = 16;
const SECOND_NS = 1_000_000_000n;
const NEVER_NS = 2n ** 60n;

/** Memory for the buckets that threads share: 128 KB, resident only where it is used. */
export function bucketMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * 2 * BigInt64Array.BYTES_PER_ELEMENT);
}

/** The buckets in `memory`, for a thread with this clock. */
export function bindShared(memory: SharedArrayBuffer, clock: Clock): BindBucket {
  const cells = new BigInt64Array(memory);
  // The clocks of threads begin at different moments.
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - clock.now();
  return (rps, name) => new SharedBucket(cells, offsetMs, rps, hashOf(name));
}

class SharedBucket implements Bucket {
  readonly rps: number;
  private readonly cells: BigInt64Array;
  private readonly offsetMs: number;
  private readonly costNs: bigint;
  private readonly hash: bigint;
  private at: number;

  constructor(cells: BigInt64Array, offsetMs: number, rps: number, hash: bigint) {
    this.rps = rps;
    this.cells = cells;
    this.offsetMs = offsetMs;
    this.costNs = rps > 0 ? BigInt(Math.floor(1e9 / rps)) : NEVER_NS;
    this.hash = hash;
    this.at = 0;
  }

  take(nowMs: number): boolean {
    const { cells } = this;
    const now = BigInt(Math.round((nowMs + this.offsetMs) * 1e6));
    if (Atomics.load(cells, this.at) !== this.hash) this.at = this.find(now);
    for (;;) {
      const fullAt = Atomics.load(cells, this.at + 1);
      const next = (fullAt > now ? fullAt : now) + this.costNs;
      if (next - now > SECOND_NS) return false;
      if (Atomics.compareExchange(cells, this.at + 1, fullAt, next) === fullAt) return true;
    }
  }

  private find(now: bigint): number {
    const { cells, hash } = this;
    const first = Number(BigInt.asUintN(32, hash)) % SLOTS;
    const places = Array.from({ length: PROBES }, (_, i) => ((first + i) % SLOTS) * 2);
    const own = places.find((at) => Atomics.load(cells, at) === hash);
    if (own !== undefined) return own;
    for (const at of places) {
      const before = Atomics.load(cells, at);
      if (Atomics.load(cells, at + 1) > now) continue;
      const found = Atomics.compareExchange(cells, at, before, hash);
      if (found === before || found === hash) return at;
    }
    return places[0]!;
  }
}

// FNV-1a twice, from two beginnings: 64 bits.
function hashOf(name: string): bigint {
  let [low, high] = [0x811c9dc5, 0x01000193];
  for (let i = 0; i < name.length; i++) {
    low = Math.imul(low ^ name.charCodeAt(i), 0x01000193);
    high = Math.imul(high ^ name.charCodeAt(i), 0x01000193);
  }
  // Never the zero of a slot that nobody has had.
  return (BigInt(high) << 32n) | BigInt(low >>> 0) | 1n;
}
