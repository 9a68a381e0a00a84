// One stream of the control plane as a watch. It opens when somebody looks and closes a while after nobody
// does; it comes back by itself when it breaks, and keeps what it last knew until the new stream has spoken.
// It does not know what the messages mean: a reader made for each stream adds them up, so that the first
// message of a new stream replaces everything that earlier ones said.

import { delays, exponential, type Delays } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Counter } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import { source, Var, Watch, known, type Close, type Observer, type State } from "../base/watch.ts";

/** Opens a stream; `message` is called for each message, then `end` once with the gRPC status that ended it. */
export type OpenStream<M> = (
  message: (message: M) => void,
  end: (status: number, message: string) => void,
) => Close;

/** Opens a stream of values. `heard` gets what reads one; a throw in it rejects that message alone. */
export type Feed<T> = (
  heard: (read: () => T) => void,
  end: (status: number, message: string) => void,
) => Close;

/** The values of a stream of messages; `reader` makes what adds up the messages of one stream. */
export function feed<M, T>(open: OpenStream<M>, reader: () => (message: M) => T): Feed<T> {
  return (heard, end) => {
    const read = reader();
    return open((message) => heard(() => read(message)), end);
  };
}

export type SubscriptionOptions<T> = {
  readonly feed: Feed<T>;
  readonly clock: Clock;
  readonly random: Random;
  /** How long the stream stays open when nobody looks. */
  readonly lingerMs: number;
  /** How long a stream may take to its first message, be silent, and live; undefined: for ever. */
  readonly initialMs: number | undefined;
  readonly idleMs: number | undefined;
  readonly lifetimeMs: number | undefined;
  readonly failures: Counter;
};

/** What is asked for does not exist (any more), says the control plane. */
export type Answer<T> =
  | { readonly exists: true; readonly value: T }
  | { readonly exists: false; readonly why: string };

// gRPC statuses that are answers and not failures: INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNIMPLEMENTED.
const ANSWERS = new Set([3, 5, 9, 12]);

// When the control plane is silent for so long after a look at something known, the old knowledge has to do.
const STALE_AFTER_MS = 1000;

// Linkerd waits for up to ten seconds; by then a rollout may have replaced all that was known.
const MOST_DELAY_MS = 2000;

export class Subscription<T> extends Watch<Answer<T>> {
  readonly #options: SubscriptionOptions<T>;
  readonly #var = new Var<Answer<T>>();
  readonly #delays: Delays;
  #observers = 0;
  #remembered: Answer<T> | undefined;
  /** Closes the stream, or the pause before the next one; undefined when nobody has looked for a while. */
  #stream: Close | undefined;
  #linger: Timer | undefined;
  /** Clock.now() of the last message; undefined before the first. */
  heardAt: number | undefined;
  /** Why there is no stream at the moment. */
  broken: Fault | undefined;

  constructor(options: SubscriptionOptions<T>) {
    super();
    this.#options = options;
    this.#delays = delays(exponential(100, MOST_DELAY_MS, 0.5), options.random);
  }

  get state(): State<Answer<T>> {
    return this.#var.state;
  }

  get observed(): boolean {
    return this.#observers > 0;
  }

  observe(observer: Observer<Answer<T>>): Close {
    this.#observers += 1;
    this.#linger?.cancel();
    this.#linger = undefined;
    if (this.#stream === undefined) this.#open();
    const close = this.#var.observe(observer);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      close();
      this.#observers -= 1;
      if (this.#observers > 0) return;
      this.#linger = this.#options.clock.after(this.#options.lingerMs, () => this.halt());
    };
  }

  /** Closes the stream. What it said is remembered for when the control plane is away, but not shown as current. */
  halt(): void {
    this.#linger?.cancel();
    this.#closeStream();
    this.#var.become({ kind: "pending" });
  }

  #open(): void {
    const { clock, feed, initialMs, lifetimeMs } = this.#options;
    let heard = false;
    let over = false;
    let idle: Timer | undefined;
    const finish = (status: number, why: string): void => {
      if (over) return;
      over = true;
      this.#closeStream();
      this.#ended(status, why, heard);
    };
    const limit = (ms: number | undefined, late: () => void): Timer | undefined =>
      ms === undefined ? undefined : clock.after(ms, late);
    // No failure of the control plane, which may have nothing to say: only the next stream can tell.
    const renew = (): void => {
      this.#closeStream();
      this.#open();
    };
    const initial = limit(initialMs, () => finish(4, "no first message in time"));
    const lifetime = limit(lifetimeMs, renew);
    const stale = this.#remembered && clock.after(STALE_AFTER_MS, () => this.#settleForOld());
    // Set before opening, because a stream may end at once.
    let close: Close = () => {};
    this.#stream = () => {
      over = true;
      for (const timer of [initial, lifetime, stale, idle]) timer?.cancel();
      close();
    };
    close = feed((read) => {
      if (over) return;
      heard = true;
      initial?.cancel();
      idle?.cancel();
      idle = limit(this.#options.idleMs, renew);
      this.#heard(read);
    }, finish);
    if (over) close();
  }

  #heard(read: () => T): void {
    this.heardAt = this.#options.clock.now();
    this.broken = undefined;
    this.#delays.reset();
    try {
      const answer = { exists: true, value: read() } as const;
      this.#remembered = answer;
      this.#var.set(answer);
    } catch (error) {
      this.#options.failures.inc();
      this.#fail(Fault.from(error, "invalid-policy"));
    }
  }

  #ended(status: number, why: string, heard: boolean): void {
    if (ANSWERS.has(status)) {
      const answer = { exists: false, why } as const;
      this.#remembered = answer;
      this.heardAt = this.#options.clock.now();
      this.broken = undefined;
      // It is asked again and again, in case it comes to be; the same answer is no news.
      if (this.#var.value?.exists !== false) this.#var.set(answer);
    } else {
      this.broken = new Fault("unavailable", `the control plane is away: ${why}`);
      this.#options.failures.inc();
      // A stream that had worked comes back at once; only if that fails is it worth a notice.
      if (!heard) this.#fail(this.broken);
    }
    const again = this.#options.clock.after(this.#delays.next(), () => this.#open());
    this.#stream = () => again.cancel();
  }

  #fail(fault: Fault): void {
    const last = known(this.#var.state) ?? this.#remembered;
    this.#var.become(
      last === undefined ? { kind: "failed", fault } : { kind: "failed", fault, last },
    );
  }

  #settleForOld(): void {
    if (this.#var.state.kind !== "pending") return;
    this.#fail(new Fault("unavailable", "the control plane does not answer"));
  }

  #closeStream(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.();
  }
}

/** `watch` without its failures wherever something is known: old knowledge is as good as new to whoever serves. */
export function bestKnown<T>(watch: Watch<T>): Watch<T> {
  return source((set) =>
    watch.observe((state) => {
      const value = known(state);
      set(value === undefined ? state : { kind: "ok", value });
    }),
  );
}
