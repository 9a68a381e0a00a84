// What routes match and what their filters do, translated for both directions. A gRPC route is an HTTP route
// whose method is POST and whose path is /service/method, so that one matcher serves both.

import type { GrpcFailureInjector, GrpcRouteMatch } from "../../proto/gen/grpc_route_pb.js";
import type {
  HeaderMatch,
  HttpFailureInjector,
  HttpRouteMatch,
  PathMatch,
  PathModifier,
  Ratio,
  RequestHeaderModifier,
  RequestRedirect,
  ResponseHeaderModifier,
  UrlRewrite,
} from "../../proto/gen/http_route_pb.js";
import type { Headers } from "../../proto/gen/http_types_pb.js";
import { hasOnly, TARGET, TOKEN, VALUE } from "../wire/octets.ts";
import { invalid, parseMethod, parseRegex, parseScheme } from "./fromproto.ts";
import type { HttpMatch, NamedMatch, TextMatch } from "../stack/route.ts";
import type { HeaderEdits, NewPath, RouteFilter } from "../stack/rewrite.ts";

export function parseHttpMatch(wire: HttpRouteMatch, place: string): HttpMatch {
  return {
    path: wire.path && parsePath(wire.path, `${place}.path`),
    method: parseMethod(wire.method),
    headers: wire.headers.map((match) => parseHeader(match, `${place}.headers`)),
    query: wire.queryParams.map(({ name, value }) => ({
      name,
      match: parseText(value, `${place}.query_params`),
    })),
  };
}

export function parseGrpcMatch(wire: GrpcRouteMatch, place: string): HttpMatch {
  const { service = "", method = "" } = wire.rpc ?? {};
  const path: TextMatch | undefined =
    service && method
      ? { kind: "exact", value: `/${service}/${method}` }
      : service
        ? { kind: "prefix", value: `/${service}` }
        : method
          ? { kind: "regex", value: new RegExp(`^/[^/]+/${method.replace(/\W/g, "\\$&")}$`) }
          : undefined;
  const headers = wire.headers.map((match) => parseHeader(match, `${place}.headers`));
  return { path, method: "POST", headers, query: [] };
}

type WireFilter =
  | { case: "failureInjector"; value: HttpFailureInjector | GrpcFailureInjector }
  | { case: "requestHeaderModifier"; value: RequestHeaderModifier }
  | { case: "responseHeaderModifier"; value: ResponseHeaderModifier }
  | { case: "redirect"; value: RequestRedirect }
  | { case: "urlRewrite"; value: UrlRewrite }
  | { case: "invalid"; value: { message: string } }
  | { case: "forbidden"; value: unknown }
  | { case: undefined; value?: undefined };

export function parseFilter(kind: WireFilter, place: string): RouteFilter {
  switch (kind.case) {
    case "requestHeaderModifier":
      return { kind: "request-headers", edits: parseEdits(kind.value, place) };
    case "responseHeaderModifier":
      return { kind: "response-headers", edits: parseEdits(kind.value, place) };
    case "failureInjector":
      return parseFailure(kind.value, `${place}.failure_injector`);
    case "redirect":
      return parseRedirect(kind.value, `${place}.redirect`);
    case "urlRewrite":
      return { kind: "url", ...parseUrlParts(kind.value, `${place}.url_rewrite`) };
    case "forbidden":
      return { kind: "forbid" };
    case "invalid":
      return { kind: "invalid", message: kind.value.message };
    case undefined:
      // From a newer control plane. What it shall do must not be left out; other rules need not suffer.
      return { kind: "invalid", message: `${place} is of a kind that this proxy does not know` };
  }
}

function parsePath({ kind }: PathMatch, place: string): TextMatch {
  if (kind.case === undefined) throw invalid(place, "has no kind");
  return kind.case === "regex"
    ? { kind: "regex", value: parseRegex(kind.value, place) }
    : { kind: kind.case, value: kind.value };
}

function parseHeader({ name, value }: HeaderMatch, place: string): NamedMatch {
  return { name: name.toLowerCase(), match: parseText(value, place) };
}

function parseText(
  value:
    | { case: "exact"; value: string | Uint8Array }
    | { case: "regex"; value: string }
    | { case: undefined; value?: undefined },
  place: string,
): TextMatch {
  if (value.case === "exact") {
    const exact = value.value;
    return { kind: "exact", value: typeof exact === "string" ? exact : latin1(exact) };
  }
  if (value.case === undefined) throw invalid(place, "has no value");
  return { kind: "regex", value: parseRegex(value.value, place) };
}

function parseEdits(
  wire: RequestHeaderModifier | ResponseHeaderModifier,
  place: string,
): HeaderEdits {
  const named = (name: string): string => {
    if (hasOnly(name, TOKEN)) return name.toLowerCase();
    throw invalid(place, `has ${JSON.stringify(name)}, which is no name of a header`);
  };
  const pairs = (headers: Headers | undefined): (readonly [string, string])[] =>
    headers?.headers.map(({ name, value }) => {
      const text = latin1(value).trim();
      if (text === "" || hasOnly(text, VALUE)) return [named(name), text] as const;
      throw invalid(place, `has ${JSON.stringify(text)}, which is no value of a header`);
    }) ?? [];
  return { add: pairs(wire.add), set: pairs(wire.set), remove: wire.remove.map(named) };
}

function parseFailure(wire: HttpFailureInjector | GrpcFailureInjector, place: string): RouteFilter {
  const [status, first, last] = "code" in wire ? [wire.code, 0, 16] : [wire.status, 200, 599];
  if (status < first || status > last) throw invalid(place, `has status ${status}`);
  const ratio = parseRatio(wire.ratio, place);
  return { kind: "fail", status, message: wire.message, ratio };
}

function parseRatio(ratio: Ratio | undefined, place: string): number {
  if (ratio === undefined) return 1;
  if (ratio.denominator === 0) throw invalid(`${place}.ratio`, "has the denominator 0");
  return ratio.numerator / ratio.denominator;
}

function parseRedirect(wire: RequestRedirect, place: string): RouteFilter {
  const status = wire.status || 301;
  if (status < 300 || status > 399) throw invalid(place, `has status ${status}`);
  if (wire.port > 65_535) throw invalid(place, `has port ${wire.port}`);
  const scheme = parseScheme(wire.scheme);
  fitsInUri(scheme, place);
  const port = wire.port || undefined;
  return { kind: "redirect", scheme, ...parseUrlParts(wire, place), port, status };
}

function parseUrlParts(
  { host, path }: { host: string; path?: PathModifier | undefined },
  place: string,
): { host: string | undefined; path: NewPath | undefined } {
  const { case: kind, value = "" } = path?.replace ?? {};
  for (const part of [host, value]) fitsInUri(part, place);
  const rooted = value.startsWith("/") ? value : `/${value}`;
  return { host: host || undefined, path: kind && { kind, value: rooted } };
}

function fitsInUri(part: string | undefined, place: string): void {
  if (part && !hasOnly(part, TARGET))
    throw invalid(place, `has ${JSON.stringify(part)}, which fits in no URI`);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
