// Which rule a request belongs to, in the precedence of the Gateway API: the more exact host, then the more exact
// path, a method, more headers, more query parameters; among equals, the first listed. All of that is known when
// the routes are, so they are sorted once, and the first that matches a request is the best.

import { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { sameName } from "../wire/headers.ts";
import type { HttpService } from "./types.ts";

/** A text to compare with. `prefix` goes by whole path segments; a regex has to match everything. */
export type TextMatch =
  | { readonly kind: "exact" | "prefix"; readonly value: string }
  | { readonly kind: "regex"; readonly value: RegExp };

/** The value of a header (lower-case) or query parameter. */
export type NamedMatch = { readonly name: string; readonly match: TextMatch };

/** A host pattern: `exact` is the host itself, `suffix` what follows the `*` (".example.com"). */
export type HostMatch = { readonly kind: "exact" | "suffix"; readonly value: string };

/** A request matches when all parts that are given match. */
export type HttpMatch = {
  readonly path: TextMatch | undefined;
  readonly method: string | undefined;
  readonly headers: readonly NamedMatch[];
  readonly query: readonly NamedMatch[];
};

/** A route: hosts (none: any) and rules, each with alternative matches (none: any request). */
export type Route<Rule extends { readonly matches: readonly HttpMatch[] }> = {
  readonly hosts: readonly HostMatch[];
  readonly rules: readonly Rule[];
};

/**
 * Sends each request to the service of its rule; all are bound here and now. A request without one is `no-route`, of
 * which `miss` hears.
 */
export function byRoute<Rule extends { readonly matches: readonly HttpMatch[] }>(
  routes: readonly Route<Rule>[],
  bind: (rule: Rule, route: Route<Rule>) => HttpService,
  miss?: (req: HttpReq) => void,
): HttpService {
  const choices = sorted(routes, bind);
  const [first] = choices;
  if (first !== undefined && first.test === undefined) return first.service;
  return function byRoute(req): Promise<HttpRsp> {
    for (let i = 0; i < choices.length; i++) {
      const choice = choices[i]!;
      if (choice.test === undefined || choice.test(req)) return choice.service(req);
    }
    miss?.(req);
    return Promise.reject(new Fault("no-route", `no route for ${req.method} ${place(req)}`));
  };
}

type Test = (req: HttpReq) => boolean;
type Choice = {
  readonly rank: readonly number[];
  /** Undefined: every request. */
  readonly test: Test | undefined;
  readonly service: HttpService;
};

const ANY: HttpMatch = { path: undefined, method: undefined, headers: [], query: [] };

function sorted<Rule extends { readonly matches: readonly HttpMatch[] }>(
  routes: readonly Route<Rule>[],
  bind: (rule: Rule, route: Route<Rule>) => HttpService,
): Choice[] {
  const choices: Choice[] = [];
  for (const route of routes) {
    for (const rule of route.rules) {
      const service = bind(rule, route);
      for (const host of route.hosts.length > 0 ? route.hosts : [undefined]) {
        for (const match of rule.matches.length > 0 ? rule.matches : [ANY]) {
          choices.push({ rank: rankOf(host, match), test: testOf(host, match), service });
        }
      }
    }
  }
  // Sorting is stable, so equals stay in the order in which they are listed.
  return choices.sort((a, b) => compare(b.rank, a.rank));
}

function rankOf(host: HostMatch | undefined, match: HttpMatch): number[] {
  const { path } = match;
  const hostRank = host === undefined ? 0 : host.kind === "exact" ? 2 : 1;
  // Exact and regular expressions match the whole path, which is never shorter than a prefix of it.
  const pathRank = path?.kind === "exact" ? 3 : path?.kind === "regex" ? 2 : 1;
  const prefix = path?.kind === "prefix" ? trimSlash(path.value).length : 0;
  return [
    hostRank,
    host?.value.length ?? 0,
    pathRank,
    prefix,
    match.method === undefined ? 0 : 1,
    match.headers.length,
    match.query.length,
  ];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

function testOf(host: HostMatch | undefined, match: HttpMatch): Test | undefined {
  const tests: Test[] = [];
  const { path, method, headers, query } = match;
  if (method !== undefined) tests.push((req) => req.method === method);
  if (path !== undefined && !(path.kind === "prefix" && path.value === "/"))
    tests.push(pathTest(path));
  if (host !== undefined) tests.push(hostTest(host));
  for (const header of headers) tests.push(headerTest(header));
  for (const parameter of query) tests.push(queryTest(parameter));
  if (tests.length < 2) return tests[0];
  return (req) => tests.every((test) => test(req));
}

function pathTest(path: TextMatch): Test {
  if (path.kind === "regex") return (req) => path.value.test(pathOf(req));
  const wanted = path.kind === "exact" ? path.value : trimSlash(path.value);
  const { length } = wanted;
  // Compared in place, since slicing the query off would allocate.
  return path.kind === "exact"
    ? ({ path }) => path.startsWith(wanted) && (path.length === length || path[length] === "?")
    : ({ path }) => {
        if (!path.startsWith(wanted)) return false;
        const next = path[length];
        return next === undefined || next === "/" || next === "?";
      };
}

function hostTest({ kind, value }: HostMatch): Test {
  const wanted = value.toLowerCase();
  return kind === "exact"
    ? (req) => hostOf(req.authority) === wanted
    : (req) => {
        const host = hostOf(req.authority);
        return host.length > wanted.length && host.endsWith(wanted);
      };
}

function headerTest({ name, match }: NamedMatch): Test {
  return ({ headers }) => {
    for (let i = 0; i < headers.length; i += 2) {
      if (sameName(headers[i]!, name) && matches(match, headers[i + 1]!)) return true;
    }
    return false;
  };
}

function queryTest({ name, match }: NamedMatch): Test {
  return ({ path }) => {
    const at = path.indexOf("?");
    if (at < 0) return false;
    return new URLSearchParams(path.slice(at + 1))
      .getAll(name)
      .some((value) => matches(match, value));
  };
}

/** Whether a text matches: whole for `exact` and `regex`, the start of it for `prefix`. */
function matches(match: TextMatch, text: string): boolean {
  if (match.kind === "exact") return text === match.value;
  return match.kind === "regex" ? match.value.test(text) : text.startsWith(match.value);
}

/** The host of an authority, lower-case, without its port. */
export function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(":");
  const host = colon > authority.lastIndexOf("]") ? authority.slice(0, colon) : authority;
  return host.toLowerCase();
}

/** The path of a request without its query. */
export function pathOf(req: HttpReq): string {
  const at = req.path.indexOf("?");
  return at < 0 ? req.path : req.path.slice(0, at);
}

function trimSlash(prefix: string): string {
  return prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
}

function place(req: HttpReq): string {
  return `${req.authority}${pathOf(req)}`;
}
