// Time. Everything that waits or measures takes a Clock, so that tests turn time by hand.
// The system clock keeps all timers in one wheel behind one Node timer: starting and cancelling one costs
// a few pointer writes, against 1 µs for setTimeout, and requests do it all the time.

/** A timer that can still be stopped. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since an arbitrary moment; never goes back; fractions count. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Calls `fn` once, `ms` from now or up to one tick (10 ms) later. It does not keep the process alive. */
  after(ms: number, fn: () => void): Timer;
  /** Calls `fn` every `ms` until cancelled. */
  every(ms: number, fn: () => void): Timer;
}

/** Resolves after so many milliseconds. */
export const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => void clock.after(ms, resolve));

const TICK_MS = 10;
const SLOTS = 512;

// An entry in a slot's ring; the slot itself is the ring's head.
class Entry implements Timer {
  next: Entry = this;
  prev: Entry = this;
  readonly dueTick: number;
  readonly fn: (() => void) | undefined;

  constructor(dueTick: number, fn: (() => void) | undefined) {
    this.dueTick = dueTick;
    this.fn = fn;
  }

  cancel(): void {
    this.prev.next = this.next;
    this.next.prev = this.prev;
    this.next = this.prev = this;
  }
}

/** The wheel of Varghese and Lauck (1987), scheme 6: 512 slots of 10 ms; longer timers go round. */
class SystemClock implements Clock {
  readonly #slots = Array.from({ length: SLOTS }, () => new Entry(0, undefined));
  #tick = 0;
  #armedTick = Infinity;
  #node: NodeJS.Timeout | undefined;

  now(): number {
    return performance.now();
  }

  wall(): number {
    return Date.now();
  }

  after(ms: number, fn: () => void): Timer {
    const due = Math.max(this.#tick + 1, Math.ceil((performance.now() + ms) / TICK_MS));
    const entry = new Entry(due, fn);
    const head = this.#slots[due % SLOTS]!;
    entry.prev = head.prev;
    entry.next = head;
    head.prev.next = entry;
    head.prev = entry;
    if (due < this.#armedTick) this.#arm(due);
    return entry;
  }

  every(ms: number, fn: () => void): Timer {
    return repeat(this, ms, fn);
  }

  #arm(tick: number): void {
    clearTimeout(this.#node);
    this.#armedTick = tick;
    // In whole milliseconds, which Node rounds down to: too early is twice.
    const wait = Math.ceil(Math.max(0, tick * TICK_MS - performance.now()));
    // Whatever held this process up, what has arrived by then is read before anything counts as late.
    this.#node = setTimeout(() => setImmediate(this.#turn, tickOf(performance.now())), wait);
    this.#node.unref();
  }

  // Runs what was due by a tick.
  readonly #turn = (until: number): void => {
    const from = Math.max(this.#tick + 1, until - SLOTS + 1);
    this.#armedTick = Infinity;
    this.#tick = until;
    for (let tick = from; tick <= until; tick++) this.#run(this.#slots[tick % SLOTS]!, until);
    const next = this.#nextTick();
    if (next < this.#armedTick) this.#arm(next);
  };

  #run(head: Entry, until: number): void {
    for (let entry = head.next; entry !== head;) {
      const next = entry.next;
      if (entry.dueTick <= until) {
        entry.cancel();
        call(entry.fn!);
        // The call may have cancelled `next`, which then points at itself; start over from the head.
        entry = next.next === next ? head.next : next;
      } else {
        entry = next;
      }
    }
  }

  // The first tick whose slot holds anything; a long timer wakes the wheel once a round (5 s), no more.
  #nextTick(): number {
    for (let tick = this.#tick + 1; tick <= this.#tick + SLOTS; tick++) {
      const head = this.#slots[tick % SLOTS]!;
      if (head.next !== head) return tick;
    }
    return Infinity;
  }
}

// One that throws is uncaught like any other, and does not cost the others their time.
function call(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

const tickOf = (ms: number): number => Math.floor(ms / TICK_MS);

/** The clock of the machine. */
export const systemClock: Clock = new SystemClock();

/** A clock that stands still until `advance` is called; timers run inside `advance`, in order of time. */
export class VirtualClock implements Clock {
  #now = 0;
  #timers: { at: number; fn: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now;
  }

  after(ms: number, fn: () => void): Timer {
    const timer = { at: this.#now + ms, fn };
    this.#timers.push(timer);
    return { cancel: () => (this.#timers = this.#timers.filter((t) => t !== timer)) };
  }

  every(ms: number, fn: () => void): Timer {
    return repeat(this, ms, fn);
  }

  /** Moves time forward by `ms`, running what falls due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((t) => t !== due);
      this.#now = Math.max(this.#now, due.at);
      due.fn();
    }
    this.#now = end;
  }
}

function repeat(clock: Clock, ms: number, fn: () => void): Timer {
  let timer = clock.after(ms, turn);
  let stopped = false;
  function turn(): void {
    try {
      fn();
    } finally {
      if (!stopped) timer = clock.after(ms, turn);
    }
  }
  return {
    cancel: () => {
      stopped = true;
      timer.cancel();
    },
  };
}
