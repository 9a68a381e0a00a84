// Path matchers: what they match, capture and substitute.

import assert from "node:assert/strict";
import { test } from "node:test";
import { captureNames, pathMatcher, substitute, substitutePath } from "./matcher.ts";
import { parsePath } from "./path.ts";

test("patterns, paths and captures", () => {
  const cases: [pattern: string, path: string, captures: Record<string, string> | undefined][] = [
    ["/", "/anything", {}],
    ["/foo/bar", "/foo/bar", {}],
    ["/foo/bar", "/foo/bar/more", {}],
    ["/foo/bar", "/foo/goo", undefined],
    ["/foo/bar", "/foo", undefined],
    ["/foo/*/*", "/foo/hi/there", {}],
    ["/foo/*", "/foo", undefined],
    ["/foo/{A_B.c}", "/foo/bar/bas", { "A_B.c": "bar" }],
    ["/foo/{A}/*/{B}", "/foo/boo/bar/bas", { A: "boo", B: "bas" }],
    ["/foo/{A}:http", "/foo/bas:http", { A: "bas" }],
    ["/foo/{A}:http", "/foo/bar/bas:http", undefined],
    ["/{svc}-{ver}.x", "/web-front-v1.x", { svc: "web-front", ver: "v1" }],
    ["/{A}.com/{B}", "/fooXcom/80", undefined],
    ["/{A}.{B}.{C}", "/www.foo.com", { A: "www", B: "foo", C: "com" }],
    ["/a{A}", "/xa1", undefined],
    [
      "/$/io.buoyant.rinet/443/{service}",
      "/$/io.buoyant.rinet/443/example.com",
      { service: "example.com" },
    ],
    ["/%/io.l5d.k8s.daemonset", "/%/io.l5d.k8s.daemonset/default/incoming/l5d/#/k8s/x", {}],
  ];
  for (const [pattern, path, captures] of cases) {
    assert.deepEqual(
      pathMatcher(pattern).match(parsePath(path)),
      captures,
      `${pattern} on ${path}`,
    );
  }
});

test("captures take the place of their names, unknown names stay", () => {
  assert.equal(substitute("{service}.{zone}", { service: "web" }), "web.{zone}");
  assert.deepEqual(substitutePath("/k8s/{ns}/{port}", { ns: "books", port: "http" }), [
    "k8s",
    "books",
    "http",
  ]);
  assert.throws(() => substitutePath("/x/{a}", { a: "" }), /expected but end of input/);
  assert.deepEqual(captureNames("/{a}-{b}/*/{c}"), ["a", "b", "c"]);
});
