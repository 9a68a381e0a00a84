// The answers of `viz stat-inbound` and `viz stat-outbound`: golden metrics by Server and route of what a workload takes,
// and by service, route and backend of what it sends. Rows are those that `-o json` prints.

import { type Match, type Metrics, PRESENT, sliceKey } from "./metrics.ts";
import { order } from "./stat.ts";
import type { Labels } from "./text.ts";
import { entry, groupLabels, httpTraffic, matchOf, QUANTILES } from "./traffic.ts";
import type { Named } from "./world.ts";

/** Milliseconds; null without a sample. */
type Latencies = Record<`latencyMs${"P50" | "P95" | "P99"}`, number | null>;

type Route = Latencies & {
  readonly name: string;
  readonly port: string;
  readonly route: string;
  readonly routeType: string;
  readonly rps: number;
};

/** The odd name of the share is Linkerd's. */
export type InboundRow = Route & { readonly server: string; readonly successesRate: number };

/** A route of a service, or after it one of its backends; rates of timeouts and retries are shares. */
export type OutboundRow = Route & {
  readonly service: string;
  readonly backend?: string;
  readonly backendPort?: string;
  readonly successRate: number;
  readonly timeoutRate: number;
  readonly retryRate?: number;
};

const INBOUND = ["srv_name", "srv_kind", "target_port", "route_name", "route_kind"];
const OUTBOUND = ["parent_name", "parent_port", "route_name", "route_kind"];
const BACKEND = ["backend_name", "backend_port"];

/** What `of` takes, in order of name, server and route. */
export async function inboundRows(
  metrics: Metrics,
  of: Named,
  windowMs: number,
): Promise<InboundRow[]> {
  const { own, match } = seriesOf(of);
  const by = [...own, ...INBOUND];
  const slice = { match: { direction: "inbound", ...match }, by };
  const found = [...(await httpTraffic(metrics, slice, windowMs)).values()];
  const seconds = metrics.covered(windowMs) / 1000;
  return inOrder(found, by).map(({ labels, success, failure, latency }) => ({
    name: labels[own.at(-1)!]!,
    server: labels["srv_kind"] === "default" ? "[default]" : labels["srv_name"]!,
    port: labels["target_port"]!,
    ...routeIn(labels),
    successesRate: success / (success + failure),
    rps: (success + failure) / seconds,
    ...latenciesOf(latency),
  }));
}

/** What `of` sends, in order of name, service and route. */
export async function outboundRows(
  metrics: Metrics,
  of: Named,
  windowMs: number,
): Promise<OutboundRow[]> {
  const { own, match } = seriesOf(of);
  const by = [...own, ...OUTBOUND];
  const [routes, backends, retries] = await Promise.all([
    ended(metrics, "request", { match, by }, windowMs),
    ended(metrics, "backend_response", { match, by: [...by, ...BACKEND] }, windowMs),
    retried(metrics, match, by, windowMs),
  ]);
  const seconds = metrics.covered(windowMs) / 1000;
  const row = ({ labels, success, failure, timeouts, latency }: Ended) => ({
    name: labels[own.at(-1)!]!,
    service: labels["parent_name"]!,
    port: labels["parent_port"]!,
    ...routeIn(labels),
    successRate: success / (success + failure),
    rps: (success + failure) / seconds,
    ...latenciesOf(latency),
    timeoutRate: timeouts / (success + failure),
  });
  return inOrder(routes, by).flatMap((route) => {
    const key = sliceKey(route.labels, by);
    const again = retries.get(key) ?? 0;
    const all = route.success + route.failure + again;
    const behind = backends.filter(({ labels }) => sliceKey(labels, by) === key);
    return [
      { ...row(route), retryRate: again / all },
      ...inOrder(behind, BACKEND).map((each) => ({
        ...row(each),
        backend: each.labels["backend_name"]!,
        backendPort: each.labels["backend_port"]!,
      })),
    ];
  });
}

type Ended = {
  readonly labels: Labels;
  success: number;
  failure: number;
  timeouts: number;
  latency: readonly number[] | undefined;
};

const PROTOCOLS = ["http", "grpc"] as const;
const TIMEOUTS = ["REQUEST_TIMEOUT", "RESPONSE_HEADERS_TIMEOUT"];

// How requests of routes, or responses of backends, ended.
async function ended(
  metrics: Metrics,
  what: "request" | "backend_response",
  { match, by }: { match: Match; by: readonly string[] },
  windowMs: number,
): Promise<Ended[]> {
  const found = new Map<string, Ended>();
  for (const protocol of PROTOCOLS) {
    const family = `outbound_${protocol}_route_${what}`;
    const ends = [...by, `${protocol}_status`, "error"];
    const [counts, quantiles] = await Promise.all([
      metrics.increase(`${family}_statuses_total`, match, ends, windowMs),
      metrics.quantiles(`${family}_duration_seconds`, match, by, windowMs, QUANTILES),
    ]);
    for (const { labels, value } of counts) {
      if (value === 0) continue;
      const made = () => ({ labels, success: 0, failure: 0, timeouts: 0, latency: undefined });
      const row = entry<Ended>(found, labels, by, made);
      const status = labels[`${protocol}_status`]!;
      const isGood = protocol === "grpc" ? status === "OK" : !status.startsWith("5");
      if (isGood && labels["error"] === "") row.success += value;
      else row.failure += value;
      if (TIMEOUTS.includes(labels["error"]!)) row.timeouts += value;
    }
    for (const { labels, values } of quantiles) {
      const row = found.get(sliceKey(labels, by));
      if (row && !Number.isNaN(values[0])) row.latency = values.map((seconds) => seconds * 1000);
    }
  }
  return [...found.values()];
}

async function retried(metrics: Metrics, match: Match, by: readonly string[], windowMs: number) {
  const sums = new Map<string, number>();
  for (const protocol of PROTOCOLS) {
    const family = `outbound_${protocol}_route_retry_requests_total`;
    for (const { labels, value } of await metrics.increase(family, match, by, windowMs)) {
      const key = sliceKey(labels, by);
      sums.set(key, (sums.get(key) ?? 0) + value);
    }
  }
  return sums;
}

// Whatever is of the kind, when no name is given.
function seriesOf(of: Named): { own: readonly string[]; match: Match } {
  const own = groupLabels(of.kind, "");
  return { own, match: { ...matchOf(of, ""), [own.at(-1)!]: of.name || PRESENT } };
}

function routeIn(labels: Labels): { route: string; routeType: string } {
  const { route_name = "", route_kind = "" } = labels;
  return {
    route: route_name === "default" ? "[default]" : route_name,
    routeType: route_kind === "default" ? "" : route_kind,
  };
}

function latenciesOf(latency: readonly number[] | undefined): Latencies {
  const [latencyMsP50 = null, latencyMsP95 = null, latencyMsP99 = null] = latency ?? [];
  return { latencyMsP50, latencyMsP95, latencyMsP99 };
}

function inOrder<T extends { readonly labels: Labels }>(rows: readonly T[], by: readonly string[]) {
  return rows.toSorted((a, b) => order(sliceKey(a.labels, by), sliceKey(b.labels, by)));
}
