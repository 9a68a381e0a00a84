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
import { compileFormula } from "./formula.ts";
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
    case "any":
      return {
        kind: match.case,
        of: match.value.matches.map((part) => parseRequestMatch(part, place)),
      };
    case "not":
      return { kind: "not", of: parseRequestMatch(match.value, place) };
    case "path":
      return { kind: "fact", of: parseRegex(match.value.regex, place) };
    case "method":
      return { kind: "fact", of: parseMethod(match.value) };
    case undefined:
      return { kind: "all", of: [] };
  }
}

function parseResponseMatch(wire: WireResponseMatch | undefined): ResponseMatch {
  const match = wire?.match;
  switch (match?.case) {
    case "all":
    case "any":
      return { kind: match.case, of: match.value.matches.map(parseResponseMatch) };
    case "not":
      return { kind: "not", of: parseResponseMatch(match.value) };
    case "status": {
      const { min, max } = match.value;
      return { kind: "fact", of: { from: min, to: max || min } };
    }
    case undefined:
      return { kind: "any", of: [] };
  }
}

/** Whether a rule is for a request of this method and path. */
export function compileWants({ wants }: ProfileRule): (method: string, path: string) => boolean {
  return compileFormula(wants, (fact) =>
    fact instanceof RegExp ? (_, path) => fact.test(path) : (method) => method === fact,
  );
}

/** The classes of a rule, each with its test of a status. */
export function compileClasses({ classes }: ProfileRule) {
  return classes.map(({ match, failure }) => ({
    failure,
    match: compileFormula(
      match,
      ({ from, to }) =>
        (status: number) =>
          status >= from && status <= to,
    ),
  }));
}
