// Golden metrics of a row of an answer: what stat, routes and authz print of it.

import type { BasicStats } from "../../proto/gen/viz/viz_pb.js";
import { millis, NONE, parseDuration, percent, rps } from "./format.ts";
import type { Column } from "./table.ts";
import { right } from "./table.ts";

export type Golden = {
  readonly success: number;
  readonly rps: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
};

/** Rates over the window of the row; undefined without requests. */
export function goldenOf(stats: BasicStats | undefined, timeWindow: string): Golden | undefined {
  if (!stats) return undefined;
  const all = Number(stats.successCount) + Number(stats.failureCount);
  if (all === 0) return undefined;
  return {
    ...rates(stats.successCount, stats.failureCount, timeWindow),
    p50: Number(stats.latencyMsP50),
    p95: Number(stats.latencyMsP95),
    p99: Number(stats.latencyMsP99),
  };
}

/** What was sent for it, retries included; undefined without requests. */
export function actualOf(stats: BasicStats | undefined, timeWindow: string) {
  const { actualSuccessCount: good = 0n, actualFailureCount: bad = 0n } = stats ?? {};
  return good + bad === 0n ? undefined : rates(good, bad, timeWindow);
}

function rates(good: bigint, bad: bigint, timeWindow: string): { success: number; rps: number } {
  const all = Number(good) + Number(bad);
  return { success: Number(good) / all, rps: all / (parseDuration(timeWindow) / 1000) };
}

/** `-` for what is not there. */
export function orNone<T>(value: T | undefined, print: (value: T) => string): string {
  return value === undefined ? NONE : print(value);
}

export function latencyColumns<Row>(read: (row: Row) => Golden | undefined): Column<Row>[] {
  return (["p50", "p95", "p99"] as const).map((q) =>
    right(`LATENCY_${q.toUpperCase()}`, (row) => orNone(read(row)?.[q], millis)),
  );
}

export function rateColumns<Row>(
  read: (row: Row) => { success: number; rps: number } | undefined,
  prefix = "",
): Column<Row>[] {
  return [
    right(`${prefix}SUCCESS`, (row) => orNone(read(row)?.success, percent)),
    right(`${prefix}RPS`, (row) => orNone(read(row)?.rps, rps)),
  ];
}

/** The JSON keys that Linkerd gives them; null without requests. */
export function goldenJson(golden: Golden | undefined) {
  return {
    success: golden?.success ?? null,
    rps: golden?.rps ?? null,
    ...latencyJson(golden),
  };
}

export function latencyJson(golden: Golden | undefined) {
  return {
    latency_ms_p50: golden?.p50 ?? null,
    latency_ms_p95: golden?.p95 ?? null,
    latency_ms_p99: golden?.p99 ?? null,
  };
}
