// Numbers as the Prometheus text format (version 0.0.4) has them.

/** A number as the format wants it. */
export function printNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** The number that a word says; NaN for what is none. */
export function parseNumber(word: string): number {
  if (word === "+Inf") return Infinity;
  return word === "-Inf" ? -Infinity : word === "" ? NaN : Number(word);
}
