// Chance. Balancers, jitter and sampling take a Random, so that a test with a seed always sees the same choices.

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A whole number in [0, n). */
  below(n: number): number;
}

/** Chance that nobody can predict from outside; not for keys. */
export const systemRandom: Random = {
  next: Math.random,
  below: (n) => (Math.random() * n) | 0,
};

/** A reproducible sequence for `seed`: mulberry32, 2³² long. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { next, below: (n) => Math.floor(next() * n) };
}
