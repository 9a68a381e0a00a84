// The delegation of a name: every step that binding could take, with all branches, losing ones too.
// It is what the playground, `explain` and the body of a routing error show; its shape is that of
// `/delegator.json`. Unlike binding it never waits: what is not known yet stands there as `pending`.

import { combine, constant, known, source, type State, type Watch } from "../base/watch.ts";
import { type AddrJson, addrJson } from "./addr.ts";
import {
  type Bound,
  isPath,
  lookupNamers,
  maxDepth,
  maxLookups,
  type Mount,
  type Name,
} from "./bind.ts";
import { type Dentry, type Dtab, printPrefix, rewrites } from "./dtab.ts";
import { type NameTree, printTree } from "./nametree.ts";
import { type Path, printPath } from "./path.ts";
import { transform, type Transformer } from "./transform.ts";

/** The rule that led to a node. */
export type DentryJson = { prefix: string; dst: string };

/** A bound name and its endpoints; `path` is the residual. */
export type BoundJson = { addr: AddrJson; id: string; path: string };

/** One node; `path` is the name looked up there, `dentry` the rule that made it. Keys come in the order of Linkerd's JSON. */
export type Delegation = { path: string; dentry?: DentryJson } & (
  | { type: "delegate"; delegate: Delegation }
  | { type: "alt"; alt: Delegation[] }
  | { type: "union"; union: { weight: number; tree: Delegation }[] }
  | { type: "leaf"; bound: BoundJson }
  | { type: "transformation"; name: string; bound: BoundJson; tree: Delegation }
  | { type: "exception"; message: string }
  | { type: "neg" | "fail" | "empty" | "pending" }
);

/** The delegation of `name`; a watch that always has a value. */
export function delegate(
  dtab: Dtab,
  mounts: readonly Mount[],
  name: Path,
  transformers: readonly Transformer[] = [],
): Watch<Delegation> {
  const last = transformers.findLastIndex((transformer) => transformer.instead);
  const delegator = new Delegator(dtab, mounts, transformers.slice(last + 1));
  const instead = transformers[last]?.instead;
  return instead ? delegator.instead(name, instead) : delegator.node(name, undefined, 0);
}

/** Whether nothing in a delegation is pending. */
export function isSettled(node: Delegation): boolean {
  switch (node.type) {
    case "delegate":
      return isSettled(node.delegate);
    case "alt":
      return node.alt.every(isSettled);
    case "union":
      return node.union.every((branch) => isSettled(branch.tree));
    case "leaf":
      return node.bound.addr.type !== "pending";
    case "transformation":
      return isSettled(node.tree);
    default:
      return node.type !== "pending";
  }
}

class Delegator {
  readonly #dtab: Dtab;
  readonly #mounts: readonly Mount[];
  readonly #transformers: readonly Transformer[];
  /** Rules as they are shown: a long one is printed once and not for each of its leaves. */
  readonly #printed = new Map<Dentry, DentryJson>();
  #live = 0;

  constructor(dtab: Dtab, mounts: readonly Mount[], transformers: readonly Transformer[]) {
    this.#dtab = dtab;
    this.#mounts = mounts;
    this.#transformers = transformers;
  }

  /** The node of a path that is still to be looked up. */
  node(path: Path, dentry: Dentry | undefined, depth: number): Watch<Delegation> {
    const at = this.#place(path, dentry);
    if (depth > maxDepth) return exception(at, "Max recursion level reached.");
    return source((set) => {
      // One tree was refused: what is beside it is not looked up in vain.
      if (this.#live > maxLookups) return tooMany(at).observe(set);
      const rules = rewrites(this.#dtab, path);
      // Of the name itself as much is shown as there are lookups for.
      const leaves = depth === 0 ? 0 : rules.reduce((sum, { tree }) => sum + leafCount(tree), 0);
      const count = Math.max(1, leaves);
      this.#live += count;
      const next = this.#live > maxLookups ? tooMany(at) : this.#step(rules, path, dentry, depth);
      const close = next.observe(set);
      return () => {
        this.#live -= count;
        close();
      };
    });
  }

  /** The node of a name whose place is taken by a tree, whatever its rules say. */
  instead(name: Path, watch: Watch<NameTree<Bound>>): Watch<Delegation> {
    const at = this.#place(name, undefined);
    return this.#settle(watch, at, (tree) =>
      this.#tree(tree, name, undefined, 0).map((node) => hang(at, node)),
    );
  }

  #place(path: Path, dentry: Dentry | undefined): Place {
    if (!dentry) return { path: printPath(path) };
    let printed = this.#printed.get(dentry);
    if (!printed) {
      printed = { prefix: printPrefix(dentry.prefix), dst: printTree(dentry.dst) };
      this.#printed.set(dentry, printed);
    }
    return { path: printPath(path), dentry: printed };
  }

  #settle<T>(watch: Watch<T>, at: Place, f: (value: T) => Watch<Delegation>): Watch<Delegation> {
    return states(watch).flatMap((state) => {
      const value = known(state);
      if (value !== undefined) return f(value);
      return state.kind === "failed"
        ? exception(at, state.fault.message)
        : constant<Delegation>({ type: "pending", ...at });
    });
  }

  #step(
    rules: ReturnType<typeof rewrites>,
    path: Path,
    dentry: Dentry | undefined,
    depth: number,
  ): Watch<Delegation> {
    const at = this.#place(path, dentry);
    const branches = rules.flatMap((rule) =>
      (rule.tree.kind === "alt" ? rule.tree.trees : [rule.tree]).map((tree) =>
        this.#tree(tree, path, rule.dentry, depth + 1),
      ),
    );
    if (branches.length > 1) return alternatives(at, branches);
    const [only] = branches;
    if (only) return only.map((tree) => hang(at, tree));
    return this.#settle(lookupNamers(this.#mounts, path), at, (tree) =>
      this.#found(tree, path, dentry, depth),
    );
  }

  /** What the namers answered for `path` itself. */
  #found(
    tree: NameTree<Name>,
    path: Path,
    dentry: Dentry | undefined,
    depth: number,
  ): Watch<Delegation> {
    if (tree.kind === "leaf" && isPath(tree.value)) {
      const at = this.#place(path, dentry);
      return this.node(tree.value, undefined, depth + 1).map((next) => hang(at, next));
    }
    if (tree.kind === "leaf" || tree.kind === "alt" || tree.kind === "union") {
      return this.#tree(tree, path, dentry, depth + 1);
    }
    return constant<Delegation>({ type: tree.kind, ...this.#place(path, dentry) });
  }

  /** A tree in the place of `path`. */
  #tree(
    tree: NameTree<Name>,
    path: Path,
    dentry: Dentry | undefined,
    depth: number,
  ): Watch<Delegation> {
    const at = this.#place(path, dentry);
    switch (tree.kind) {
      case "leaf":
        return isPath(tree.value)
          ? this.node(tree.value, dentry, depth)
          : this.#leaf(tree.value, at, this.#transformers);
      case "alt":
        return alternatives(
          at,
          tree.trees.map((t) => this.#tree(t, path, dentry, depth)),
        );
      case "union": {
        const branches = tree.branches.map((b) => this.#tree(b.tree, path, dentry, depth));
        return combine(branches).map((nodes) => ({
          type: "union",
          ...at,
          union: nodes.map((node, i) => ({ weight: tree.branches[i]!.weight, tree: node })),
        }));
      }
      default: {
        const written = { neg: "~", fail: "!", empty: at.path }[tree.kind];
        return constant<Delegation>({ type: tree.kind, ...at, path: written });
      }
    }
  }

  #leaf(bound: Bound, at: Place, transformers: readonly Transformer[]): Watch<Delegation> {
    const before = boundJson(bound);
    const [first, ...rest] = transformers;
    if (!first) return before.map((json) => ({ type: "leaf", ...at, bound: json }));
    const after = this.#settle(transform(first, { kind: "leaf", value: bound }), at, (tree) =>
      tree.kind === "leaf"
        ? this.#leaf(tree.value, { ...at, path: printPath(tree.value.id) }, rest)
        : this.#tree(tree, bound.id, undefined, 0),
    );
    return combine([before, after]).map(([json, tree]) => ({
      type: "transformation",
      path: at.path,
      name: first.kind,
      bound: json,
      tree,
    }));
  }
}

type Place = { path: string; dentry?: DentryJson };

// A union stands for the name itself; everything else hangs below it.
function hang(at: Place, tree: Delegation): Delegation {
  return tree.type === "union" && tree.path === at.path
    ? { type: "union", ...at, union: tree.union }
    : { type: "delegate", ...at, delegate: tree };
}

function alternatives(at: Place, branches: readonly Watch<Delegation>[]): Watch<Delegation> {
  return combine(branches).map((nodes) => ({ type: "alt", ...at, alt: [...nodes] }));
}

function exception(at: Place, message: string): Watch<Delegation> {
  return constant<Delegation>({ type: "exception", ...at, message });
}

function tooMany(at: Place): Watch<Delegation> {
  return exception(at, `More than ${maxLookups} lookups.`);
}

function leafCount(tree: NameTree<unknown>): number {
  if (tree.kind === "alt") return tree.trees.reduce((sum, t) => sum + leafCount(t), 0);
  if (tree.kind === "union") return tree.branches.reduce((sum, b) => sum + leafCount(b.tree), 0);
  return 1;
}

function boundJson(bound: Bound): Watch<BoundJson> {
  const id = printPath(bound.id);
  const path = printPath(bound.residual);
  return states(bound.addr).map((state) => ({ addr: addrJson(state), id, path }));
}

/** The states of a watch as a watch that is never pending nor failed. */
function states<T>(watch: Watch<T>): Watch<State<T>> {
  return source<State<T>>((set) => {
    set({ kind: "ok", value: { kind: "pending" } });
    return watch.observe((value) => set({ kind: "ok", value }));
  });
}
