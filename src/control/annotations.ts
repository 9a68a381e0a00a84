// What annotations of a Service, an EgressNetwork or a route say of retries, timeouts, failure accrual and
// load, and what a rule says of them itself. An annotation that cannot be read counts as absent, as it does for Linkerd's
// controller.

import type { Init } from "./init.ts";
import type { TimeoutsSchema } from "../../proto/gen/http_route_pb.js";
import type {
  FailureAccrualSchema,
  GrpcRoute_RetrySchema,
  HttpRoute_RetrySchema,
} from "../../proto/gen/outbound_pb.js";
import { Backend_BalanceP2c_Choice as Choice } from "../../proto/gen/outbound_pb.js";
import type { HttpRoute } from "../platform/kinds.ts";
import { parseAnnotationDuration, parseGoDuration } from "../platform/quantity.ts";
import { duration } from "../proxy/fromproto.ts";

export type Annotations = Readonly<Record<string, string>>;

type HttpRetry = Init<typeof HttpRoute_RetrySchema>;
type GrpcRetry = Init<typeof GrpcRoute_RetrySchema>;
type Accrual = Init<typeof FailureAccrualSchema>;
type Timeouts = Init<typeof TimeoutsSchema>;

const MAX_BODY_BYTES = 65_536;
const BACKOFF_MS = 25;

/** The annotations of a route, and those of its parent where the route has none of a family. */
export function inherit(route: Annotations, parent: Annotations): Annotations {
  const families = ["retry.linkerd.io/", "timeout.linkerd.io/"];
  const missing = families.filter(
    (family) => !Object.keys(route).some((key) => key.startsWith(family)),
  );
  const inherited = Object.entries(parent).filter(([key]) =>
    missing.some((f) => key.startsWith(f)),
  );
  return { ...Object.fromEntries(inherited), ...route };
}

/** When a request over HTTP is sent again; undefined when it is not. What its rule leaves open, annotations say. */
export function httpRetry(
  annotations: Annotations,
  attemptMs?: number,
  rule?: HttpRoute["spec"]["rules"][number]["retry"],
): HttpRetry | undefined {
  if (rule) {
    const statusRanges = rule.codes.map((code) => ({ start: code, end: code }));
    return { ...retry(annotations, attemptMs, rule), conditions: { statusRanges } };
  }
  const wanted = words(annotations["retry.linkerd.io/http"]);
  const statusRanges = wanted.map(statusRange).filter((range) => range !== undefined);
  if (statusRanges.length === 0 || statusRanges.length < wanted.length) return undefined;
  return { ...retry(annotations, attemptMs), conditions: { statusRanges } };
}

const GRPC_CONDITIONS: Record<string, string> = {
  cancelled: "cancelled",
  "deadline-exceeded": "deadineExceeded",
  internal: "internal",
  "resource-exhausted": "resourceExhausted",
  unavailable: "unavailable",
};

/** When a request over gRPC is sent again; undefined when it is not. */
export function grpcRetry(annotations: Annotations, attemptMs?: number): GrpcRetry | undefined {
  const wanted = words(annotations["retry.linkerd.io/grpc"]);
  const names = wanted.map((word) => GRPC_CONDITIONS[word]);
  if (names.length === 0 || names.includes(undefined)) return undefined;
  const conditions = Object.fromEntries(names.map((name) => [name, true]));
  return { ...retry(annotations, attemptMs), conditions };
}

/** The timeouts of a route; `requestMs` is what its own specification says. */
export function timeouts(annotations: Annotations, requestMs?: number): Timeouts | undefined {
  const request = durationOf(annotations["timeout.linkerd.io/request"]) ?? requestMs;
  const response = durationOf(annotations["timeout.linkerd.io/response"]);
  const idle = durationOf(annotations["timeout.linkerd.io/idle"]);
  if (!request && !response && !idle) return undefined;
  return {
    ...(request && { request: duration(request) }),
    ...(response && { response: duration(response) }),
    ...(idle && { idle: duration(idle) }),
  };
}

/** When an endpoint is taken out of balancing; undefined when it never is. */
export function failureAccrual(annotations: Annotations): Accrual | undefined {
  const mode = annotations["balancer.linkerd.io/failure-accrual"];
  if (mode !== "consecutive" && mode !== "unified") return undefined;
  const of = (name: string) =>
    annotations[`balancer.linkerd.io/failure-accrual-consecutive-${name}`];
  const maxFailures = numberOf(of("max-failures")) ?? 7;
  const min = durationOf(of("min-penalty")) ?? 1000;
  const max = durationOf(of("max-penalty")) ?? 60_000;
  const jitterRatio = numberOf(of("jitter-ratio")) ?? 0.5;
  if (min > max || min === 0 || jitterRatio > 100) return undefined;
  const backoff = {
    minBackoff: duration(min),
    maxBackoff: duration(max),
    jitterRatio,
    respectRetryAfterHint: alpha(annotations, "failure-accrual-honor-retry-after") === "true",
  };
  if (mode === "consecutive") {
    return { kind: { case: "consecutiveFailures", value: { maxFailures, backoff } } };
  }
  const threshold = numberOf(alpha(annotations, "failure-accrual-success-rate-threshold")) ?? 0.8;
  const value = {
    successRateThreshold: threshold > 1 ? 0.8 : threshold,
    decay: duration(
      durationOf(alpha(annotations, "failure-accrual-success-rate-window")) ?? 10_000,
    ),
    minRequests: numberOf(alpha(annotations, "failure-accrual-success-rate-min-requests")) ?? 5,
    maxConsecutiveFailures: maxFailures,
    backoff,
  };
  return { kind: { case: "unified", value } };
}

const CHOICES: Readonly<Record<string, Choice>> = {
  "least-requests": Choice.LEAST_REQUESTS,
  "round-robin": Choice.ROUND_ROBIN,
};

/** How a balancer chooses among endpoints: by their load, unless another way is asked for, which proxies of ours know. */
export function balancing(annotations: Annotations) {
  const kind = annotations["balancer.linkerd.io/kind"] ?? "";
  const choice = Object.hasOwn(CHOICES, kind) ? CHOICES[kind]! : Choice.BY_LOAD;
  return { load: balancerLoad(annotations), choice };
}

// Peak EWMA, with a penalty for failures when that is asked for.
function balancerLoad(annotations: Annotations) {
  const ewma = {
    defaultRtt: duration(durationOf(annotations["balancer.linkerd.io/ewma-default-rtt"]) || 30),
    decay: duration(durationOf(annotations["balancer.linkerd.io/ewma-decay"]) || 10_000),
  };
  if (alpha(annotations, "penalize-failures") === undefined) {
    return { case: "peakEwma" as const, value: ewma };
  }
  const penalty = durationOf(alpha(annotations, "load-biaser-penalty")) ?? 5000;
  const maxRetryAfter = durationOf(alpha(annotations, "load-biaser-max-retry-after")) ?? 300_000;
  return {
    case: "penaltyPeakEwma" as const,
    value: {
      ...ewma,
      penalty: duration(penalty),
      penaltyDecay: duration(10_000),
      maxRetryAfter: duration(maxRetryAfter),
    },
  };
}

function retry(
  annotations: Annotations,
  attemptMs: number | undefined,
  { attempts, backoff }: { attempts?: number; backoff?: string } = {},
) {
  const minMs = parseGoDuration(backoff ?? "") || BACKOFF_MS;
  const timeoutMs = durationOf(annotations["retry.linkerd.io/timeout"]) ?? attemptMs;
  return {
    maxRetries: attempts ?? numberOf(annotations["retry.linkerd.io/limit"]) ?? 1,
    maxRequestBytes: MAX_BODY_BYTES,
    backoff: {
      minBackoff: duration(minMs),
      maxBackoff: duration(10 * minMs),
      jitterRatio: 1,
    },
    ...(timeoutMs && { timeout: duration(timeoutMs) }),
  };
}

// "5xx", "gateway-error", "503" or "500-504".
function statusRange(word: string): { start: number; end: number } | undefined {
  if (word === "5xx") return { start: 500, end: 599 };
  if (word === "gateway-error") return { start: 502, end: 504 };
  const match = /^(\d{3})(?:-(\d{3}))?$/.exec(word);
  const [start, end] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  return match && start >= 100 && start <= end && end <= 599 ? { start, end } : undefined;
}

const alpha = (annotations: Annotations, name: string): string | undefined =>
  annotations[`balancer.alpha.linkerd.io/${name}`];

const words = (text: string | undefined): string[] =>
  text === undefined || text.trim() === "" ? [] : text.split(",").map((word) => word.trim());

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
}

const durationOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseAnnotationDuration(text);
