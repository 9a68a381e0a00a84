// DestinationProfile messages, translated: a service's name and ServiceProfile routes, or one endpoint.
// Profiles rule the routing only where they have routes or overrides; else the client policy does.

import type {
  DestinationProfile,
  RequestMatch as WireRequestMatch,
  ResponseMatch as WireResponseMatch,
  RetryBudget,
  Route,
} from "../../proto/gen/destination_pb.js";
import { DEFAULT_BUDGET, type BudgetOptions } from "../base/budget.ts";
import { parseAddress } from "./address.ts";
import { optionalMs, parseMeta, parseMethod, parseRegex } from "./fromproto.ts";
import type { Profile, ProfileRule, RequestMatch, ResponseMatch } from "./policy.ts";

/** The profile that a message carries; throws an `invalid-policy` fault. */
export function parseProfile(wire: DestinationProfile): Profile {
  const budget = parseBudget(wire.retryBudget);
  return {
    name: wire.fullyQualifiedName,
    opaque: wire.opaqueProtocol,
    parent: wire.parentRef?.kind.case && parseMeta(wire.parentRef, "parent_ref"),
    endpoint: wire.endpoint && parseAddress(wire.endpoint),
    routes: wire.routes.map((route, i) => ({
      rule: parseRoute(route, budget, `routes[${i}].condition`),
      timeoutMs: optionalMs(route.timeout),
    })),
    overrides: wire.dstOverrides
      .filter(({ weight }) => weight > 0)
      .map(({ authority, weight, backendRef }) => ({
        path: authority,
        weight,
        meta: backendRef?.kind.case && parseMeta(backendRef, "dst_overrides.backend_ref"),
      })),
  };
}

function parseRoute(wire: Route, budget: BudgetOptions, place: string): ProfileRule {
  return {
    dst: "",
    wants: parseRequestMatch(wire.condition, place),
    labels: wire.metricsLabels,
    retryable: wire.isRetryable,
    classes: wire.responseClasses.map(({ condition, isFailure }) => ({
      match: parseResponseMatch(condition),
      failure: isFailure,
    })),
    budget,
  };
}

// A budget outside of what linkerd2-proxy takes counts as none.
function parseBudget(wire: RetryBudget | undefined): BudgetOptions {
  const ttlMs = optionalMs(wire?.ttl) ?? DEFAULT_BUDGET.ttlMs;
  const ratio = wire?.retryRatio ?? 0;
  if (!wire || ratio <= 0 || ratio > 1000 || ttlMs < 1000 || ttlMs > 60_000) return DEFAULT_BUDGET;
  return { ratio, minPerSecond: wire.minRetriesPerSecond, ttlMs };
}

function parseRequestMatch(wire: WireRequestMatch | undefined, place: string): RequestMatch {
  const match = wire?.match;
  switch (match?.case) {
    case "all":
    case "any": {
      const parts = match.value.matches.map((part) => parseRequestMatch(part, place));
      return match.case === "all"
        ? (method, path) => parts.every((part) => part(method, path))
        : (method, path) => parts.some((part) => part(method, path));
    }
    case "not": {
      const part = parseRequestMatch(match.value, place);
      return (method, path) => !part(method, path);
    }
    case "path": {
      const regex = parseRegex(match.value.regex, place);
      return (_, path) => regex.test(path);
    }
    case "method": {
      const wanted = parseMethod(match.value);
      return (method) => method === wanted;
    }
    case undefined:
      return () => true;
  }
}

function parseResponseMatch(wire: WireResponseMatch | undefined): ResponseMatch {
  const match = wire?.match;
  switch (match?.case) {
    case "all":
    case "any": {
      const parts = match.value.matches.map((part) => parseResponseMatch(part));
      return match.case === "all"
        ? (status) => parts.every((part) => part(status))
        : (status) => parts.some((part) => part(status));
    }
    case "not": {
      const part = parseResponseMatch(match.value);
      return (status) => !part(status);
    }
    case "status": {
      const { min, max } = match.value;
      return (status) => status >= min && status <= (max || min);
    }
    case undefined:
      return () => false;
  }
}
