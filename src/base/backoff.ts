// Delays between attempts. A Backoff says how they grow; `delays` is one run through them.
// Jitter keeps those who failed together from coming back together.

import type { Random } from "./random.ts";

export type Backoff =
  /** Doubles from min to max; `jitter` (a ratio) of it at most is added by chance. Linkerd 2's. */
  | {
      readonly kind?: "exponential";
      readonly minMs: number;
      readonly maxMs: number;
      readonly jitter: number;
    }
  /** By chance between min and three times the one before, at most max. Linkerd 1's `jittered`. */
  | { readonly kind: "decorrelated"; readonly minMs: number; readonly maxMs: number }
  /** Doubles from min to max; half of it is certain and half is chance. Finagle's `equalJittered`. */
  | { readonly kind: "equal"; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: "constant"; readonly ms: number };

export interface Delays {
  /** The next delay in ms. */
  next(): number;
  /** Starts over, because something worked. */
  reset(): void;
}

/** The backoff between two limits that Linkerd 2 uses everywhere. */
export function exponential(minMs: number, maxMs: number, jitter: number): Backoff {
  return { minMs, maxMs, jitter };
}

/** One run through the delays of `backoff`. */
export function delays(backoff: Backoff, random: Random): Delays {
  let attempt = 0;
  let previous = 0;
  const doubled = (minMs: number, maxMs: number): number => {
    const ms = Math.min(maxMs, minMs * 2 ** attempt);
    // Counting on would overflow after a thousand failures.
    if (ms < maxMs) attempt += 1;
    return ms;
  };
  const next = (): number => {
    switch (backoff.kind) {
      case "constant":
        return backoff.ms;
      case "equal": {
        const half = doubled(backoff.minMs, backoff.maxMs) / 2;
        return half + half * random.next();
      }
      case "decorrelated": {
        const top = Math.max(backoff.minMs, previous * 3);
        previous = backoff.minMs + (top - backoff.minMs) * random.next();
        return (previous = Math.min(backoff.maxMs, previous));
      }
      default: {
        const ms = doubled(backoff.minMs, backoff.maxMs);
        return Math.min(backoff.maxMs, ms + ms * backoff.jitter * random.next());
      }
    }
  };
  return {
    next,
    reset: () => {
      attempt = 0;
      previous = 0;
    },
  };
}
