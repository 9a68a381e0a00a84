// The precedence of routes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { request, response, type ReqParts } from "../../test/support/messages.ts";
import { byRoute, hostOf, type HostMatch, type HttpMatch } from "./route.ts";
import type { HttpService } from "./types.ts";

type Rule = { name: string; matches: HttpMatch[] };

const match = (parts: Partial<HttpMatch>): HttpMatch => ({
  path: undefined,
  method: undefined,
  headers: [],
  query: [],
  ...parts,
});
const exact = (value: string) => match({ path: { kind: "exact", value } });
const prefix = (value: string) => match({ path: { kind: "prefix", value } });
const regex = (value: RegExp) => match({ path: { kind: "regex", value } });
const rule = (name: string, ...matches: HttpMatch[]): Rule => ({ name, matches });
const route = (rules: Rule[], ...hosts: HostMatch[]) => ({ hosts, rules });

function pick(routes: ReturnType<typeof route>[], req: ReqParts): string | undefined {
  let picked: string | undefined;
  const bind =
    ({ name }: Rule): HttpService =>
    async () => {
      picked = name;
      return response();
    };
  byRoute(routes, bind)(request(req)).catch(() => {});
  return picked;
}

test("the more exact path wins, in whatever order they are listed", () => {
  const rules = [
    rule("all", prefix("/")),
    rule("api", prefix("/api")),
    rule("v1", prefix("/api/v1/")),
    rule("any item", regex(/^\/api\/v1\/items\/\d+$/)),
    rule("item 7", exact("/api/v1/items/7")),
  ];
  for (const list of [rules, [...rules].reverse()]) {
    const of = (path: string) => pick([route(list)], { path });
    assert.equal(of("/"), "all");
    assert.equal(of("/apix"), "all", "a prefix ends at a segment");
    assert.equal(of("/api?x=/api/v1"), "api");
    assert.equal(of("/api/"), "api");
    assert.equal(of("/api/v1"), "v1");
    assert.equal(of("/api/v1?q"), "v1");
    assert.equal(of("/api/v1/items/9?q=1"), "any item");
    assert.equal(of("/api/v1/items/7"), "item 7");
    assert.equal(of("/api/v1/items/7?x=y"), "item 7");
  }
});

test("then a method, then more headers, then more query parameters; among equals the first", () => {
  const header = { name: "x-user", match: { kind: "exact", value: "7" } } as const;
  const query = { name: "q", match: { kind: "regex", value: /^\d+$/ } } as const;
  const routes = [
    route([rule("first", prefix("/a")), rule("second", prefix("/a"))]),
    route([rule("query", match({ ...prefix("/a"), query: [query] }))]),
    route([rule("header", match({ ...prefix("/a"), headers: [header] }))]),
    route([rule("post", match({ ...prefix("/a"), method: "POST" }))]),
  ];
  assert.equal(pick(routes, { path: "/a" }), "first");
  assert.equal(pick(routes, { path: "/a?q=12" }), "query");
  assert.equal(pick(routes, { path: "/a?q=x" }), "first");
  assert.equal(pick(routes, { path: "/a?q=1", headers: ["X-User", "7"] }), "header");
  assert.equal(pick(routes, { path: "/a", headers: ["x-user", "8", "x-user", "7"] }), "header");
  assert.equal(pick(routes, { method: "POST", path: "/a?q=1", headers: ["x-user", "7"] }), "post");
});

test("the more exact host comes before everything else", () => {
  const routes = [
    route([rule("any", exact("/a"))]),
    route([rule("suffix", prefix("/"))], { kind: "suffix", value: ".example.com" }),
    route([rule("longer suffix", prefix("/"))], { kind: "suffix", value: ".b.example.com" }),
    route([rule("exact", prefix("/"))], { kind: "exact", value: "Web.Example.com" }),
  ];
  const of = (authority: string) => pick(routes, { authority, path: "/a" });
  assert.equal(of("web.example.com:8080"), "exact");
  assert.equal(of("x.example.com"), "suffix");
  assert.equal(of("x.b.example.com:1"), "longer suffix");
  assert.equal(of("example.com"), "any", "a suffix needs something before it");
  assert.equal(of("other"), "any");
});

test("any of the alternatives of a rule will do, and none means all requests", () => {
  assert.equal(pick([route([rule("r", exact("/a"), exact("/b"))])], { path: "/b" }), "r");
  assert.equal(pick([route([rule("r", exact("/a"), exact("/b"))])], { path: "/c" }), undefined);
  assert.equal(pick([route([rule("r")])], { path: "/c" }), "r");
});

test("requests go to the service of their rule; one without a rule is no-route", async () => {
  const bound: string[] = [];
  const service = byRoute([route([rule("a", exact("/a")), rule("b", exact("/b"))])], ({ name }) => {
    bound.push(name);
    return async () => response(200, ["x-rule", name]);
  });
  assert.deepEqual(bound, ["a", "b"], "all are bound before the first request");
  assert.deepEqual((await service(request({ path: "/b" }))).headers, ["x-rule", "b"]);
  await assert.rejects(service(request({ path: "/c?secret" })), {
    code: "no-route",
    message: "no route for GET web.example:80/c",
  });
});

test("the host of an authority", () => {
  for (const [authority, host] of [
    ["Web:80", "web"],
    ["web", "web"],
    ["[::1]:80", "[::1]"],
    ["[::1]", "[::1]"],
    ["", ""],
  ]) {
    assert.equal(hostOf(authority!), host);
  }
});
