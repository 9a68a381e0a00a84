// Choosers: how a balancer picks one of the endpoints that it may use. Each is one rule behind one interface, so
// that Linkerd 1's kinds and Linkerd 2's balancer are the same machine. Weights are honoured by all.

import { Ewma } from "../base/ewma.ts";
import type { Random } from "../base/random.ts";

/** What a chooser knows of an endpoint. */
export interface Candidate {
  /** Its weight divided by the mean of all weights. */
  readonly share: number;
  /** Requests under way. */
  readonly pending: number;
  /** What one more request would meet there. */
  load(now: number): number;
}

export interface Chooser<E extends Candidate = Candidate> {
  /** The endpoints to choose from, from now on. The array is not changed by anybody afterwards. */
  use(endpoints: readonly E[]): void;
  /** One of them; undefined when there are none. */
  pick(now: number): E | undefined;
}

// What draws endpoints by chance, and by weight where there are weights.
abstract class Drawn<E extends Candidate> {
  protected readonly random: Random;
  protected endpoints: readonly E[];
  protected draw: Draw | undefined;

  constructor(random: Random) {
    this.random = random;
    this.endpoints = [];
    this.draw = undefined;
  }

  use(endpoints: readonly E[]): void {
    this.endpoints = endpoints;
    this.draw = weighted(endpoints) ? new Draw(endpoints) : undefined;
  }
}

/** Power of two choices: of two endpoints taken by chance, the one with less load. O(1), or O(log n) with weights. */
export class P2c<E extends Candidate> extends Drawn<E> implements Chooser<E> {
  pick(now: number): E | undefined {
    const { endpoints, random, draw } = this;
    const n = endpoints.length;
    if (n < 2) return endpoints[0];
    let i: number;
    let j: number;
    if (draw === undefined) {
      i = random.below(n);
      j = random.below(n - 1);
      if (j >= i) j += 1;
    } else {
      // Drawn with replacement: two different ones would give a light endpoint a share that it must not have.
      i = draw.next(random);
      j = draw.next(random);
    }
    const a = endpoints[i]!;
    const b = endpoints[j]!;
    return a.load(now) <= b.load(now) ? a : b;
  }
}

/** The endpoint with the least load of all; ties go by chance. O(n). Linkerd 1's `heap`. */
export class LeastLoaded<E extends Candidate> extends Drawn<E> implements Chooser<E> {
  pick(now: number): E | undefined {
    const { endpoints, random, draw } = this;
    // The first of equals wins, so chance, by weight, says who comes first.
    const start = draw === undefined ? random.below(endpoints.length) : draw.next(random);
    let best: E | undefined;
    let least = Infinity;
    for (let k = 0; k < endpoints.length; k++) {
      const endpoint = endpoints[(start + k) % endpoints.length]!;
      const load = endpoint.load(now);
      if (load < least) {
        best = endpoint;
        least = load;
      }
    }
    return best;
  }
}

/** One after the other, in proportion to their weights and evenly mixed. O(1), or O(n) with weights. */
export class RoundRobin<E extends Candidate> implements Chooser<E> {
  private endpoints: readonly E[];
  private credits: number[] | undefined;
  private next: number;

  constructor() {
    this.endpoints = [];
    this.credits = undefined;
    this.next = 0;
  }

  use(endpoints: readonly E[]): void {
    this.endpoints = endpoints;
    this.credits = weighted(endpoints) ? endpoints.map(() => 0) : undefined;
    if (this.next >= endpoints.length) this.next = 0;
  }

  pick(): E | undefined {
    const { endpoints, credits } = this;
    if (credits === undefined) {
      const endpoint = endpoints[this.next];
      this.next = this.next + 1 < endpoints.length ? this.next + 1 : 0;
      return endpoint;
    }
    // Everybody earns its share, the richest is picked and pays for all.
    let best = 0;
    for (let i = 0; i < endpoints.length; i++) {
      credits[i]! += endpoints[i]!.share;
      if (credits[i]! > credits[best]!) best = i;
    }
    credits[best]! -= endpoints.length;
    return endpoints[best];
  }
}

export type ApertureOptions = {
  readonly smoothWindowMs: number;
  readonly lowLoad: number;
  readonly highLoad: number;
  readonly minAperture: number;
};

/** P2C over a few endpoints only: one more when they have much under way, one fewer when little. (Finagle's aperture.) */
export class Aperture<E extends Candidate> implements Chooser<E> {
  private readonly options: ApertureOptions;
  private readonly random: Random;
  private readonly inner: P2c<E>;
  private readonly outstanding: Ewma;
  private endpoints: readonly E[];
  private aperture: number;

  constructor(options: ApertureOptions, random: Random) {
    this.options = options;
    this.random = random;
    this.inner = new P2c(random);
    this.outstanding = new Ewma(options.smoothWindowMs);
    this.endpoints = [];
    this.aperture = options.minAperture;
  }

  use(endpoints: readonly E[]): void {
    // Endpoints that stay keep their order, and so their place in or outside of the aperture.
    const known = new Set(this.endpoints);
    const present = new Set(endpoints);
    const fresh = endpoints.filter((endpoint) => !known.has(endpoint));
    const kept = this.endpoints.filter((endpoint) => present.has(endpoint));
    for (let i = fresh.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [fresh[i], fresh[j]] = [fresh[j]!, fresh[i]!];
    }
    this.endpoints = [...kept, ...fresh];
    this.open(this.fitting(this.aperture));
  }

  pick(now: number): E | undefined {
    let pending = 0;
    for (let i = 0; i < this.aperture && i < this.endpoints.length; i++) {
      pending += this.endpoints[i]!.pending;
    }
    this.outstanding.add(pending, now);
    const load = this.outstanding.value / this.aperture;
    const { highLoad, lowLoad } = this.options;
    const size = this.fitting(this.aperture + (load >= highLoad ? 1 : load <= lowLoad ? -1 : 0));
    if (size !== this.aperture) this.open(size);
    return this.inner.pick(now);
  }

  private fitting(aperture: number): number {
    return Math.max(this.options.minAperture, Math.min(aperture, this.endpoints.length), 1);
  }

  private open(size: number): void {
    this.aperture = size;
    this.inner.use(this.endpoints.slice(0, size));
  }
}

function weighted(endpoints: readonly Candidate[]): boolean {
  return endpoints.some(({ share }) => share !== endpoints[0]!.share);
}

// Draws indices in proportion to the shares of candidates.
class Draw {
  private readonly ends: Float64Array;

  constructor(candidates: readonly Candidate[]) {
    let sum = 0;
    this.ends = Float64Array.from(candidates, ({ share }) => (sum += share));
  }

  next(random: Random): number {
    const { ends } = this;
    const at = random.next() * ends[ends.length - 1]!;
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at < ends[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
