// A cache of what a router has bound: names, bound names, clients. When it is full, the one that has been idle longest
// makes room; when none is idle, what is asked for is made for one use and thrown away after it (a "oneshot"). What
// nobody uses for a while expires.

import type { Clock, Timer } from "../base/clock.ts";
import type { Counter } from "../base/metrics.ts";
import type { MetricScope } from "./metrictree.ts";

/** What is cached. */
export interface Bindable {
  /** Whether a request is under way through it. */
  readonly busy: boolean;
  close(): void;
}

type Entry<V> = { readonly value: V; usedAt: number };

export type BindCacheOptions = {
  readonly clock: Clock;
  readonly max: number;
  readonly idleMs: number;
  /** `rt/L/bindcache/path` and its like. */
  readonly scope: MetricScope;
};

// Looks for what has expired so often in one idle time.
const LOOKS = 4;

export class BindCache<V extends Bindable> {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #entries = new Map<string, Entry<V>>();
  readonly #misses: Counter;
  readonly #evicts: Counter;
  readonly #expires: Counter;
  readonly #oneshots: Counter;
  readonly #timer: Timer;

  constructor({ clock, max, idleMs, scope }: BindCacheOptions) {
    this.#clock = clock;
    this.#max = max;
    this.#misses = scope.counter("misses");
    this.#evicts = scope.counter("evicts");
    this.#expires = scope.counter("expires");
    this.#oneshots = scope.counter("oneshots");
    this.#timer = clock.every(idleMs / LOOKS, () => this.#sweep(idleMs));
  }

  /** The value for `key`, if there is one; `now` is the time of the request. */
  use(key: string, now: number): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.usedAt = now;
    return entry.value;
  }

  /** Keeps the value that was made for `key`, or lets it be a oneshot. Returns it. */
  add(key: string, now: number, value: V): V {
    this.#misses.inc();
    if (this.#entries.size >= this.#max && !this.#makeRoom()) {
      this.#oneshots.inc();
      this.#closeWhenIdle(value);
    } else {
      this.#entries.set(key, { value, usedAt: now });
    }
    return value;
  }

  values(): V[] {
    return [...this.#entries.values()].map(({ value }) => value);
  }

  /** Closes everything and stops looking. */
  close(): void {
    this.#timer.cancel();
    for (const { value } of this.#entries.values()) value.close();
    this.#entries.clear();
  }

  // The last one stays, so that a service with little traffic keeps its connections.
  #sweep(idleMs: number): void {
    const now = this.#clock.now();
    for (const [key, entry] of this.#entries) {
      if (entry.value.busy) entry.usedAt = now;
      else if (now - entry.usedAt > idleMs && this.#entries.size > 1) {
        this.#drop(key, entry);
        this.#expires.inc();
      }
    }
  }

  #makeRoom(): boolean {
    let oldest: readonly [string, Entry<V>] | undefined;
    for (const pair of this.#entries) {
      if (!pair[1].value.busy && (oldest === undefined || pair[1].usedAt < oldest[1].usedAt)) {
        oldest = pair;
      }
    }
    if (oldest === undefined) return false;
    this.#drop(...oldest);
    this.#evicts.inc();
    return true;
  }

  #drop(key: string, { value }: Entry<V>): void {
    this.#entries.delete(key);
    value.close();
  }

  #closeWhenIdle(value: V): void {
    const look = this.#clock.every(1000, () => {
      if (value.busy) return;
      look.cancel();
      value.close();
    });
  }
}
