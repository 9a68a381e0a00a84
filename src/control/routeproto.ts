// What routes match and do, as proxies are told it: the part that inbound and outbound routes share.

import type { Init } from "./init.ts";
import type { GrpcRouteMatchSchema } from "../../proto/gen/grpc_route_pb.js";
import type {
  HttpRouteMatchSchema,
  PathModifierSchema,
  RequestHeaderModifierSchema,
  RequestRedirectSchema,
  UrlRewriteSchema,
} from "../../proto/gen/http_route_pb.js";
import { Scheme_Registered } from "../../proto/gen/http_types_pb.js";
import type { GrpcRoute, HttpRoute } from "../platform/kinds.ts";
import { printMethod } from "../proxy/fromproto.ts";

type HttpMatch = Init<typeof HttpRouteMatchSchema>;
type GrpcMatch = Init<typeof GrpcRouteMatchSchema>;
/** A host or server name, as both of their messages have it. */
type NameMatch = {
  match: { case: "exact"; value: string } | { case: "suffix"; value: { reverseLabels: string[] } };
};
type Modifier = Init<typeof RequestHeaderModifierSchema>;
type Redirect = Init<typeof RequestRedirectSchema>;

type HttpRule = HttpRoute["spec"]["rules"][number];
export type RouteFilter = HttpRule["filters"][number];

/** Matches everything: the one match of a rule that lists none. */
export const ANY_PATH: HttpMatch = { path: { kind: { case: "prefix", value: "/" } } };

/** "web.example.com" or "*.example.com", whose labels travel in reverse. */
export function hostMatch(host: string): NameMatch {
  if (!host.startsWith("*.")) return { match: { case: "exact", value: host } };
  const reverseLabels = host.slice(2).split(".").reverse();
  return { match: { case: "suffix", value: { reverseLabels } } };
}

const PATHS = { Exact: "exact", PathPrefix: "prefix", RegularExpression: "regex" } as const;

export function httpMatches(rule: HttpRule): HttpMatch[] {
  if (rule.matches.length === 0) return [ANY_PATH];
  return rule.matches.map(({ path, headers, queryParams, method }) => ({
    path: path ? { kind: { case: PATHS[path.type], value: path.value } } : ANY_PATH.path!,
    headers: headers.map(headerMatch),
    queryParams: queryParams.map(({ type, name, value }) => ({
      name,
      value: { case: type === "Exact" ? ("exact" as const) : ("regex" as const), value },
    })),
    ...(method !== undefined && { method: { type: printMethod(method) } }),
  }));
}

export function grpcMatches(rule: GrpcRoute["spec"]["rules"][number]): GrpcMatch[] {
  if (rule.matches.length === 0) return [{ rpc: {} }];
  return rule.matches.map(({ method, headers }) => ({
    rpc: { service: method?.service ?? "", method: method?.method ?? "" },
    headers: headers.map(headerMatch),
  }));
}

/** The filter as a oneof of either direction; undefined for a response filter where there is none. */
export function filterOf(filter: RouteFilter) {
  switch (filter.type) {
    case "RequestHeaderModifier":
      return {
        case: "requestHeaderModifier" as const,
        value: headerModifier(filter.requestHeaderModifier!),
      };
    case "ResponseHeaderModifier":
      return {
        case: "responseHeaderModifier" as const,
        value: headerModifier(filter.responseHeaderModifier!),
      };
    case "RequestRedirect":
      return { case: "redirect" as const, value: redirect(filter.requestRedirect!) };
    case "URLRewrite":
      return { case: "urlRewrite" as const, value: urlRewrite(filter.urlRewrite!) };
  }
}

/** The filter of a gRPC route, which has no response filters and no redirects on the wire; undefined for these. */
export function grpcFilter(filter: RouteFilter) {
  const kind = filterOf(filter);
  return kind.case === "requestHeaderModifier" ? { kind } : undefined;
}

function headerMatch({ type, name, value }: { type: string; name: string; value: string }) {
  return {
    name: name.toLowerCase(),
    value:
      type === "Exact"
        ? { case: "exact" as const, value: bytes(value) }
        : { case: "regex" as const, value },
  };
}

type DeclaredModifier = NonNullable<RouteFilter["requestHeaderModifier"]>;

function headerModifier({ add, set, remove }: DeclaredModifier): Modifier {
  const headers = (list: DeclaredModifier["add"]) => ({
    headers: list.map(({ name, value }) => ({ name, value: bytes(value) })),
  });
  return { add: headers(add), set: headers(set), remove: [...remove] };
}

type DeclaredRedirect = NonNullable<RouteFilter["requestRedirect"]>;

function redirect({ scheme, hostname, path, port, statusCode }: DeclaredRedirect): Redirect {
  const registered = scheme === "https" ? Scheme_Registered.HTTPS : Scheme_Registered.HTTP;
  return {
    status: statusCode,
    host: hostname ?? "",
    port: port ?? 0,
    ...(scheme && { scheme: { type: { case: "registered", value: registered } } }),
    ...(path && { path: pathModifier(path) }),
  };
}

function urlRewrite({
  hostname,
  path,
}: NonNullable<RouteFilter["urlRewrite"]>): Init<typeof UrlRewriteSchema> {
  return { host: hostname ?? "", ...(path && { path: pathModifier(path) }) };
}

function pathModifier({
  type,
  replaceFullPath = "/",
  replacePrefixMatch = "/",
}: NonNullable<DeclaredRedirect["path"]>): Init<typeof PathModifierSchema> {
  return {
    replace:
      type === "ReplaceFullPath"
        ? { case: "full", value: replaceFullPath }
        : { case: "prefix", value: replacePrefixMatch },
  };
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
