// What routes match and what their filters do, translated for both directions. A gRPC route is an HTTP route
// whose method is POST and whose path is /service/method, so that one matcher serves both.

import type { GrpcFailureInjector, GrpcRouteMatch } from "../../proto/gen/grpc_route_pb.js";
import type {
  HeaderMatch,
  HttpFailureInjector,
  HttpRouteMatch,
  PathMatch,
  Ratio,
  RequestHeaderModifier,
  RequestRedirect,
  ResponseHeaderModifier,
} from "../../proto/gen/http_route_pb.js";
import type { Headers } from "../../proto/gen/http_types_pb.js";
import { invalid, parseMethod, parseRegex, parseScheme } from "./fromproto.ts";
import type { HttpMatch, NamedMatch, TextMatch } from "../stack/route.ts";
import type { HeaderEdits, RouteFilter } from "../stack/rewrite.ts";

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
  | { case: "invalid"; value: { message: string } }
  | { case: "forbidden"; value: unknown }
  | { case: undefined; value?: undefined };

export function parseFilter(kind: WireFilter, place: string): RouteFilter {
  switch (kind.case) {
    case "requestHeaderModifier":
      return { kind: "request-headers", edits: parseEdits(kind.value) };
    case "responseHeaderModifier":
      return { kind: "response-headers", edits: parseEdits(kind.value) };
    case "failureInjector":
      return parseFailure(kind.value, `${place}.failure_injector`);
    case "redirect":
      return parseRedirect(kind.value, `${place}.redirect`);
    case "forbidden":
      return { kind: "forbid" };
    case "invalid":
      return { kind: "invalid", message: kind.value.message };
    case undefined:
      throw invalid(place, "is of a kind that this proxy does not know");
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

function parseEdits(wire: RequestHeaderModifier | ResponseHeaderModifier): HeaderEdits {
  const pairs = (headers: Headers | undefined): (readonly [string, string])[] =>
    headers?.headers.map(({ name, value }) => [name.toLowerCase(), latin1(value)] as const) ?? [];
  return {
    add: pairs(wire.add),
    set: pairs(wire.set),
    remove: wire.remove.map((name) => name.toLowerCase()),
  };
}

function parseFailure(wire: HttpFailureInjector | GrpcFailureInjector, place: string): RouteFilter {
  const grpc = "code" in wire;
  const status = grpc ? wire.code : wire.status;
  const last = grpc ? 16 : 599;
  if (status < (grpc ? 0 : 200) || status > last) throw invalid(place, `has status ${status}`);
  return {
    kind: "fail",
    status,
    grpc,
    message: wire.message,
    ratio: parseRatio(wire.ratio, place),
  };
}

function parseRatio(ratio: Ratio | undefined, place: string): number {
  if (ratio === undefined) return 1;
  if (ratio.denominator === 0) throw invalid(`${place}.ratio`, "has the denominator 0");
  return ratio.numerator / ratio.denominator;
}

function parseRedirect(wire: RequestRedirect, place: string): RouteFilter {
  const status = wire.status || 301;
  if (status < 300 || status > 399) throw invalid(place, `has status ${status}`);
  const replace = wire.path?.replace;
  return {
    kind: "redirect",
    scheme: parseScheme(wire.scheme),
    host: wire.host || undefined,
    port: wire.port || undefined,
    path: replace?.case && { kind: replace.case, value: replace.value },
    status,
  };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
