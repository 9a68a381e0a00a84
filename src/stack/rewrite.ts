// What a route or a backend does to messages on their way: changing header fields, redirecting, failing on purpose.
// These are the filters of the Gateway API and of Linkerd's policies; each is compiled when the route is bound.

import { Fault } from "../base/fault.ts";
import type { Random } from "../base/random.ts";
import { Body } from "../io/body.ts";
import { type HttpReq, HttpRsp } from "../io/message.ts";
import { type Headers, removeHeader, setHeader } from "../wire/headers.ts";
import { hostOf, pathOf, type HttpMatch } from "./route.ts";
import type { HttpFilter } from "./types.ts";

/** Changes of header fields; names in lower case. Applied in this order. */
export type HeaderEdits = {
  readonly add: readonly (readonly [string, string])[];
  readonly set: readonly (readonly [string, string])[];
  readonly remove: readonly string[];
};

export type Redirect = {
  readonly kind: "redirect";
  readonly scheme: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** `full` replaces the path, `prefix` the part of it that the route matched. */
  readonly path: { readonly kind: "full" | "prefix"; readonly value: string } | undefined;
  readonly status: number;
};

export type Failure = {
  readonly kind: "fail";
  /** HTTP status, or gRPC status when `grpc`. */
  readonly status: number;
  readonly grpc: boolean;
  readonly message: string;
  /** The share of requests that fail, 0 to 1. */
  readonly ratio: number;
};

export type RouteFilter =
  | { readonly kind: "request-headers" | "response-headers"; readonly edits: HeaderEdits }
  | Redirect
  | Failure
  | { readonly kind: "forbid" }
  | { readonly kind: "invalid"; readonly message: string };

/** The filters of a route in their order. `matches` are those of its rule: a redirect may replace what they matched. */
export function rewrite(
  filters: readonly RouteFilter[],
  random: Random,
  matches: readonly HttpMatch[] = [],
): HttpFilter[] {
  return filters.map((filter) => {
    switch (filter.kind) {
      case "request-headers":
        return editRequest(filter.edits);
      case "response-headers":
        return editResponse(filter.edits);
      case "redirect":
        return redirect(filter, matches);
      case "fail":
        return fail(filter, random);
      case "forbid":
        return refuse("forbidden", "traffic not allowed");
      case "invalid":
        return refuse("invalid-policy", filter.message);
    }
  });
}

function editRequest(edits: HeaderEdits): HttpFilter {
  return (next) =>
    function editRequest(req) {
      edit(req.headers, edits);
      return next(req);
    };
}

function editResponse(edits: HeaderEdits): HttpFilter {
  const change = (rsp: HttpRsp): HttpRsp => {
    edit(rsp.headers, edits);
    return rsp;
  };
  return (next) =>
    function editResponse(req) {
      return next(req).then(change);
    };
}

function edit(headers: Headers, { add, set, remove }: HeaderEdits): void {
  for (const [name, value] of add) headers.push(name, value);
  for (const [name, value] of set) setHeader(headers, name, value);
  for (const name of remove) removeHeader(headers, name);
}

function redirect(rule: Redirect, matches: readonly HttpMatch[]): HttpFilter {
  return () =>
    function redirect(req) {
      const headers = ["location", locationOf(req, rule, matches), "content-length", "0"];
      return Promise.resolve(new HttpRsp(rule.status, headers, Body.empty, req.version));
    };
}

function locationOf(req: HttpReq, rule: Redirect, matches: readonly HttpMatch[]): string {
  const scheme = rule.scheme ?? (req.scheme || "http");
  const host = rule.host ?? hostOf(req.authority);
  // A port that was asked for is kept, unless the redirect changes the scheme or names one.
  const asked = /:(\d+)$/.exec(req.authority)?.[1];
  const port = rule.port ?? (rule.scheme === undefined && asked ? Number(asked) : undefined);
  const standard = port === undefined || port === (scheme === "https" ? 443 : 80);
  const query = req.path.slice(pathOf(req).length);
  return `${scheme}://${host}${standard ? "" : `:${port}`}${pathFor(req, rule, matches)}${query}`;
}

function pathFor(req: HttpReq, { path }: Redirect, matches: readonly HttpMatch[]): string {
  const old = pathOf(req);
  if (path === undefined) return old;
  if (path.kind === "full") return path.value;
  const prefix = matches
    .flatMap((match) =>
      match.path?.kind === "prefix" ? [match.path.value.replace(/\/$/, "")] : [],
    )
    .filter((value) => old === value || old.startsWith(`${value}/`))
    .sort((a, b) => b.length - a.length)[0];
  if (prefix === undefined) return old;
  return `${path.value.replace(/\/$/, "")}${old.slice(prefix.length)}` || "/";
}

function fail({ status, message, ratio }: Failure, random: Random): HttpFilter {
  return (next) =>
    function fail(req) {
      if (ratio < 1 && random.next() >= ratio) return next(req);
      return Promise.reject(new Fault("injected", message, { detail: status }));
    };
}

function refuse(code: "forbidden" | "invalid-policy", message: string): HttpFilter {
  return () =>
    function refuse() {
      return Promise.reject(new Fault(code, message));
    };
}
