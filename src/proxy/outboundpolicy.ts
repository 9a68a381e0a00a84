// OutboundPolicy messages, translated. A field that a real proxy would reject rejects the message: the fault
// names the field, and whoever watches keeps the last good policy.

import { Backend_BalanceP2c_Choice } from "../../proto/gen/outbound_pb.js";
import type {
  Backend as WireBackend,
  Backend_BalanceP2c,
  ExponentialBackoff,
  FailureAccrual,
  GrpcRoute,
  GrpcRoute_Retry,
  HttpRoute as WireHttpRoute,
  HttpRoute_Retry,
  OpaqueRoute,
  OutboundPolicy as WirePolicy,
  TlsRoute,
} from "../../proto/gen/outbound_pb.js";
import type { Timeouts as WireTimeouts } from "../../proto/gen/http_route_pb.js";
import { exponential, type Backoff } from "../base/backoff.ts";
import { parseAddress } from "./address.ts";
import { durationMs, invalid, optionalMs, parseHost, parseMeta, present } from "./fromproto.ts";
import type { Accrual } from "../stack/breaker.ts";
import type { RetryPolicy } from "../stack/retry.ts";
import type { Timeouts } from "../stack/timeout.ts";
import type { Load } from "../stack/latency.ts";
import { parseFilter, parseGrpcMatch, parseHttpMatch } from "./matches.ts";
import type {
  Backend,
  Balancing,
  Distribution,
  HttpRoute,
  HttpRoutes,
  HttpRule,
  OutboundPolicy,
  OutboundProtocol,
  RouteBackend,
  TcpRoute,
} from "./policy.ts";

/** The policy that a message carries; throws an `invalid-policy` fault. */
export function parseOutboundPolicy(wire: WirePolicy): OutboundPolicy {
  const meta = parseMeta(wire.metadata, "metadata");
  return { meta, protocol: parseProtocol(present(wire.protocol, "protocol").kind) };
}

type WireProtocol = NonNullable<WirePolicy["protocol"]>["kind"];
type WireRoutes = {
  routes: (WireHttpRoute | GrpcRoute)[];
  failureAccrual?: FailureAccrual | undefined;
};

function parseProtocol(kind: WireProtocol): OutboundProtocol {
  switch (kind.case) {
    case "opaque":
      return { kind: "opaque", opaque: parseTcpRoutes(kind.value.routes, "opaque") };
    case "tls":
      return { kind: "tls", tls: parseTcpRoutes(kind.value.routes, "tls") };
    case "http1":
    case "http2":
    case "grpc":
      return { kind: kind.case, http: parseHttpRoutes(kind.value, kind.case) };
    case "detect": {
      const { timeout, opaque, http1, http2 } = kind.value;
      return {
        kind: "detect",
        timeoutMs: durationMs(present(timeout, "detect.timeout")),
        opaque: parseTcpRoutes(present(opaque, "detect.opaque").routes, "detect.opaque"),
        http1: parseHttpRoutes(present(http1, "detect.http1"), "detect.http1"),
        http2: parseHttpRoutes(present(http2, "detect.http2"), "detect.http2"),
      };
    }
    case undefined:
      throw invalid("protocol", "is of a kind that this proxy does not know");
  }
}

function parseHttpRoutes({ routes, failureAccrual }: WireRoutes, place: string): HttpRoutes {
  return {
    routes: routes.map((route, i) => parseHttpRoute(route, `${place}.routes[${i}]`)),
    accrual: failureAccrual && parseAccrual(failureAccrual, `${place}.failure_accrual`),
  };
}

function parseHttpRoute(wire: WireHttpRoute | GrpcRoute, place: string): HttpRoute {
  return {
    meta: parseMeta(wire.metadata, `${place}.metadata`),
    hosts: wire.hosts.map((host) => parseHost(host.match, `${place}.hosts`)),
    rules: wire.rules.map((rule, i) => parseRule(rule, `${place}.rules[${i}]`)),
  };
}

function parseRule(
  wire: WireHttpRoute["rules"][number] | GrpcRoute["rules"][number],
  place: string,
): HttpRule {
  const grpc = wire.$typeName === "io.linkerd.proxy.outbound.GrpcRoute.Rule";
  return {
    matches: grpc
      ? wire.matches.map((match) => parseGrpcMatch(match, `${place}.matches`))
      : wire.matches.map((match) => parseHttpMatch(match, `${place}.matches`)),
    filters: wire.filters.map(({ kind }) => parseFilter(kind, `${place}.filters`)),
    to: parseDistribution(present(wire.backends, `${place}.backends`).kind, `${place}.backends`),
    timeouts: parseTimeouts(wire.timeouts),
    retry: wire.retry && parseRetry(wire.retry, `${place}.retry`),
    obeysHeaders: wire.allowL5dRequestHeaders,
    profile: undefined,
  };
}

function parseTimeouts(wire: WireTimeouts | undefined): Timeouts {
  return {
    requestMs: optionalMs(wire?.request),
    responseMs: optionalMs(wire?.response),
    idleMs: optionalMs(wire?.idle),
  };
}

function parseTcpRoutes(routes: readonly (OpaqueRoute | TlsRoute)[], place: string): TcpRoute[] {
  return routes.map((wire, i) => {
    const at = `${place}.routes[${i}]`;
    // The wire has a list of rules; neither kind of route can tell one from another, so the first is it.
    const rule = present(wire.rules[0], `${at}.rules`);
    return {
      meta: parseMeta(wire.metadata, `${at}.metadata`),
      snis: "snis" in wire ? wire.snis.map((sni) => parseHost(sni.match, `${at}.snis`)) : [],
      filters: rule.filters.map(({ kind }) => parseFilter(kind, `${at}.filters`)),
      to: parseDistribution(present(rule.backends, `${at}.backends`).kind, `${at}.backends`),
    };
  });
}

type WireRouteBackend = {
  backend?: WireBackend | undefined;
  filters: { kind: Parameters<typeof parseFilter>[0] }[];
};

type WireDistribution =
  | { case: "empty"; value: unknown }
  | { case: "firstAvailable"; value: { backends: WireRouteBackend[] } }
  | {
      case: "randomAvailable";
      value: { backends: { backend?: WireRouteBackend | undefined; weight: number }[] };
    }
  | { case: undefined; value?: undefined };

function parseDistribution(kind: WireDistribution, place: string): Distribution {
  switch (kind.case) {
    case "empty":
      return { kind: "empty", backends: [] };
    case "firstAvailable": {
      const { backends } = kind.value;
      if (backends.length === 0) throw invalid(place, "has no backends");
      return { kind: "first", backends: backends.map((b) => parseRouteBackend(b, 1, place)) };
    }
    case "randomAvailable": {
      const weighted = kind.value.backends.filter(({ weight }) => weight > 0);
      if (weighted.length === 0) throw invalid(place, "has no backends");
      const backends = weighted.map(({ backend, weight }) =>
        parseRouteBackend(present(backend, place), weight, place),
      );
      return { kind: "random", backends };
    }
    case undefined:
      throw invalid(place, "is of a kind that this proxy does not know");
  }
}

function parseRouteBackend(wire: WireRouteBackend, weight: number, place: string): RouteBackend {
  return {
    backend: parseBackend(present(wire.backend, `${place}.backend`), `${place}.backend`),
    weight,
    filters: wire.filters.map(({ kind }) => parseFilter(kind, `${place}.filters`)),
  };
}

function parseBackend(wire: WireBackend, place: string): Backend {
  const meta = parseMeta(wire.metadata, `${place}.metadata`);
  const queue = present(wire.queue, `${place}.queue`);
  const failfast = present(queue.failfastTimeout, `${place}.queue.failfast_timeout`);
  return {
    meta,
    queue: { capacity: queue.capacity, failfastMs: durationMs(failfast) },
    to: parseTarget(wire.kind, place),
  };
}

function parseTarget(kind: WireBackend["kind"], place: string): Backend["to"] {
  if (kind.case === undefined) return { kind: "none" };
  if (kind.case === "forward") return { kind: "forward", address: parseAddress(kind.value) };
  const discovery = present(kind.value.discovery?.kind.value, `${place}.discovery`);
  return {
    kind: "balance",
    path: discovery.path,
    load: parseBalancing(kind.value, `${place}.load`),
  };
}

function parseBalancing({ choice, load }: Backend_BalanceP2c, place: string): Balancing {
  switch (choice) {
    case Backend_BalanceP2c_Choice.LEAST_REQUESTS:
      return "outstanding";
    case Backend_BalanceP2c_Choice.ROUND_ROBIN:
      return "in-turn";
    // Choices that came after this proxy have a load too.
    default:
      return parseLoad(load, place);
  }
}

function parseLoad(load: Backend_BalanceP2c["load"], place: string): Load {
  const { defaultRtt, decay } = present(load.value, place);
  const common = {
    defaultRttMs: durationMs(present(defaultRtt, `${place}.default_rtt`)),
    decayMs: durationMs(present(decay, `${place}.decay`)),
  };
  if (load.case !== "penaltyPeakEwma") return { ...common, penalty: undefined };
  const { penalty, penaltyDecay, maxRetryAfter } = load.value;
  return {
    ...common,
    penalty: {
      penaltyMs: optionalMs(penalty) ?? 5000,
      decayMs: optionalMs(penaltyDecay) ?? 10_000,
      maxRetryAfterMs: optionalMs(maxRetryAfter) ?? 300_000,
    },
  };
}

function parseRetry(wire: HttpRoute_Retry | GrpcRoute_Retry, place: string): RetryPolicy {
  const conditions = present(wire.conditions, `${place}.conditions`);
  const http = "statusRanges" in conditions;
  const statuses = http
    ? conditions.statusRanges.map(({ start, end }) => ({ from: start, to: end }))
    : [];
  if (statuses.some(({ from, to }) => from > to || to > 599)) {
    throw invalid(`${place}.conditions`, "has a range that is no range of statuses");
  }
  return {
    limit: wire.maxRetries,
    maxBodyBytes: wire.maxRequestBytes || 65_536,
    statuses,
    grpcStatuses: http ? [] : grpcStatuses(conditions),
    attemptMs: optionalMs(wire.timeout),
    backoff: wire.backoff && parseBackoff(wire.backoff, `${place}.backoff`),
  };
}

function grpcStatuses(conditions: NonNullable<GrpcRoute_Retry["conditions"]>): number[] {
  const { cancelled, deadineExceeded, resourceExhausted, internal, unavailable } = conditions;
  const codes: [boolean, number][] = [
    [cancelled, 1],
    [deadineExceeded, 4],
    [resourceExhausted, 8],
    [internal, 13],
    [unavailable, 14],
  ];
  return codes.filter(([wanted]) => wanted).map(([, code]) => code);
}

function parseAccrual({ kind, ejection }: FailureAccrual, place: string): Accrual {
  const { backoff, ...wire } = present(kind.value, place);
  const common = {
    backoff: parseBackoff(present(backoff, `${place}.backoff`), `${place}.backoff`),
    honourRetryAfter: backoff?.respectRetryAfterHint ?? false,
    minReady: ejection?.minReadyEndpoints ?? 0,
  };
  if (kind.case !== "unified") {
    return {
      ...common,
      consecutive: (wire as { maxFailures: number }).maxFailures,
      rate: undefined,
    };
  }
  const {
    successRateThreshold: threshold,
    decay,
    minRequests,
    maxConsecutiveFailures,
  } = kind.value;
  if (!(threshold >= 0 && threshold <= 1)) throw invalid(place, `has the threshold ${threshold}`);
  const windowMs = durationMs(present(decay, `${place}.decay`));
  return {
    ...common,
    consecutive: maxConsecutiveFailures || undefined,
    rate: { threshold, windowMs, minRequests },
  };
}

function parseBackoff(wire: ExponentialBackoff, place: string): Backoff {
  const minMs = durationMs(present(wire.minBackoff, `${place}.min_backoff`));
  const maxMs = durationMs(present(wire.maxBackoff, `${place}.max_backoff`));
  if (minMs > maxMs)
    throw invalid(place, `has a minimum (${minMs} ms) above its maximum (${maxMs} ms)`);
  return exponential(minMs, maxMs, wire.jitterRatio);
}
