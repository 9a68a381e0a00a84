// Requests that bring their own timeouts and retries: `l5d-timeout`, `l5d-retry-limit` and their like. They are always
// taken off; where the route allows it, they are obeyed. A request without them costs one look at its header names.

import { Fault } from "../base/fault.ts";
import { type Headers, removeWhere } from "../wire/headers.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Timeouts } from "./timeout.ts";
import type { HttpService } from "./types.ts";

/** What a route says of timeouts and retries, and requests may change. */
export type Limits = { readonly timeouts: Timeouts; readonly retry: RetryPolicy | undefined };

const NAMES = new Set([
  "l5d-timeout",
  "l5d-request-timeout",
  "l5d-response-timeout",
  "l5d-retry-http",
  "l5d-retry-grpc",
  "l5d-retry-limit",
  "l5d-retry-timeout",
]);

// Clients send few combinations; a client that sends many must not fill the memory.
const MAX_BOUND = 64;

/** The service of a route: `bind` with the route's limits, or with those that a request brings, if `obeys`. */
export function overridable(
  limits: Limits,
  obeys: boolean,
  bind: (limits: Limits) => HttpService,
): HttpService {
  const standard = bind(limits);
  const bound = new Map<string, HttpService>();
  return function overridable(req) {
    if (!brings(req.headers)) return standard(req);
    const own = take(req.headers);
    if (!obeys) return standard(req);
    let service = bound.get(own.join("\n"));
    if (service === undefined) {
      const changed = withOverrides(limits, own);
      if (changed instanceof Fault) return Promise.reject(changed);
      service = bind(changed);
      if (bound.size < MAX_BOUND) bound.set(own.join("\n"), service);
    }
    return service(req);
  };
}

function brings(headers: Headers): boolean {
  for (let i = 0; i < headers.length; i += 2) if (isOverride(headers[i]!)) return true;
  return false;
}

function isOverride(name: string): boolean {
  // The shortest of them is "l5d-timeout"; most names are told apart by their length or first letter.
  if (name.length < 11 || (name.charCodeAt(0) | 0x20) !== 0x6c) return false;
  return NAMES.has(name.toLowerCase());
}

function take(headers: Headers): string[] {
  const own: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (isOverride(headers[i]!)) own.push(headers[i]!.toLowerCase(), headers[i + 1]!);
  }
  removeWhere(headers, isOverride);
  return own;
}

const NO_RETRY: RetryPolicy = {
  limit: 1,
  maxBodyBytes: 65_536,
  statuses: [],
  grpcStatuses: [],
  attemptMs: undefined,
  backoff: { minMs: 25, maxMs: 250, jitter: 1 },
};

/** `limits` changed by the fields `own`; a fault that names the fields which cannot be read. */
function withOverrides(limits: Limits, own: Headers): Limits | Fault {
  let { timeouts, retry } = limits;
  const wrong: string[] = [];
  for (let i = 0; i < own.length; i += 2) {
    const [name, value] = [own[i]!, own[i + 1]!];
    const part = parseOverride(name, value);
    if (part === undefined) wrong.push(`${name}: ${value}`);
    else if ("requestMs" in part || "responseMs" in part) timeouts = { ...timeouts, ...part };
    else retry = { ...(retry ?? NO_RETRY), ...part };
  }
  if (wrong.length === 0) return { timeouts, retry };
  const message = `cannot read ${wrong.join(", ")}; durations are written 300ms or 10s`;
  return new Fault("bad-request", message, { side: "client" });
}

function parseOverride(name: string, value: string): Timeouts | Partial<RetryPolicy> | undefined {
  switch (name) {
    case "l5d-timeout":
    case "l5d-request-timeout": {
      const requestMs = parseDuration(value);
      return requestMs === undefined ? undefined : { requestMs };
    }
    case "l5d-response-timeout": {
      const responseMs = parseDuration(value);
      return responseMs === undefined ? undefined : { responseMs };
    }
    case "l5d-retry-timeout": {
      const attemptMs = parseDuration(value);
      return attemptMs === undefined ? undefined : { attemptMs };
    }
    case "l5d-retry-limit":
      return /^\d{1,2}$/.test(value) ? { limit: Number(value) } : undefined;
    case "l5d-retry-http": {
      const statuses = listOf(value, parseStatuses);
      return statuses && { statuses };
    }
    default: {
      const grpcStatuses = listOf(value, (word) => GRPC_STATUSES[word.toLowerCase()]);
      return grpcStatuses && { grpcStatuses };
    }
  }
}

const GRPC_STATUSES: Readonly<Record<string, number>> = {
  cancelled: 1,
  "deadline-exceeded": 4,
  "resource-exhausted": 8,
  internal: 13,
  unavailable: 14,
};

/** `5xx`, `gateway-error`, `503` or `500-504` as a range of statuses; undefined when it is none of them. */
function parseStatuses(word: string): { from: number; to: number } | undefined {
  if (word === "5xx") return { from: 500, to: 599 };
  if (word === "gateway-error") return { from: 502, to: 504 };
  const [, from, to = from] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(word) ?? [];
  return from === undefined ? undefined : { from: Number(from), to: Number(to) };
}

function listOf<T>(value: string, parse: (word: string) => T | undefined): T[] | undefined {
  const items = value.split(",").map((word) => parse(word.trim()));
  return items.includes(undefined) ? undefined : (items as T[]);
}

function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text.trim()) ?? [];
  return digits === undefined ? undefined : Number(digits) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
