// A Watch is a value that changes. Endpoints, policies, dtabs, certificates, files and Kubernetes resources
// are all watches; whoever wants one observes it and is told of every change until it stops looking.
//
//   pending ──▶ ok(value) ◀──▶ failed(fault, last good value)
//
// A derived watch (map, flatMap, combine) and a source feed themselves only while somebody observes them,
// and nothing forgets what it knew when its source fails.

import { Fault } from "./fault.ts";

export type State<T> =
  | { readonly kind: "pending" }
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "failed"; readonly fault: Fault; readonly last?: T };

/** Stops an observation, a source, a listener. May be called more than once. */
export type Close = () => void;

export type Observer<T> = (state: State<T>) => void;

const PENDING: State<never> = { kind: "pending" };

/** The value that a state still vouches for: the current one, or the last good one of a failed watch. */
export function known<T>(state: State<T>): T | undefined {
  return state.kind === "ok" ? state.value : state.kind === "failed" ? state.last : undefined;
}

export abstract class Watch<T> {
  /** The current state; `pending` for a derived watch that nobody observes. */
  abstract get state(): State<T>;

  /** Calls `observer` with the current state unless it is pending, then on each change, until closed. */
  abstract observe(observer: Observer<T>): Close;

  /** The current value, or the last good one. */
  get value(): T | undefined {
    return known(this.state);
  }

  /** Calls `fn` with each good value. */
  each(fn: (value: T) => void): Close {
    return this.observe((state) => {
      if (state.kind === "ok") fn(state.value);
    });
  }

  /** The watch of `fn(value)`. A throw in `fn` is a failed state. */
  map<U>(fn: (value: T) => U): Watch<U> {
    return source<U>((set) =>
      this.observe((state) => {
        set(mapState(state, fn));
      }),
    );
  }

  /** The watch of the watch that `fn` picks for the current value; the previous one is closed. A throw in `fn` is a
   * failed state. */
  flatMap<U>(fn: (value: T) => Watch<U>): Watch<U> {
    return source<U>((set) => {
      let inner: Close = () => {};
      let open = true;
      let answered = false;
      const answer = (state: State<U>): void => {
        answered = true;
        set(state);
      };
      const outer = this.observe((state) => {
        if (state.kind === "ok") {
          const previous = inner;
          answered = false;
          inner = picked(fn, state.value).observe(answer);
          previous();
          // Whoever was answered may have closed this one.
          if (!open) inner();
        } else if (state.kind === "failed" && (answered || known(state) === undefined)) {
          // Without a last value this is all there is to say; with one, the inner watch's goes on to count, and an
          // inner one that has not answered yet is waited for.
          set({ kind: "failed", fault: state.fault });
        }
      });
      return () => {
        open = false;
        outer();
        inner();
      };
    });
  }

  /** The same watch without changes that `equal` calls none. */
  distinct(equal: (a: T, b: T) => boolean = Object.is): Watch<T> {
    return source<T>((set) => {
      let last: State<T> = PENDING;
      return this.observe((state) => {
        const same = last.kind === "ok" && state.kind === "ok" && equal(last.value, state.value);
        last = state;
        if (!same) set(state);
      });
    });
  }

  /** The first good value that `accept` likes, the last one of a failed watch too; rejects when it fails without one. */
  next(accept: (value: T) => boolean = () => true): Promise<T> {
    return new Promise((resolve, reject) => {
      let close: Close | undefined;
      let done = false;
      const finish = (): void => {
        done = true;
        close?.();
      };
      close = this.observe((state) => {
        if (done || state.kind === "pending") return;
        const value = known(state);
        if (state.kind === "failed" && value === undefined) {
          finish();
          reject(state.fault);
        } else if (accept(value as T)) {
          finish();
          resolve(value as T);
        }
      });
      if (done) close();
    });
  }
}

function picked<T, U>(fn: (value: T) => Watch<U>, value: T): Watch<U> {
  try {
    return fn(value);
  } catch (error) {
    return failed(Fault.from(error));
  }
}

function mapState<T, U>(state: State<T>, fn: (value: T) => U): State<U> {
  if (state.kind === "pending") return PENDING;
  try {
    if (state.kind === "ok") return { kind: "ok", value: fn(state.value) };
    if (state.last === undefined) return { kind: "failed", fault: state.fault };
    return { kind: "failed", fault: state.fault, last: fn(state.last) };
  } catch (error) {
    return { kind: "failed", fault: Fault.from(error) };
  }
}

/** A watch that is set by hand. */
export class Var<T> extends Watch<T> {
  #state: State<T>;
  #observers: Observer<T>[] = [];

  constructor(...initial: [] | [T]) {
    super();
    this.#state = initial.length ? { kind: "ok", value: initial[0]! } : PENDING;
  }

  get state(): State<T> {
    return this.#state;
  }

  get observed(): boolean {
    return this.#observers.length > 0;
  }

  set(value: T): void {
    this.become({ kind: "ok", value });
  }

  /** Fails the watch, which keeps its last good value. */
  fail(fault: Fault): void {
    const last = known(this.#state);
    this.become(last === undefined ? { kind: "failed", fault } : { kind: "failed", fault, last });
  }

  become(state: State<T>): void {
    this.#state = state;
    // Copied, because an observer may close itself or others while it is told.
    for (const observer of this.#observers.slice()) {
      // Or it set another one, of which everybody has been told by now.
      if (this.#state !== state) return;
      if (this.#observers.includes(observer)) observer(state);
    }
  }

  observe(observer: Observer<T>): Close {
    // Wrapped, so that the same function may observe twice.
    const mine: Observer<T> = (state) => observer(state);
    this.#observers.push(mine);
    if (this.#state.kind !== "pending") mine(this.#state);
    return () => {
      const at = this.#observers.indexOf(mine);
      if (at >= 0) this.#observers.splice(at, 1);
    };
  }
}

class Source<T> extends Watch<T> {
  readonly #start: (set: Observer<T>) => Close;
  readonly #var = new Var<T>();
  #stop: Close | undefined;

  constructor(start: (set: Observer<T>) => Close) {
    super();
    this.#start = start;
  }

  get state(): State<T> {
    return this.#var.state;
  }

  observe(observer: Observer<T>): Close {
    const first = !this.#var.observed;
    const close = this.#var.observe(observer);
    if (first) this.#run();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      close();
      if (!this.#var.observed) this.#halt();
    };
  }

  #run(): void {
    let running = true;
    let stop: Close | undefined;
    this.#stop = () => {
      running = false;
      stop?.();
    };
    stop = this.#start((state) => {
      // A source that fails keeps what it last knew, even if whoever feeds it does not.
      if (!running) return;
      if (state.kind === "failed" && !("last" in state)) this.#var.fail(state.fault);
      else this.#var.become(state);
    });
    // An observer may have closed the watch while it started.
    if (!running) stop();
  }

  #halt(): void {
    const stop = this.#stop;
    this.#stop = undefined;
    stop?.();
    this.#var.become(PENDING);
  }
}

/** A watch fed by `start`, which runs while somebody observes it and is closed when nobody does. */
export function source<T>(start: (set: Observer<T>) => Close): Watch<T> {
  return new Source(start);
}

/** A watch that never changes. */
export function constant<T>(value: T): Watch<T> {
  return new Var(value);
}

/** A watch that has failed and will say nothing else. */
export function failed<T>(fault: Fault): Watch<T> {
  const watch = new Var<T>();
  watch.fail(fault);
  return watch;
}

/** The watch of all values at once, known as soon as each of them is; it fails when any of them does. */
export function combine<T extends readonly unknown[]>(
  watches: readonly [...{ [K in keyof T]: Watch<T[K]> }],
): Watch<T> {
  return source<T>((set) => {
    const states: State<unknown>[] = watches.map(() => PENDING);
    let ready = false;
    const publish = (): void => {
      if (!ready || states.some((s) => s.kind !== "ok" && known(s) === undefined)) {
        const failed = ready && states.find((s) => s.kind === "failed");
        if (failed && failed.kind === "failed") set({ kind: "failed", fault: failed.fault });
        return;
      }
      const value = states.map((s) => known(s)) as unknown as T;
      const failed = states.find((s) => s.kind === "failed");
      if (failed && failed.kind === "failed") {
        set({ kind: "failed", fault: failed.fault, last: value });
      } else {
        set({ kind: "ok", value });
      }
    };
    const closes = watches.map((watch, i) =>
      watch.observe((state) => {
        states[i] = state;
        publish();
      }),
    );
    ready = true;
    publish();
    return () => {
      for (const close of closes) close();
    };
  });
}
