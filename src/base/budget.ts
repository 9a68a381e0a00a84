// A retry budget: retries may add so much to the load and no more. Each request deposits, each retry
// withdraws; deposits expire, so that a quiet hour does not pay for a storm. One budget serves all the retries
// of a backend. (Finagle's RetryBudget; the arithmetic is that of Linkerd's service profiles.)

import type { Clock } from "./clock.ts";

export type BudgetOptions = {
  /** Retries for each request: 0.2 lets a fifth of the requests be retried. */
  readonly ratio: number;
  /** Retries a second that are always allowed. */
  readonly minPerSecond: number;
  /** How long a deposit counts, 1 to 60 s. */
  readonly ttlMs: number;
};

/** What Linkerd uses where a service says nothing. */
export const DEFAULT_BUDGET: BudgetOptions = { ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 };

const SLOTS = 10;

export class Budget {
  private readonly clock: Clock;
  private readonly slotMs: number;
  private readonly cost: number;
  private readonly reserve: number;
  // Deposits less withdrawals in each tenth of the last ttl; may be negative.
  private readonly slots: Float64Array;
  private slot: number;

  constructor(clock: Clock, options: BudgetOptions = DEFAULT_BUDGET) {
    this.clock = clock;
    this.slotMs = options.ttlMs / SLOTS;
    // A deposit is 1; without a ratio only the reserve pays, at a price of 1.
    this.cost = options.ratio > 0 ? 1 / options.ratio : 1;
    this.reserve = options.minPerSecond * (options.ttlMs / 1000) * this.cost;
    if (options.ratio <= 0) this.deposit = () => {};
    this.slots = new Float64Array(SLOTS);
    this.slot = Math.floor(clock.now() / this.slotMs);
  }

  /** Counts a request. `now` as of the clock, when the caller has it. */
  deposit(now: number = this.clock.now()): void {
    this.advance(now);
    this.slots[this.slot % SLOTS]! += 1;
  }

  /** Takes the price of one retry; false when the budget is spent. */
  withdraw(): boolean {
    if (this.balance < 1) return false;
    this.slots[this.slot % SLOTS]! -= this.cost;
    return true;
  }

  /** How many retries it would pay for now. */
  get balance(): number {
    this.advance(this.clock.now());
    let sum = this.reserve;
    for (const n of this.slots) sum += n;
    return Math.max(0, Math.floor(sum / this.cost + 1e-9));
  }

  private advance(now: number): void {
    const slot = Math.floor(now / this.slotMs);
    if (slot === this.slot) return;
    const from = Math.max(this.slot + 1, slot - SLOTS + 1);
    for (let i = from; i <= slot; i++) this.slots[i % SLOTS] = 0;
    this.slot = slot;
  }
}
