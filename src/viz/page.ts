// What the dashboard's pages ask for, in the shapes of live.ts.

import type { GraphCall, Graph, WorkloadStat } from "./graph.ts";
import type { Call, Golden, History, Live, Workload } from "./live.ts";
import type { Metrics } from "./metrics.ts";
import { bound, quantile } from "./metrics.ts";
import type { Traffic } from "./traffic.ts";
import { matchOf, NO_PROBES } from "./traffic.ts";
import { idOf, type Named } from "./world.ts";

/** The picture for /api/live. */
export function livePage(picture: Graph, version: string, at: number): Live {
  const seconds = picture.windowMs / 1000;
  return {
    at,
    windowMs: picture.windowMs,
    stepMs: picture.stepMs,
    version,
    workloads: picture.workloads.map((row) => workload(row, seconds)),
    calls: picture.calls.map((row) => call(row, seconds)),
  };
}

function workload(row: WorkloadStat, seconds: number): Workload {
  const { thing, tcp } = row;
  return {
    id: idOf(thing),
    ...thing,
    pods: { meshed: row.meshed, total: row.running, failed: row.failed },
    ...figures(row.http, seconds),
    open: tcp?.open ?? null,
    rate: row.rate.map((value) => round(value, 3)),
  };
}

function call({ src, dst, http, open, security }: GraphCall, seconds: number): Call {
  return { src: idOf(src), dst: idOf(dst), ...figures(http, seconds), open, security };
}

/** Success share, rate and latencies; all null without requests. */
export function figures(http: Traffic | undefined, seconds: number): Golden {
  const all = http ? http.success + http.failure : 0;
  const [p50, p95, p99] = http?.latency ?? [null, null, null];
  return {
    success: all > 0 ? http!.success / all : null,
    rps: all > 0 ? round(all / seconds, 3) : null,
    p50,
    p95,
    p99,
  };
}

const HISTORY_STEP_MS = 10_000;
const HISTORY_POINTS = 60;

/** The last ten minutes of one workload, for /api/history. */
export async function historyPage(metrics: Metrics, of: Named, at: number): Promise<History> {
  const match = { direction: "inbound", ...NO_PROBES, ...matchOf(of, "") };
  const [counts, buckets] = await Promise.all([
    metrics.trend("response_total", match, ["classification"], HISTORY_STEP_MS, HISTORY_POINTS),
    metrics.trend("response_latency_ms_bucket", match, ["le"], HISTORY_STEP_MS, HISTORY_POINTS),
  ]);
  const points = Array.from({ length: HISTORY_POINTS }, (_, i) => i);
  const counted = (name: string, i: number): number =>
    counts.find(({ labels }) => labels["classification"] === name)?.values[i] ?? 0;
  const rate = (i: number): number => counted("success", i) + counted("failure", i);
  const latency = (q: number) =>
    points.map((i) => {
      const value = quantile(
        q,
        buckets.map(({ labels, values }) => [bound(labels["le"]!), values[i]!] as const),
      );
      return Number.isNaN(value) ? null : round(value, 2);
    });
  return {
    at: points.map((i) => Math.round((at - (HISTORY_POINTS - 1 - i) * HISTORY_STEP_MS) / 1000)),
    rps: points.map((i) => round(rate(i), 3)),
    success: points.map((i) => (rate(i) > 0 ? round(counted("success", i) / rate(i), 4) : null)),
    p50: latency(0.5),
    p95: latency(0.95),
    p99: latency(0.99),
  };
}

function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
