// What a route or a backend does to messages on their way: changing header fields and the URL, redirecting, failing on
// purpose.
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

/** `full` replaces the path, `prefix` the part of it that the route matched; the query stays. */
export type NewPath = { readonly kind: "full" | "prefix"; readonly value: string };

export type Redirect = {
  readonly kind: "redirect";
  readonly scheme: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly path: NewPath | undefined;
  readonly status: number;
};

export type Failure = {
  readonly kind: "fail";
  /** HTTP status; a gRPC status when it is below 100. */
  readonly status: number;
  readonly message: string;
  /** The share of requests that fail, 0 to 1. */
  readonly ratio: number;
};

export type RouteFilter =
  | { readonly kind: "request-headers" | "response-headers"; readonly edits: HeaderEdits }
  | { readonly kind: "url"; readonly host: string | undefined; readonly path: NewPath | undefined }
  | Redirect
  | Failure
  | { readonly kind: "forbid" }
  | { readonly kind: "invalid"; readonly message: string };

/** The filters of a route in their order. `matches` are those of its rule: what they matched of a path may be replaced. */
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
      case "url":
        return editUrl(filter.host, filter.path, matches);
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

function editUrl(
  host: string | undefined,
  path: NewPath | undefined,
  matches: readonly HttpMatch[],
): HttpFilter {
  return (next) =>
    function editUrl(req) {
      if (host !== undefined) req.authority = host;
      if (path !== undefined) req.path = withPath(req, path, matches);
      return next(req);
    };
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
  const target = rule.path === undefined ? req.path : withPath(req, rule.path, matches);
  return `${scheme}://${host}${standard ? "" : `:${port}`}${target}`;
}

// The target of a request with another path.
function withPath(req: HttpReq, path: NewPath, matches: readonly HttpMatch[]): string {
  const old = pathOf(req);
  const query = req.path.slice(old.length);
  return (path.kind === "full" ? path.value : withPrefix(old, path.value, matches)) + query;
}

function withPrefix(old: string, value: string, matches: readonly HttpMatch[]): string {
  const prefix = matches
    .flatMap((match) =>
      match.path?.kind === "prefix" ? [match.path.value.replace(/\/$/, "")] : [],
    )
    .filter((value) => old === value || old.startsWith(`${value}/`))
    .sort((a, b) => b.length - a.length)[0];
  if (prefix === undefined) return old;
  return `${value.replace(/\/$/, "")}${old.slice(prefix.length)}` || "/";
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
