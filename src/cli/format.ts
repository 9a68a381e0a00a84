// Numbers as people read them in Linkerd's tables: `97.50%`, `2.3rps`, `12ms`, `1.5B/s`, `-` for nothing.

import { Fault } from "../base/fault.ts";
import { parseGoDuration } from "../platform/quantity.ts";

export const NONE = "-";

/** 0.975 → `97.50%`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

export function rps(rate: number): string {
  return `${rate.toFixed(1)}rps`;
}

export function millis(ms: number | bigint): string {
  return `${ms}ms`;
}

export function byteRate(bytesPerSecond: number): string {
  return `${bytesPerSecond.toFixed(1)}B/s`;
}

/** A duration as tap prints it, with the largest unit that leaves no fraction hidden: `300µs`, `2ms`, `1.2s`. */
export function shortDuration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)}µs`;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  return `${+(ms / 1000).toFixed(1)}s`;
}

/** How long ago or ahead, coarsely: `5s`, `3m`, `7h`, `41d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `1m30s`, `500ms`, `0` → milliseconds. */
export function parseDuration(text: string): number {
  const ms = parseGoDuration(text);
  if (ms !== undefined) return ms;
  throw new Fault(
    "bad-input",
    `"${text}" is not a duration: write for example 30s, 1m30s or 500ms`,
  );
}

/** Milliseconds as a duration that `parseDuration` reads back: 90000 → `1m30s`. */
export function printDuration(ms: number): string {
  if (ms === 0) return "0s";
  let rest = Math.round(ms);
  let out = "";
  for (const [unit, size] of Object.entries({ h: 3_600_000, m: 60_000, s: 1000, ms: 1 })) {
    const n = Math.floor(rest / size);
    if (n > 0) out += `${n}${unit}`;
    rest -= n * size;
  }
  return out;
}

/** JSON as Go indents it. */
export function printJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
