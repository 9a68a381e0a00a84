// A cache of what was bound: one value for each key, made when first asked for and closed when nobody has
// asked for a while. Looking up costs one Map access and one field write; time is only read by its sweep.

import type { Clock } from "./clock.ts";
import type { Scope } from "./scope.ts";

/** Something that holds resources until it is closed. */
export interface Closable {
  close(): void;
  /** Whether it is in use although nobody asks for it; it is then kept. */
  readonly busy?: boolean;
}

export type CacheOptions = {
  readonly clock: Clock;
  /** Closes what nobody asked for in this time (up to a quarter longer). */
  readonly idleMs: number;
  /** At most so many values; to make room the most idle one that is not busy goes. Default: no limit. */
  readonly max?: number;
  /** The cache closes with it. */
  readonly scope?: Scope;
};

type Entry<V> = { readonly value: V; usedAt: number };

// Sweeps in one idle time.
const PARTS = 4;

export class Cache<K, V extends Closable> {
  readonly #make: (key: K) => V;
  readonly #max: number;
  readonly #entries = new Map<K, Entry<V>>();
  #turn = 0;

  constructor(make: (key: K) => V, options: CacheOptions) {
    this.#make = make;
    this.#max = options.max ?? Infinity;
    const sweep = options.clock.every(options.idleMs / PARTS, () => this.#sweep());
    options.scope?.defer(() => {
      sweep.cancel();
      this.clear();
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value for `key`, made now if need be. */
  at(key: K): V {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      entry.usedAt = this.#turn;
      return entry.value;
    }
    // Made first: a throw in `make` must not cost another its place.
    const value = this.#make(key);
    if (this.#entries.size >= this.#max) this.#makeRoom();
    this.#entries.set(key, { value, usedAt: this.#turn });
    return value;
  }

  values(): V[] {
    return [...this.#entries.values()].map((entry) => entry.value);
  }

  /** Closes the value for `key` now. */
  drop(key: K): void {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    entry?.value.close();
  }

  /** Closes everything. */
  clear(): void {
    for (const key of this.#entries.keys()) this.drop(key);
  }

  #sweep(): void {
    this.#turn += 1;
    for (const [key, entry] of this.#entries) {
      if (entry.value.busy) entry.usedAt = this.#turn;
      else if (this.#turn - entry.usedAt > PARTS) this.drop(key);
    }
  }

  #makeRoom(): void {
    let oldest: K | undefined;
    let usedAt = Infinity;
    for (const [key, entry] of this.#entries) {
      if (entry.usedAt < usedAt && !entry.value.busy) {
        oldest = key;
        usedAt = entry.usedAt;
      }
    }
    if (oldest !== undefined) this.drop(oldest);
  }
}
