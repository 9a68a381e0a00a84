// What to tap, from the words of the viz API to those of a proxy.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Fault } from "../base/fault.ts";
import { HttpMethod_Registered, Scheme_Registered } from "../../proto/gen/http_types_pb.js";
import type { ObserveRequest_MatchSchema } from "../../proto/gen/tap_pb.js";
import type {
  TapByResourceRequest_Match as Match,
  TapByResourceRequest_Match_Http as HttpMatch,
} from "../../proto/gen/viz/viz_tap_pb.js";
import { kindOf } from "./kinds.ts";

type ProxyMatch = MessageInitShape<typeof ObserveRequest_MatchSchema>;

/** What a proxy shall match; everything, when nothing is asked for. `names` are those of addresses that clients send. */
export function observeMatch(
  match: Match | undefined,
  names: ReadonlyMap<string, string>,
): ProxyMatch {
  const inner = (each: Match): ProxyMatch => observeMatch(each, names);
  switch (match?.match.case) {
    case undefined:
      return all([]);
    case "all":
      return all(match.match.value.matches.map(inner));
    case "any":
      return any(match.match.value.matches.map(inner));
    case "not":
      return { match: { case: "not", value: inner(match.match.value) } };
    case "http":
      return http(match.match.value, names);
    case "destinations": {
      const { type = "", namespace = "", name = "" } = match.match.value.resource ?? {};
      const kind = kindOf(type);
      if (!kind) throw new Fault("bad-input", `"${type}" is no kind of resource`);
      if (kind.name === "namespace") return label("namespace", name);
      return all([
        ...(namespace === "" ? [] : [label("namespace", namespace)]),
        ...(name === "" ? [] : [label(kind.label, name)]),
      ]);
    }
  }
}

function all(matches: ProxyMatch[]): ProxyMatch {
  return { match: { case: "all", value: { matches } } };
}

function any(matches: ProxyMatch[]): ProxyMatch {
  return { match: { case: "any", value: { matches } } };
}

function label(key: string, value: string): ProxyMatch {
  return { match: { case: "destinationLabel", value: { key, value } } };
}

function http({ match }: HttpMatch, names: ReadonlyMap<string, string>): ProxyMatch {
  const only = (part: HttpPart): ProxyMatch => ({
    match: { case: "http", value: httpMatch(part) },
  });
  if (match.case === undefined) return all([]);
  const addresses =
    match.case === "authority" ? [...names].filter(([, name]) => name === match.value) : [];
  if (addresses.length === 0) return only(match);
  return any([match, ...addresses.map(([value]) => ({ ...match, value }))].map(only));
}

type HttpPart = Exclude<HttpMatch["match"], { case: undefined }>;

function httpMatch({ case: part, value }: HttpPart) {
  switch (part) {
    case "method": {
      const method =
        HttpMethod_Registered[value.toUpperCase() as keyof typeof HttpMethod_Registered];
      return { match: { case: "method" as const, value: { type: registered(method, value) } } };
    }
    case "scheme": {
      const scheme = Scheme_Registered[value.toUpperCase() as keyof typeof Scheme_Registered];
      return { match: { case: "scheme" as const, value: { type: registered(scheme, value) } } };
    }
    case "authority":
      return {
        match: { case: "authority" as const, value: { match: { case: "exact" as const, value } } },
      };
    case "path":
      return {
        match: { case: "path" as const, value: { match: { case: "prefix" as const, value } } },
      };
  }
}

function registered<T>(known: T | undefined, word: string) {
  // The generated enums lead from numbers to names too.
  return typeof known === "number"
    ? { case: "registered" as const, value: known }
    : { case: "unregistered" as const, value: word };
}
