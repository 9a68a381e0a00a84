// Golden metrics of a group of series: successes, failures, latencies, connections and bytes in a window.
// It turns "whose traffic, seen from which side" into label matches; everything in viz counts through here.

import { type Group, type Match, type Metrics, PRESENT, sliceKey } from "./metrics.ts";
import type { Labels } from "./text.ts";
import type { Named } from "./world.ts";
import { kindOf } from "./kinds.ts";

/** Series that match, one count for each combination of the labels `by`. */
export type Slice = { readonly match: Match; readonly by: readonly string[] };

export type Traffic = {
  readonly labels: Labels;
  success: number;
  failure: number;
  /** Milliseconds; undefined without a sample. */
  latency: readonly [p50: number, p95: number, p99: number] | undefined;
};

export type TcpTraffic = {
  readonly labels: Labels;
  open: number;
  readBytes: number;
  writeBytes: number;
};

/** The quantiles that people look at. */
export const QUANTILES = [0.5, 0.95, 0.99];

/** Requests of a slice by key. `families` differ for routes of profiles. */
export async function httpTraffic(
  metrics: Metrics,
  { match, by }: Slice,
  windowMs: number,
  families = { responses: "response_total", latency: "response_latency_ms" },
): Promise<Map<string, Traffic>> {
  const [counts, quantiles] = await Promise.all([
    metrics.increase(families.responses, match, [...by, "classification"], windowMs),
    metrics.quantiles(families.latency, match, by, windowMs, QUANTILES),
  ]);
  const found = new Map<string, Traffic>();
  for (const { labels, value } of counts) {
    const traffic = entry(found, labels, by, () => ({
      labels,
      success: 0,
      failure: 0,
      latency: undefined,
    }));
    if (labels["classification"] === "success") traffic.success += value;
    else traffic.failure += value;
  }
  for (const { labels, values } of quantiles) {
    const traffic = found.get(sliceKey(labels, by));
    const [p50, p95, p99] = values as [number, number, number];
    if (traffic && !Number.isNaN(p50)) traffic.latency = [p50, p95, p99];
  }
  // A series that has not grown in the window is no traffic.
  for (const [key, traffic] of found) {
    if (traffic.success + traffic.failure === 0) found.delete(key);
  }
  return found;
}

/** Both together; the latency is that of the busier. */
export function addTraffic(a: Traffic, b: Traffic): Traffic {
  const busier = a.success + a.failure >= b.success + b.failure ? a : b;
  return { ...busier, success: a.success + b.success, failure: a.failure + b.failure };
}

/** Inbound series of probes, and of everything else. */
const PROBES: Match = { route_name: "probe" };
export const NO_PROBES: Match = { route_name: { not: "probe" } };

/** Requests of a slice without probes; what has had nothing but probes is known by those. */
export async function servedTraffic(
  metrics: Metrics,
  { match, by }: Slice,
  windowMs: number,
): Promise<Map<string, Traffic>> {
  const [served, probed] = await Promise.all([
    httpTraffic(metrics, { match: { ...match, ...NO_PROBES }, by }, windowMs),
    httpTraffic(metrics, { match: { ...match, ...PROBES }, by }, windowMs),
  ]);
  return new Map([...probed, ...served]);
}

/** Connections of a slice by key: open ones now, bytes in the window. */
export async function tcpTraffic(
  metrics: Metrics,
  { match, by }: Slice,
  windowMs: number,
): Promise<Map<string, TcpTraffic>> {
  const [open, read, write] = await Promise.all([
    metrics.latest("tcp_open_connections", match, by),
    metrics.increase("tcp_read_bytes_total", match, by, windowMs),
    metrics.increase("tcp_write_bytes_total", match, by, windowMs),
  ]);
  const found = new Map<string, TcpTraffic>();
  const add = (groups: readonly Group[], key: "open" | "readBytes" | "writeBytes"): void => {
    for (const { labels, value } of groups) {
      const tcp = entry(found, labels, by, () => ({
        labels,
        open: 0,
        readBytes: 0,
        writeBytes: 0,
      }));
      tcp[key] += value;
    }
  };
  add(open, "open");
  add(read, "readBytes");
  add(write, "writeBytes");
  return found;
}

/** What `map` has for a slice, or `make` makes for it. */
export function entry<T>(
  map: Map<string, T>,
  labels: Labels,
  by: readonly string[],
  make: () => T,
): T {
  const key = sliceKey(labels, by);
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** The labels that name a kind in metrics, seen by itself ("") or by those that call it ("dst_"). */
export function groupLabels(kind: string, side: "" | "dst_"): readonly string[] {
  const label = kindOf(kind)?.label ?? kind;
  if (kind === "namespace") return [`${side}namespace`];
  // An authority is what a client typed: it has no namespace but the one of the proxy that saw it.
  if (kind === "authority") return [side === "" ? "namespace" : "dst_namespace", "authority"];
  return [`${side}namespace`, side + label];
}

/** What the labels of `groupLabels` must be for one thing, or for all of a namespace when its name is "". */
export function matchOf({ kind, namespace, name }: Named, side: "" | "dst_"): Match {
  const labels = groupLabels(kind, side);
  if (kind === "namespace") return { [labels[0]!]: name || undefined };
  // Most series name no authority: clients choose those, and there may be many.
  const any = kind === "authority" ? PRESENT : undefined;
  return { [labels[0]!]: namespace || undefined, [labels[1]!]: name || any };
}
