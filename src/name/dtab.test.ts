// The grammar: what is read, what is refused with which words, and that print and parse are inverse.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { SyntaxFault, SyntaxWarning } from "./cursor.ts";
import { type Dtab, parseDtab, type Prefix, printDtab, rewrites, wildcard } from "./dtab.ts";
import {
  alt,
  empty,
  fail,
  leaf,
  type NameTree,
  neg,
  parseTree,
  printTree,
  union,
} from "./nametree.ts";
import { hasPrefix, parsePath, type Path, printPath } from "./path.ts";

const segment: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^[0-9A-Za-z_:.#$%-]{1,8}$/) },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ minLength: 1, maxLength: 4 })
      .map((b) => Buffer.from(b).toString("latin1")),
  },
);
const path: fc.Arbitrary<Path> = fc.array(segment, { maxLength: 4 });
const prefix: fc.Arbitrary<Prefix> = fc.array(fc.oneof(segment, fc.constant(wildcard)), {
  maxLength: 4,
});
const weight = fc.nat(1e9).map((millionths) => millionths / 1e6);

const { tree } = fc.letrec<{ tree: NameTree<Path> }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 4, arbitrary: path.map(leaf) },
    fc.constantFrom<NameTree<Path>>(neg, fail, empty),
    fc.array(tie("tree"), { minLength: 2, maxLength: 3 }).map((trees) => alt(...trees)),
    fc
      .array(fc.record({ weight, tree: tie("tree") }, { noNullPrototype: true }), {
        minLength: 2,
        maxLength: 3,
      })
      .map((branches) => union(...branches)),
  ),
}));
const dtab: fc.Arbitrary<Dtab> = fc.array(
  fc.record({ prefix, dst: tree }, { noNullPrototype: true }),
  { maxLength: 4 },
);

const refusal = (read: () => unknown): string => {
  try {
    read();
  } catch (fault) {
    return (fault as SyntaxFault).message;
  }
  return "read without a fault";
};

test("parse after print is the identity", () => {
  fc.assert(fc.property(path, (p) => assert.deepEqual(parsePath(printPath(p)), p)));
  fc.assert(fc.property(tree, (t) => assert.deepEqual(parseTree(printTree(t)), t)));
  fc.assert(fc.property(dtab, (d) => assert.deepEqual(parseDtab(printDtab(d)), d)));
});

test("paths print what is not showable as bytes", () => {
  assert.equal(printPath([]), "/");
  assert.equal(printPath(["a b", "\u00fc*"]), "/a\\x20b/\\xfc\\x2a");
  assert.deepEqual(parsePath(" /$/inet/127.1/80 # here"), ["$", "inet", "127.1", "80"]);
  assert.ok(
    hasPrefix(["a", "b"], ["a"]) && !hasPrefix(["ab"], ["a"]) && !hasPrefix(["a"], ["a", "b"]),
  );
});

test("refusals say what was expected, what was found, and where", () => {
  const cases: [() => unknown, string][] = [
    [() => parsePath("invalid-param"), "'/' expected but 'i' found at '[i]nvalid-param'"],
    [() => parsePath("io.l5d.fs"), "'/' expected but 'i' found at '[i]o.l5d.fs'"],
    [() => parsePath(""), "'/' expected but end of input found at '[]'"],
    [() => parsePath("/a/"), "label char expected but end of input found at '/a/[]'"],
    [() => parsePath("/a//b"), "label char expected but '/' found at '/a/[/]b'"],
    [() => parsePath("/a b"), "end of input expected but 'b' found at '/a [b]'"],
    [() => parsePath("/a\\y00"), "'x' expected but 'y' found at '/a\\[y]00'"],
    [() => parsePath("/a\\x0g"), "hex char expected but 'g' found at '/a\\x0[g]'"],
    [() => parseTree("/a |"), "simple expected but end of input found at '/a |[]'"],
    [() => parseTree("(/a"), "')' expected but end of input found at '(/a[]'"],
    [() => parseTree("1.2.3 * /a"), "number char expected but '.' found at '1.2[.]3 * /a'"],
    [() => parseTree(". * /a"), "weight expected but ' ' found at '.[ ]* /a'"],
    [() => parseTree("0.5 /a"), "'*' expected but '/' found at '0.5 [/]a'"],
    [() => parseDtab("/svc"), "'=' expected but end of input found at '/svc[]'"],
    [() => parseDtab("/svc = /a"), "'>' expected but ' ' found at '/svc =[ ]/a'"],
    [
      () => parseDtab("/a => /b /c => /d"),
      "end of input expected but '/' found at '/a => /b [/]c => /d'",
    ],
    [() => parseDtab("/a=>/b;;"), "'/' expected but ';' found at '/a=>/b;[;]'"],
    [() => parseDtab("/$io.b/* => {x}"), "simple expected but '{' found at '/$io.b/* => [{]x}'"],
  ];
  for (const [read, message] of cases) assert.equal(refusal(read), message);
});

test("printing puts parentheses only where they are needed, and two decimals at least", () => {
  for (const text of [
    "/bah | /beh | /$/fail",
    "0.90*/a & 0.10*/b",
    "/a & /b | ~",
    "(/a | !) & $",
    "(/a | /b) | /c",
    "(/a & /b) & 0.125*/c",
    "(/a | /b) & 2.00*(/c | /d)",
  ]) {
    assert.equal(printTree(parseTree(text)), text);
  }
  assert.equal(
    printDtab(parseDtab("/ => / ; /a/*/b=>  0.5 * /c& /d | $; ")),
    "/=>/;/a/*/b=>0.50*/c & /d | $",
  );
});

test("a weight of a lone branch is dropped, as in Linkerd 1", () => {
  assert.deepEqual(parseTree("0.3 * /a"), leaf(["a"]));
});

test("F8, A2: a weight after its path is read, and the warning shows the right form", () => {
  const warnings: SyntaxWarning[] = [];
  const text = "/kschool => /madrid/magallanes/1 * 0.9 & /madrid/sol/5 * 0.1;";
  const read = parseDtab(text, (w) => warnings.push(w));
  assert.equal(printDtab(read), "/kschool=>0.90*/madrid/magallanes/1 & 0.10*/madrid/sol/5");
  assert.deepEqual(
    warnings.map((w) => [
      text.slice(w.at).split(" ", 1)[0],
      w.message.slice(w.message.indexOf("write")),
    ]),
    [
      ["/madrid/magallanes/1", "write 0.9 * /madrid/magallanes/1"],
      ["/madrid/sol/5", "write 0.1 * /madrid/sol/5"],
    ],
  );
});

test("F10: comments, blanks and a last semicolon are welcome everywhere", () => {
  const text = `
    # every name
    /srv  => /#/io.l5d.k8s/default/http;   # the services

    /host => /srv ; /svc=>/host;
    /host/world => /srv/world-v1 ; # canary off
  `;
  assert.equal(
    printDtab(parseDtab(text)),
    "/srv=>/#/io.l5d.k8s/default/http;/host=>/srv;/svc=>/host;/host/world=>/srv/world-v1",
  );
  assert.deepEqual(parseDtab("# nothing"), []);
});

test("every rule whose prefix matches rewrites, the last one first", () => {
  const step = (text: string, name: string): string[] =>
    rewrites(parseDtab(text), parsePath(name)).map(({ tree: t }) => printTree(t));
  assert.deepEqual(step("/svc=>/a; /svc=>/b", "/svc/x"), ["/b/x", "/a/x"]);
  assert.deepEqual(step("/http/1.1/*=>/host", "/http/1.1/GET/web"), ["/host/web"]);
  assert.deepEqual(step("/http/1.1/*=>/host", "/http/1.1"), []);
  assert.deepEqual(step("/a => 0.7 * /b & 0.3 * (/c | ~); /ab => /d; /=>/root", "/a/x"), [
    "/root/a/x",
    "0.70*/b/x & 0.30*(/c/x | ~)",
  ]);
});

test("parentheses do not get deeper than a stack is", () => {
  const nested = (depth: number): string => `/a => ${"(/b | ".repeat(depth)}/c${")".repeat(depth)}`;
  assert.equal(parseDtab(nested(10)).length, 1);
  assert.throws(() => parseDtab(nested(11)), /at most 10 parentheses expected but '\(' found/);
  assert.throws(() => parseDtab(`/a => ${"(".repeat(5_000)}`), /at most 10 parentheses/);
});
