// Deadlines that are all equally far away, such as those of the requests of a route. Whoever came first is due first,
// so they stand in a line and one timer waits for the first: joining and leaving cost a few pointer writes and do
// not even ask for the time.

import type { Clock } from "./clock.ts";

/** A place in the line. */
export interface Deadline {
  cancel(): void;
}

class Place<T> implements Deadline {
  next: Place<T> = this;
  prev: Place<T> = this;
  readonly dueAt: number;
  readonly owner: T;

  constructor(dueAt: number, owner: T) {
    this.dueAt = dueAt;
    this.owner = owner;
  }

  cancel(): void {
    this.prev.next = this.next;
    this.next.prev = this.prev;
    this.next = this.prev = this;
  }
}

export class Deadlines<T> {
  private readonly clock: Clock;
  private readonly ms: number;
  private readonly expire: (owner: T) => void;
  private readonly head: Place<T | undefined>;
  private armed: boolean;

  /** `expire` is called for each owner, `ms` after it joined or a tick of the clock later. */
  constructor(clock: Clock, ms: number, expire: (owner: T) => void) {
    this.clock = clock;
    this.ms = ms;
    this.expire = expire;
    this.head = new Place<T | undefined>(0, undefined);
    this.armed = false;
  }

  /** Joins the line as of `at`, a moment that must not lie long before that of the one who joined last. */
  add(at: number, owner: T): Deadline {
    const place = new Place<T | undefined>(at + this.ms, owner);
    const { head } = this;
    place.prev = head.prev;
    place.next = head;
    head.prev.next = place;
    head.prev = place;
    if (!this.armed) this.arm(place.dueAt - this.clock.now());
    return place;
  }

  // Stays armed when the first one leaves: waking up for nothing once in a while is cheaper than arming each time.
  private arm(ms: number): void {
    this.armed = true;
    this.clock.after(ms, () => this.turn());
  }

  private turn(): void {
    const { head } = this;
    const now = this.clock.now();
    this.armed = false;
    try {
      for (let { next } = head; next !== head && next.dueAt <= now; { next } = head) {
        next.cancel();
        this.expire(next.owner!);
      }
    } finally {
      if (head.next !== head && !this.armed) this.arm(head.next.dueAt - now);
    }
  }
}
