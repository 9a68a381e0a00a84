// Durations in the words of Linkerd 1's messages (`500.milliseconds`, `1.seconds`).

/** A time of whole milliseconds. */
export function printDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const rest = Math.round(ms % 1000);
  if (seconds === 0) return `${rest}.milliseconds`;
  return rest === 0 ? `${seconds}.seconds` : `${seconds}.seconds+${rest}.milliseconds`;
}
