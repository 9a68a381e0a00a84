// The newer metrics of routes, backends, queues and retries (`outbound_http_route_…`, `inbound_http_…`), made of
// small watchers that each count one thing. Nothing here is looked up for a request but the status, by number.

import type { Clock } from "../base/clock.ts";
import type { FaultCode } from "../base/fault.ts";
import type { Counter, Family, Histogram, Labels, Registry } from "../base/metrics.ts";
import { grpcStatusName } from "../wire/grpc.ts";
import type { Exchange, Watcher } from "./exchange.ts";
import type { QueueWatcher } from "./queue.ts";
import type { RetryCounters } from "./retry.ts";

/** Bounds in seconds, as linkerd2-proxy has them for each of its histograms. */
const BOUNDS = {
  route: [0.05, 0.5, 1, 10],
  backend: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 10],
  queue: [0.0005, 0.005, 0.05, 0.5, 1, 3],
} as const;

/** `outbound_http` or `outbound_grpc`, `inbound_http` or `inbound_grpc`. */
export type Prefix = `${"inbound" | "outbound"}_${"http" | "grpc"}`;

/** Counts requests, times them and counts how they ended, by HTTP or gRPC status and error. */
export class RouteStats implements Watcher {
  private readonly requests: Counter | undefined;
  private readonly whole: Histogram | undefined;
  private readonly response: Histogram | undefined;
  private readonly statuses: Family<Counter>;
  private readonly labels: Labels;
  private readonly grpc: boolean;
  private readonly ends: Map<string | number, Counter>;

  constructor(parts: {
    readonly requests?: Family<Counter>;
    /** From the request to the end of its response. */
    readonly whole?: Family<Histogram>;
    /** From the response head to its end. */
    readonly response?: Family<Histogram>;
    readonly statuses: Family<Counter>;
    readonly labels: Labels;
    readonly grpc: boolean;
  }) {
    this.requests = parts.requests?.with(parts.labels);
    this.whole = parts.whole?.with(parts.labels);
    this.response = parts.response?.with(parts.labels);
    this.statuses = parts.statuses;
    this.labels = parts.labels;
    this.grpc = parts.grpc;
    this.ends = new Map();
  }

  begin(): void {
    if (this.requests !== undefined) this.requests.value += 1;
  }

  head(): void {}

  end(x: Exchange): void {
    this.whole?.observe((x.endAt - x.at) / 1000);
    if (x.rsp !== undefined) this.response?.observe((x.endAt - x.headAt) / 1000);
    const status = this.grpc ? x.grpcStatus : x.rsp?.status;
    const key = x.fault === undefined && status !== undefined ? status : errorOf(x);
    let counter = this.ends.get(key);
    if (counter === undefined) {
      const error = typeof key === "string" ? key : "";
      const shown = error === "" ? status : undefined;
      const label = this.grpc
        ? { grpc_status: shown === undefined ? "" : grpcStatusName(shown) }
        : { http_status: String(shown ?? "") };
      counter = this.statuses.with({ ...this.labels, ...label, error });
      this.ends.set(key, counter);
    }
    counter.value += 1;
  }
}

/** The watcher of an outbound route; `labels` are those of its parent and itself. */
export function routeStats(registry: Registry, prefix: Prefix, labels: Labels): RouteStats {
  const name = `${prefix}_route`;
  return new RouteStats({
    whole: registry.histogram(
      `${name}_request_duration_seconds`,
      "The time between request initialization and response completion.",
      BOUNDS.route,
    ),
    statuses: registry.counter(
      `${name}_request_statuses_total`,
      "Completed request-response streams.",
    ),
    labels,
    grpc: prefix.endsWith("grpc"),
  });
}

/** The watcher of one backend of an outbound route; `labels` are those of its parent, its route and itself. */
export function backendStats(registry: Registry, prefix: Prefix, labels: Labels): RouteStats {
  const name = `${prefix}_route_backend`;
  return new RouteStats({
    requests: registry.counter(
      `${name}_requests_total`,
      "The total number of requests dispatched.",
    ),
    whole: registry.histogram(
      `${name}_response_duration_seconds`,
      "The time between request completion and response completion.",
      BOUNDS.backend,
    ),
    statuses: registry.counter(`${name}_response_statuses_total`, "Completed responses."),
    labels,
    grpc: prefix.endsWith("grpc"),
  });
}

/** The watcher of an inbound route; `labels` are those of its server and itself. */
export function inboundRouteStats(registry: Registry, prefix: Prefix, labels: Labels): RouteStats {
  return new RouteStats({
    requests: registry.counter(
      `${prefix}_requests_total`,
      "The total number of requests dispatched.",
    ),
    whole: registry.histogram(
      `${prefix}_request_duration_seconds`,
      "The time between request initialization and response completion.",
      BOUNDS.backend,
    ),
    response: registry.histogram(
      `${prefix}_response_duration_seconds`,
      "The time between response initialization and response completion.",
      BOUNDS.route,
    ),
    statuses: registry.counter(`${prefix}_statuses_total`, "Completed request-response streams."),
    labels,
    grpc: prefix.endsWith("grpc"),
  });
}

/** The counters of a route's retries. */
export function retryStats(registry: Registry, prefix: Prefix, labels: Labels): RetryCounters {
  const counter = (name: string, help: string): Counter =>
    registry.counter(`${prefix}_route_retry_${name}_total`, help).with(labels);
  return {
    requests: counter("requests", "Retry requests emitted."),
    successes: counter("successes", "Successful responses to retry requests."),
    limitExceeded: counter("limit_exceeded", "Retryable requests not sent due to retry limits."),
    overflow: counter("overflow", "Retryable requests not sent due to the retry budget."),
  };
}

/** What a queue and its balancer tell; `prefix` is `outbound_http`, `outbound_tcp`, `control_destination` or the like. */
export function queueStats(
  registry: Registry,
  prefix: string,
  labels: Labels,
  clock: Clock,
): QueueWatcher {
  const name = `${prefix}_balancer`;
  const endpoints = registry.gauge(
    `${name}_endpoints`,
    "The number of endpoints currently in the balancer.",
  );
  const ready = endpoints.with({ endpoint_state: "ready", ...labels });
  const pending = endpoints.with({ endpoint_state: "pending", ...labels });
  const length = registry
    .gauge(`${name}_queue_length`, "The number of requests waiting.")
    .with(labels);
  const requests = registry
    .counter(`${name}_queue_requests_total`, "The total number of requests queued.")
    .with(labels);
  const latency = registry
    .histogram(`${name}_queue_latency_seconds`, "How long requests waited.", BOUNDS.queue)
    .with(labels);
  const gates = (["open", "shut"] as const).map((state) => ({
    count: registry
      .counter(`${name}_queue_gate_${state}_total`, `How often the gate became ${state}.`)
      .with(labels),
    at: registry
      .gauge(`${name}_queue_gate_${state}_time_seconds`, `When the gate last became ${state}.`)
      .with(labels),
  }));
  return {
    passed(waitedMs) {
      requests.value += 1;
      latency.observe(waitedMs / 1000);
    },
    length: (n) => length.set(n),
    gate(state) {
      if (state === "failfast") return;
      const gate = gates[state === "open" ? 0 : 1]!;
      gate.count.inc();
      gate.at.set(clock.wall() / 1000);
    },
    endpoints(readyCount, pendingCount) {
      ready.set(readyCount);
      pending.set(pendingCount);
    },
  };
}

const ERRORS: Partial<Record<FaultCode, string>> = {
  "no-endpoints": "FAIL_FAST",
  failfast: "FAIL_FAST",
  "load-shed": "LOAD_SHED",
  "request-timeout": "REQUEST_TIMEOUT",
  "idle-timeout": "IDLE_TIMEOUT",
  cancelled: "CANCEL",
  "refused-stream": "REFUSED",
  reset: "RESET",
  closed: "GO_AWAY",
  io: "IO",
  "connect-failed": "IO",
  "connect-timeout": "IO",
};

// Linkerd's word for what cut an exchange short; a response without the status that it should have is one too.
function errorOf({ fault, rsp }: Exchange): string {
  if (fault === undefined) return "UNKNOWN";
  if (fault.code !== "response-timeout") return ERRORS[fault.code] ?? "UNKNOWN";
  return rsp === undefined ? "RESPONSE_HEADERS_TIMEOUT" : "RESPONSE_STREAM_TIMEOUT";
}
