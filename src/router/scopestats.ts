// The metrics of one scope of a router (a server, a service, a client): requests, successes and failures by cause,
// what is pending, latency, and, where wanted, statuses. Everything is looked up when it is first needed, once.

import type { Counter } from "../base/metrics.ts";
import type { Summary } from "../base/summary.ts";
import type { Exchange, Watcher } from "../stack/exchange.ts";
import { exceptionName, FAILED_RESPONSE } from "./exceptions.ts";
import type { MetricScope } from "./metrictree.ts";

type Outcome = { readonly codes: readonly Counter[]; readonly times: readonly Summary[] };

export class ScopeStats implements Watcher {
  /** Requests under way. */
  pending: number;
  private readonly scope: MetricScope;
  private readonly requests: Counter;
  private readonly success: Counter;
  private readonly failures: Counter;
  private readonly latency: Summary;
  private readonly statuses: Map<number, Outcome> | undefined;
  private lastStatus: number;
  private last: Outcome | undefined;

  /** `withStatuses` adds `status/200`, `status/2XX`, `time/200` and so on. */
  constructor(scope: MetricScope, withStatuses: boolean) {
    this.pending = 0;
    this.scope = scope;
    this.requests = scope.counter("requests");
    this.success = scope.counter("success");
    this.failures = scope.counter("failures");
    this.latency = scope.summary("request_latency_ms");
    this.statuses = withStatuses ? new Map() : undefined;
    this.lastStatus = -1;
    this.last = undefined;
    scope.gauge(() => this.pending, "pending");
  }

  begin(): void {
    this.pending += 1;
  }

  head(): void {}

  end(x: Exchange): void {
    this.pending -= 1;
    this.requests.value += 1;
    const fault = x.fault ?? x.rsp?.fault;
    if (x.success) {
      this.success.value += 1;
    } else {
      this.failures.value += 1;
      this.scope.counter("failures", fault ? exceptionName(fault.code) : FAILED_RESPONSE).value +=
        1;
    }
    const ms = (x.rsp === undefined ? x.endAt : x.headAt) - x.at;
    this.latency.add(ms);
    if (this.statuses !== undefined) this.status(x, this.statuses, ms);
  }

  private status(x: Exchange, statuses: Map<number, Outcome>, ms: number): void {
    if (x.rsp === undefined) {
      this.scope.counter("status", "error").value += 1;
      return;
    }
    const { status } = x.rsp;
    if (status !== this.lastStatus) {
      let outcome = statuses.get(status);
      if (outcome === undefined) statuses.set(status, (outcome = outcomeOf(this.scope, status)));
      this.lastStatus = status;
      this.last = outcome;
    }
    const { codes, times } = this.last!;
    for (const code of codes) code.value += 1;
    for (const time of times) time.add(ms);
  }
}

function outcomeOf(scope: MetricScope, status: number): Outcome {
  const names = [String(status), `${Math.floor(status / 100)}XX`];
  return {
    codes: names.map((name) => scope.counter("status", name)),
    times: names.map((name) => scope.summary("time", name)),
  };
}
