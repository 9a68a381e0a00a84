// Name trees: what a name stands for, as alternatives and weighted shares of leaves.
// Exists apart from dtabs because the same tree holds paths before binding and bound clients after it.
// Pure values and functions; looking leaves up is `bind.ts`.
//
// Laws (each has a property test):
//   evalTree(simplify(t)) = evalTree(t)            simplify(simplify(t)) = simplify(t)
//   alt(neg, t) = t = alt(t)                       alt(fail, t) = fail        alt(empty, t) = empty
//   union(neg | fail, w*t) = t = union(w*t)        alt() = neg = union()
//   parseTree(printTree(t)) = t, but for the weight of a lone branch, which the grammar drops

import type { Random } from "../base/random.ts";
import { type Cursor, parseAll, type Warn } from "./cursor.ts";
import { type Path, printPath, readPath } from "./path.ts";

/** A tree of names with leaves of type `T`; the meaning of each kind is in the table of Linkerd's dtab page. */
export type NameTree<T> =
  | Leaf<T>
  | { readonly kind: "alt"; readonly trees: readonly NameTree<T>[] }
  | { readonly kind: "union"; readonly branches: readonly Branch<T>[] }
  | Neg
  | Fail
  | Empty;

/** A name to look up, or one that is bound. */
export type Leaf<T> = { readonly kind: "leaf"; readonly value: T };
/** No such name: an alternation goes on to its next tree. */
export type Neg = { readonly kind: "neg" };
/** Stop: an alternation ends here without a result. */
export type Fail = { readonly kind: "fail" };
/** Bound, but to nothing: an alternation ends here with no hosts. */
export type Empty = { readonly kind: "empty" };
/** One share of a union; weights count relative to their siblings. */
export type Branch<T> = { readonly weight: number; readonly tree: NameTree<T> };

export const neg: Neg = { kind: "neg" };
export const fail: Fail = { kind: "fail" };
export const empty: Empty = { kind: "empty" };

/** The tree of one name. */
export function leaf<T>(value: T): Leaf<T> {
  return { kind: "leaf", value };
}

/** The first of `trees` that is not negative. */
export function alt<T>(...trees: readonly NameTree<T>[]): NameTree<T> {
  return { kind: "alt", trees };
}

/** Shares by weight. */
export function union<T>(...branches: readonly Branch<T>[]): NameTree<T> {
  return { kind: "union", branches };
}

/** The same tree with every leaf replaced by a tree. */
export function graft<T, U>(tree: NameTree<T>, onto: (value: T) => NameTree<U>): NameTree<U> {
  switch (tree.kind) {
    case "leaf":
      return onto(tree.value);
    case "alt":
      return alt(...tree.trees.map((t) => graft(t, onto)));
    case "union":
      return union(
        ...tree.branches.map(({ weight, tree: t }) => ({ weight, tree: graft(t, onto) })),
      );
    default:
      return tree;
  }
}

/** The same tree with every leaf's value replaced. */
export function mapTree<T, U>(tree: NameTree<T>, f: (value: T) => U): NameTree<U> {
  return graft(tree, (value) => leaf(f(value)));
}

/** All values of a tree's leaves, from left to right. */
export function* leaves<T>(tree: NameTree<T>): Generator<T> {
  if (tree.kind === "leaf") yield tree.value;
  if (tree.kind === "alt") for (const t of tree.trees) yield* leaves(t);
  if (tree.kind === "union") for (const { tree: t } of tree.branches) yield* leaves(t);
}

/** The smallest tree with the same meaning that can be made without looking leaves up. */
export function simplify<T>(tree: NameTree<T>): NameTree<T> {
  if (tree.kind === "alt") return simplifyAlt(tree.trees);
  if (tree.kind !== "union") return tree;
  const branches: Branch<T>[] = [];
  for (const { weight, tree: t } of tree.branches) {
    const simple = simplify(t);
    if (simple.kind !== "neg" && simple.kind !== "fail") branches.push({ weight, tree: simple });
  }
  return branches.length > 1 ? union(...branches) : (branches[0]?.tree ?? neg);
}

function simplifyAlt<T>(trees: readonly NameTree<T>[]): NameTree<T> {
  const left: NameTree<T>[] = [];
  for (const t of trees) {
    const simple = simplify(t);
    if (simple.kind !== "neg") left.push(simple);
    if (simple.kind === "fail" || simple.kind === "empty") break;
  }
  return left.length > 1 ? alt(...left) : (left[0] ?? neg);
}

/** The leaves that a tree comes down to when every leaf exists; weights are ignored. */
export function evalTree<T>(tree: NameTree<T>): Leaf<ReadonlySet<T>> | Neg | Fail | Empty {
  switch (tree.kind) {
    case "leaf":
      return leaf(new Set([tree.value]));
    case "alt":
      for (const t of tree.trees) {
        const found = evalTree(t);
        if (found.kind !== "neg") return found;
      }
      return neg;
    case "union": {
      const found = tree.branches
        .map((b) => evalTree(b.tree))
        .filter((t) => t.kind === "leaf" || t.kind === "empty");
      const values = new Set(found.flatMap((t) => (t.kind === "leaf" ? [...t.value] : [])));
      return values.size > 0 ? leaf(values) : found.length > 0 ? empty : neg;
    }
    default:
      return tree;
  }
}

/** One leaf by chance and weight, undefined where chance or the tree leads to none; for trees whose leaves all exist. */
export function pickLeaf<T>(tree: NameTree<T>, random: Random): T | undefined {
  switch (tree.kind) {
    case "leaf":
      return tree.value;
    case "alt": {
      const first = tree.trees.find((t) => evalTree(t).kind !== "neg");
      return first && pickLeaf(first, random);
    }
    case "union":
      return pickBranch(tree.branches, random);
    default:
      return undefined;
  }
}

function pickBranch<T>(branches: readonly Branch<T>[], random: Random): T | undefined {
  const total = branches.reduce((sum, branch) => sum + branch.weight, 0);
  let left = random.next() * total;
  for (const { weight, tree } of branches) {
    left -= weight;
    if (left < 0) return pickLeaf(tree, random);
  }
  // All weights are 0: then each is as good as the other.
  const any = branches[random.below(branches.length)];
  return any && pickLeaf(any.tree, random);
}

/** How deep parentheses may stand in each other; a name of a hundred steps, each as deep, fits the stack twice. */
const maxParentheses = 10;

/** Reads a name tree of paths; throws a SyntaxFault. Weights after a path are accepted with a warning. */
export function parseTree(text: string, warn?: Warn): NameTree<Path> {
  return parseAll(text, readTree, warn);
}

/** The text of a name tree of paths (or of other leaves, with their own printer). */
export function printTree(tree: NameTree<Path>): string;
export function printTree<T>(tree: NameTree<T>, print: (value: T) => string): string;
export function printTree(
  tree: NameTree<Path>,
  print: (value: Path) => string = printPath,
): string {
  const simple = (t: NameTree<Path>): string =>
    t.kind === "alt" || t.kind === "union" ? `(${printTree(t, print)})` : printTree(t, print);
  switch (tree.kind) {
    case "leaf":
      return print(tree.value);
    case "alt":
      return (
        tree.trees.map((t) => (t.kind === "union" ? printTree(t, print) : simple(t))).join(" | ") ||
        "~"
      );
    case "union":
      return tree.branches.map((b) => printWeight(b.weight) + simple(b.tree)).join(" & ") || "~";
    default:
      return { neg: "~", fail: "!", empty: "$" }[tree.kind];
  }
}

/** Reads `a | b & c` at the cursor; `|` binds weakest. */
export function readTree(cursor: Cursor): NameTree<Path> {
  const trees: NameTree<Path>[] = [];
  do {
    trees.push(readUnion(cursor));
    cursor.skip();
  } while (cursor.ate("|"));
  return trees.length > 1 ? alt(...trees) : trees[0]!;
}

function readUnion(cursor: Cursor): NameTree<Path> {
  const branches: Branch<Path>[] = [];
  do {
    branches.push(readBranch(cursor));
    cursor.skip();
  } while (cursor.ate("&"));
  return branches.length > 1 ? union(...branches) : branches[0]!.tree;
}

function readBranch(cursor: Cursor): Branch<Path> {
  cursor.skip();
  if (isNumberChar(cursor.char)) {
    const weight = readNumber(cursor);
    cursor.skip();
    cursor.eat("*");
    return { weight, tree: readSimple(cursor) };
  }
  const start = cursor.at;
  const tree = readSimple(cursor);
  const end = cursor.at;
  cursor.skip();
  if (!cursor.ate("*")) return { weight: 1, tree };
  cursor.skip();
  const weight = readNumber(cursor);
  const message = `a weight stands before its path in Linkerd 1: write ${weight} * ${cursor.text.slice(start, end)}`;
  cursor.warn({ at: start, message });
  return { weight, tree };
}

function readSimple(cursor: Cursor): NameTree<Path> {
  cursor.skip();
  if (cursor.char === "/") return leaf(readPath(cursor));
  if (cursor.ate("!")) return fail;
  if (cursor.ate("~")) return neg;
  if (cursor.ate("$")) return empty;
  // The text may be a request's: it shall not decide how deep the stack gets.
  if (cursor.depth === maxParentheses) cursor.fail(`at most ${maxParentheses} parentheses`);
  if (!cursor.ate("(")) cursor.fail("simple");
  cursor.depth++;
  const tree = readTree(cursor);
  cursor.depth--;
  cursor.skip();
  cursor.eat(")");
  return tree;
}

function readNumber(cursor: Cursor): number {
  const start = cursor.at;
  let dots = 0;
  for (; isNumberChar(cursor.char); cursor.at++) {
    if (cursor.char === "." && ++dots > 1) cursor.fail("number char");
  }
  const digits = cursor.text.slice(start, cursor.at);
  if (digits === "" || digits === ".") cursor.fail("weight");
  return Number(digits);
}

function isNumberChar(char: string): boolean {
  return /[0-9.]/.test(char);
}

/** Two decimals as Linkerd prints them, and more where two would change the weight. */
function printWeight(weight: number): string {
  if (weight === 1) return "";
  let decimals = 2;
  while (decimals < 100 && Number(weight.toFixed(decimals)) !== weight) decimals++;
  return `${weight.toFixed(decimals)}*`;
}
