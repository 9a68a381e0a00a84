// Templates as Helm reads them: what each construct prints, and that what is missing is named.

import assert from "node:assert/strict";
import { test } from "node:test";
import { podOf } from "../control/manifest.ts";
import { mergeValues, parseSet, renderChart } from "./chart.ts";
import { Templates } from "./gotemplate.ts";

const render = (text: string, root: unknown = {}): string => new Templates().parse("t", text)(root);

const cases: readonly [string, string, unknown, string][] = [
  ["a value", "{{ .a.b }}", { a: { b: 1 } }, "1"],
  ["trimmed space", "a \n {{- `b` -}} \n c", {}, "abc"],
  ["if, else if, else", "{{ if .a }}1{{ else if .b }}2{{ else }}3{{ end }}", { b: "x" }, "2"],
  ["with", "{{ with .a }}[{{ . }}]{{ end }}{{ with .b }}never{{ end }}", { a: "x" }, "[x]"],
  ["range", "{{ range .a }}{{ . }},{{ end }}", { a: [1, 2] }, "1,2,"],
  [
    "range with a variable",
    "{{ range $x := list 1 2 }}{{ $x }}{{ $.y }}{{ end }}",
    { y: "y" },
    "1y2y",
  ],
  ["a variable set in a branch", "{{ $x := 1 }}{{ if $x }}{{ $x = 2 }}{{ end }}{{ $x }}", {}, "2"],
  [
    "range over a map",
    "{{ range $k, $v := .m }}{{ $k }}={{ $v }};{{ end }}",
    { m: { b: 2, a: 1 } },
    "a=1;b=2;",
  ],
  ["include", '{{ define "a" }}<{{ .v }}>{{ end }}{{ include "a" . | quote }}', { v: 2 }, '"<2>"'],
  [
    "and, or, not, default",
    "{{ and .t (not .f) }}{{ or .f .t }}{{ .f | default 7 }}",
    { t: true, f: false },
    "truetrue7",
  ],
  [
    "toYaml and nindent",
    "a:{{ toYaml .m | nindent 2 }}",
    { m: { b: [1], c: "x" } },
    "a:\n  b:\n    - 1\n  c: x",
  ],
  ["a comment", "a{{/* not this */}}b", {}, "ab"],
];

for (const [name, template, root, wanted] of cases) {
  test(`template: ${name}`, () => assert.equal(render(template, root), wanted));
}

test("what is missing is named with its place", () => {
  assert.throws(() => render("\n{{ nothing .a }}"), /t:2: there is no function "nothing"/);
  assert.throws(() => render('{{ required "say a" .a }}'), /say a/);
});

test("values merge as Helm merges them, and null takes a default away", () => {
  const merged = mergeValues({ a: { b: 1, c: [1, 2] }, d: 1 }, { a: { c: [3] }, d: null });
  assert.deepEqual(merged, { a: { b: 1, c: [3] }, d: null });
  const nodes = (set: string) =>
    renderChart("linkerd2-cni", "cni", parseSet(set)).flatMap(
      (object) => podOf(object)?.spec["tolerations"] ?? [],
    );
  assert.deepEqual(nodes(""), [{ operator: "Exists" }]);
  assert.deepEqual(nodes("tolerations=null"), []);
});

test("--set reads paths, lists, numbers and escapes", () => {
  assert.deepEqual(parseSet("a.b=1,c=x\\,y,d={1,z},e\\.f=true"), {
    a: { b: 1 },
    c: "x,y",
    d: [1, "z"],
    "e.f": true,
  });
  assert.deepEqual(parseSet("a=1", true), { a: "1" });
  assert.deepEqual(parseSet("a[1].b=x,a[0].b=y,c=null,d="), {
    a: [{ b: "y" }, { b: "x" }],
    c: null,
    d: "",
  });
  for (const wrong of ["a", "a=1,b", "=1"])
    assert.throws(() => parseSet(wrong), /is not KEY=VALUE/, wrong);
});

test("the charts render, and every object has a name", () => {
  const tls = { crtPEM: "C", keyPEM: "K", caBundle: "B" };
  const control = {
    identityTrustAnchorsPEM: "A",
    identity: { issuer: { tls: { crtPEM: "C", keyPEM: "K" } } },
    proxyInjector: tls,
    profileValidator: tls,
    policyValidator: tls,
  };
  const wanted = [
    ["linkerd-crds", {}, 10],
    ["linkerd-control-plane", control, 36],
    ["linkerd-viz", { tap: tls, tapInjector: tls }, 20],
    ["linkerd2-cni", {}, 6],
  ] as const;
  for (const [chart, values, count] of wanted) {
    const objects = renderChart(chart, "mesh", values);
    for (const { metadata } of objects) assert.ok(metadata?.name);
    assert.equal(objects.length, count, chart);
  }
});
