// Linkerd's first metrics: request_total, response_total and response_latency_ms, for endpoints, for inbound
// requests and, under other names, for routes of service profiles. All label strings are made when something is
// bound; what differs between responses is looked up by number, and the last one is kept at hand.

import type { Counter, Family, Histogram, Labels, Registry } from "../base/metrics.ts";
import type { Exchange, Watcher } from "./exchange.ts";
import { ERROR_LABELS } from "./rescue.ts";

/** Bounds of `response_latency_ms`: 1 to 50,000 ms in steps of each decade. */
export const LATENCY_BOUNDS_MS: readonly number[] = [1, 10, 100, 1000, 10_000].flatMap((n) => [
  n,
  2 * n,
  3 * n,
  4 * n,
  5 * n,
]);

/** The three families. */
export class HttpFamilies {
  readonly requests: Family<Counter>;
  readonly responses: Family<Counter>;
  readonly latency: Family<Histogram>;

  /** `prefix` is empty, `route_`, `route_actual_` or `control_`. */
  constructor(registry: Registry, prefix = "") {
    const of = prefix.startsWith("route") ? "of routes" : "of endpoints";
    this.requests = registry.counter(
      `${prefix}request_total`,
      `Total count of HTTP requests ${of}.`,
    );
    this.responses = registry.counter(
      `${prefix}response_total`,
      `Total count of HTTP responses ${of}.`,
    );
    this.latency = registry.histogram(
      `${prefix}response_latency_ms`,
      "Elapsed times between a request's headers being received and its response stream completing.",
      LATENCY_BOUNDS_MS,
    );
  }
}

/** Counts exchanges in the three families, all with `labels`. */
export class Stats implements Watcher {
  private readonly families: HttpFamilies;
  private readonly labels: Labels;
  private readonly requests: Counter;
  private readonly responses: Map<number, Counter>;
  private readonly latencies: Map<number, Histogram>;
  private readonly failures: Map<string, Counter>;
  private lastOutcome: number;
  private lastResponses: Counter | undefined;
  private lastStatus: number;
  private lastLatency: Histogram | undefined;

  constructor(families: HttpFamilies, labels: Labels) {
    this.families = families;
    this.labels = labels;
    this.requests = families.requests.with(labels);
    this.responses = new Map();
    this.latencies = new Map();
    this.failures = new Map();
    this.lastOutcome = -1;
    this.lastResponses = undefined;
    this.lastStatus = -1;
    this.lastLatency = undefined;
  }

  begin(): void {
    this.requests.value += 1;
  }

  head(x: Exchange): void {
    const { status } = x.rsp!;
    if (status !== this.lastStatus) {
      this.lastStatus = status;
      this.lastLatency = this.latencyOf(status);
    }
    this.lastLatency!.observe(x.headAt - x.at);
  }

  end(x: Exchange): void {
    if (x.rsp === undefined) {
      this.failureOf(ERROR_LABELS[x.fault!.code] || x.fault!.code).value += 1;
      return;
    }
    const grpc = x.grpcStatus === undefined ? 0 : x.grpcStatus + 1;
    const outcome = (x.rsp.status * 1024 + grpc) * 2 + (x.success ? 1 : 0);
    if (outcome !== this.lastOutcome) {
      this.lastOutcome = outcome;
      this.lastResponses = this.responsesOf(outcome, x);
    }
    this.lastResponses!.value += 1;
  }

  private latencyOf(status: number): Histogram {
    let latency = this.latencies.get(status);
    if (latency === undefined) {
      latency = this.families.latency.with({ ...this.labels, status_code: String(status) });
      this.latencies.set(status, latency);
    }
    return latency;
  }

  private responsesOf(outcome: number, x: Exchange): Counter {
    let responses = this.responses.get(outcome);
    if (responses === undefined) {
      const { rsp, grpcStatus, success } = x;
      responses = this.families.responses.with({
        ...this.labels,
        status_code: String(rsp!.status),
        classification: success ? "success" : "failure",
        ...(grpcStatus === undefined ? {} : { grpc_status: String(grpcStatus) }),
      });
      this.responses.set(outcome, responses);
    }
    return responses;
  }

  private failureOf(error: string): Counter {
    let failures = this.failures.get(error);
    if (failures === undefined) {
      failures = this.families.responses.with({
        ...this.labels,
        classification: "failure",
        error,
      });
      this.failures.set(error, failures);
    }
    return failures;
  }
}
