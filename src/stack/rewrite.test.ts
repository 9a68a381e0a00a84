// The filters of routes: header fields, redirects, failures on purpose.

import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { header } from "../wire/headers.ts";
import { request, type ReqParts, response, scripted } from "../../test/support/messages.ts";
import { type Redirect, rewrite, type RouteFilter } from "./rewrite.ts";
import type { HttpMatch } from "./route.ts";
import { stack } from "./types.ts";

const random = seededRandom(1);
const EDITS = {
  add: [["x-more", "b"]],
  set: [["x-one", "new"]],
  remove: ["x-gone"],
} as const;

test("header fields of requests and responses are added, set and removed", async () => {
  const upstream = scripted(() => response(200, ["X-One", "old", "x-one", "older", "x-gone", "1"]));
  const filters = rewrite(
    [
      { kind: "request-headers", edits: EDITS },
      { kind: "response-headers", edits: EDITS },
    ],
    random,
  );
  const rsp = await stack(filters, upstream)(request({ headers: ["x-more", "a", "X-Gone", "1"] }));
  assert.deepEqual(upstream.seen[0]!.headers, ["x-more", "a", "x-more", "b", "x-one", "new"]);
  assert.deepEqual(rsp.headers, ["X-One", "new", "x-more", "b"]);
});

async function location(rule: Partial<Redirect>, req: ReqParts, match?: string): Promise<string> {
  const filter: RouteFilter = {
    kind: "redirect",
    scheme: undefined,
    host: undefined,
    port: undefined,
    path: undefined,
    status: 302,
    ...rule,
  };
  const path = match === undefined ? undefined : ({ kind: "prefix", value: match } as const);
  const matches: HttpMatch[] = [{ path, method: undefined, headers: [], query: [] }];
  const upstream = scripted(() => response());
  const rsp = await stack(rewrite([filter], random, matches), upstream)(request(req));
  assert.equal(upstream.seen.length, 0);
  assert.equal(rsp.status, 302);
  return header(rsp.headers, "location")!;
}

test("a redirect changes what it names and keeps the rest", async () => {
  const req = { authority: "web.example:8080", path: "/a/b?q=1" };
  assert.equal(await location({ scheme: "https" }, req), "https://web.example/a/b?q=1");
  assert.equal(await location({ host: "other" }, req), "http://other:8080/a/b?q=1");
  assert.equal(await location({ port: 80 }, req), "http://web.example/a/b?q=1");
  assert.equal(
    await location({ path: { kind: "full", value: "/x" } }, req),
    "http://web.example:8080/x?q=1",
  );
});

test("a redirect replaces the prefix that its rule matched", async () => {
  const to = (value: string, path: string, match: string) =>
    location({ path: { kind: "prefix", value } }, { authority: "w", path }, match);
  assert.equal(await to("/new", "/old/x", "/old"), "http://w/new/x");
  assert.equal(await to("/new/", "/old", "/old/"), "http://w/new");
  assert.equal(await to("/", "/old/x", "/old"), "http://w/x");
  assert.equal(await to("/", "/old", "/old"), "http://w/");
  assert.equal(await to("/new", "/x", "/"), "http://w/new/x");
});

test("the URL of a request is rewritten, its query is kept", async () => {
  const upstream = scripted(() => response());
  const send = async (url: Partial<Extract<RouteFilter, { kind: "url" }>>, path: string) => {
    const filter = { kind: "url", host: undefined, path: undefined, ...url } as const;
    const match = { kind: "prefix", value: "/old" } as const;
    const matches: HttpMatch[] = [{ path: match, method: undefined, headers: [], query: [] }];
    await stack(rewrite([filter], random, matches), upstream)(request({ authority: "web", path }));
    const sent = upstream.seen.at(-1)!;
    return sent.authority + sent.path;
  };
  assert.equal(await send({ host: "other" }, "/old/x?q=1"), "other/old/x?q=1");
  assert.equal(await send({ path: { kind: "full", value: "/x" } }, "/old/y?q=1"), "web/x?q=1");
  assert.equal(await send({ path: { kind: "prefix", value: "/n/" } }, "/old/x?q"), "web/n/x?q");
  assert.equal(await send({ path: { kind: "prefix", value: "/" } }, "/old"), "web/");
});

test("failures are injected in their proportion", async () => {
  const filter: RouteFilter = {
    kind: "fail",
    status: 418,
    message: "teapot",
    ratio: 0.25,
  };
  const service = stack(
    rewrite([filter], seededRandom(5)),
    scripted(() => response()),
  );
  let failed = 0;
  for (let i = 0; i < 1000; i++) {
    await service(request()).catch(({ code, detail, message }) => {
      assert.deepEqual([code, detail, message], ["injected", 418, "teapot"]);
      failed += 1;
    });
  }
  assert.ok(failed > 200 && failed < 300, String(failed));
});

test("what policy forbids or cannot mean is refused", async () => {
  const upstream = scripted(() => response());
  const run = (filter: RouteFilter) => stack(rewrite([filter], random), upstream)(request());
  await assert.rejects(run({ kind: "forbid" }), { code: "forbidden" });
  await assert.rejects(run({ kind: "invalid", message: "bad" }), { code: "invalid-policy" });
  assert.equal(upstream.seen.length, 0);
});
