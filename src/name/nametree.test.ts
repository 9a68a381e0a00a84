// The laws of name trees, over small trees whose leaves are letters.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  alt,
  empty,
  evalTree,
  fail,
  leaf,
  leaves,
  mapTree,
  type NameTree,
  neg,
  simplify,
  union,
} from "./nametree.ts";

type Tree = NameTree<string>;

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom<Tree>(leaf("a"), leaf("b"), leaf("c"), neg, fail, empty),
    fc.array(tie("tree"), { maxLength: 3 }).map((trees) => alt(...trees)),
    fc
      .array(tie("tree"), { maxLength: 3 })
      .map((trees) => union(...trees.map((t) => ({ weight: 0.5, tree: t })))),
  ),
}));

test("simplify keeps what a tree comes down to, and is done after one pass", () => {
  fc.assert(fc.property(tree, (t) => assert.deepEqual(evalTree(simplify(t)), evalTree(t))));
  fc.assert(fc.property(tree, (t) => assert.deepEqual(simplify(simplify(t)), simplify(t))));
});

test("the units and zeros of alternation and union", () => {
  const half = (t: Tree) => ({ weight: 0.5, tree: t });
  fc.assert(
    fc.property(tree, (t) => {
      const same = (a: Tree, b: Tree) => assert.deepEqual(simplify(a), simplify(b));
      same(alt(neg, t), t);
      same(alt(t), t);
      same(alt(fail, t), fail);
      same(alt(empty, t), empty);
      same(union(half(neg), half(fail), half(t)), simplify(t).kind === "fail" ? neg : t);
    }),
  );
  assert.deepEqual([simplify(alt()), simplify(union())], [neg, neg]);
});

test("a union of branches with no hosts is bound, to nothing", () => {
  assert.deepEqual(evalTree(union({ weight: 1, tree: empty }, { weight: 1, tree: neg })), empty);
  assert.deepEqual(evalTree(union({ weight: 1, tree: neg }, { weight: 1, tree: fail })), neg);
});

test("mapping touches every leaf and nothing else", () => {
  fc.assert(
    fc.property(tree, (t) => {
      const upper = mapTree(t, (s) => s.toUpperCase());
      assert.deepEqual(
        [...leaves(upper)],
        [...leaves(t)].map((s) => s.toUpperCase()),
      );
      assert.deepEqual(
        mapTree(upper, (s) => s.toLowerCase()),
        t,
      );
    }),
  );
});
