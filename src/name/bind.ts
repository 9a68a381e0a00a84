// Binding: from a name to the clients that serve it, followed step by step and watched at each step.
// A step rewrites a path by the dtab or, where no rule matches, asks the namers; every path that comes out is
// looked up again until only bound names are left. `resolve` is the meaning of alternation and union over time.

import { Fault } from "../base/fault.ts";
import { type Close, constant, known, source, type State, Var, type Watch } from "../base/watch.ts";
import type { Addr } from "./addr.ts";
import { type Dtab, rewrites } from "./dtab.ts";
import { alt, type Branch, leaf, type NameTree, neg, simplify, union } from "./nametree.ts";
import { hasPrefix, type Path, printPath } from "./path.ts";

/** A name that a namer serves: the client `id` (`/#/io.l5d.fs/web`), what is left of the path, and the endpoints. */
export type Bound = {
  readonly id: Path;
  readonly residual: Path;
  readonly addr: Watch<Addr>;
  /** Set on a synthetic service: every request is answered with this HTTP status. */
  readonly status?: number;
};

/** What a namer may answer: a bound name, or a path to look up in its place. */
export type Name = Path | Bound;

/** Service discovery for the names under one prefix; the plug-in interface of namers. */
export interface Namer {
  /** The tree of `path`, which comes without the namer's prefix; ids of bound names carry it. */
  bind(path: Path): Watch<NameTree<Name>>;
  /** Ids of all names, for namers that can tell. */
  readonly names?: Watch<readonly Path[]>;
}

/** A namer and the prefix under which it serves. */
export type Mount = { readonly prefix: Path; readonly namer: Namer };

/** One step for one path. */
export type Lookup = (path: Path) => Watch<NameTree<Name>>;

/** How many steps a name may take. */
export const maxDepth = 100;
/** How many steps may be watched for one name, so that no dtab of a request's header can grow without end. */
export const maxLookups = 1000;

/** Whether a namer answered with a path to look up. */
export function isPath(name: Name): name is Path {
  return Array.isArray(name);
}

/** A watch that has failed and will say nothing else. */
export function failed<T>(fault: Fault): Watch<T> {
  const watch = new Var<T>();
  watch.fail(fault);
  return watch;
}

/** The step function of a dtab above namers: rules last to first, else namers first to last until one is not negative. */
export function lookupIn(dtab: Dtab, mounts: readonly Mount[]): Lookup {
  return (path) => {
    const rules = rewrites(dtab, path);
    return rules.length > 0
      ? constant(alt(...rules.map((rule) => rule.tree)))
      : lookupNamers(mounts, path);
  };
}

/** What the namers alone answer for a path. */
export function lookupNamers(mounts: readonly Mount[], path: Path): Watch<NameTree<Name>> {
  const at = mounts.findIndex(({ prefix }) => hasPrefix(path, prefix));
  if (at < 0) return constant<NameTree<Name>>(neg);
  const { prefix, namer } = mounts[at]!;
  return ask(namer, path.slice(prefix.length)).flatMap((tree) =>
    tree.kind === "neg" ? lookupNamers(mounts.slice(at + 1), path) : constant(tree),
  );
}

/** The bound clients of a name, kept up to date; fails where the name never comes to an end. */
export function bindName(lookup: Lookup, name: Path): Watch<NameTree<Bound>> {
  let live = 0;
  const bindPath = (path: Path, depth: number): Watch<NameTree<Bound>> =>
    source((set) => {
      if (depth > maxDepth || live >= maxLookups) {
        set({ kind: "failed", fault: endless(depth, name) });
        return () => {};
      }
      live++;
      const bound = lookup(path).flatMap((tree) =>
        resolve(tree, (found) =>
          isPath(found) ? bindPath(found, depth + 1) : constant(leaf(found)),
        ),
      );
      const close = bound.observe(set);
      return () => {
        live--;
        close();
      };
    });
  return bindPath(name, 0);
}

/**
 * The tree that is left when each leaf is replaced by the tree that `onto` watches.
 * Alt: the first that is not negative; later ones are not even looked up. Union: the branches that are bound;
 * a branch that is pending or failed counts only when no other is bound.
 */
export function resolve<T, U>(
  tree: NameTree<T>,
  onto: (value: T) => Watch<NameTree<U>>,
): Watch<NameTree<U>> {
  switch (tree.kind) {
    case "leaf":
      return onto(tree.value);
    case "alt":
      return firstOf(tree.trees, onto);
    case "union":
      return share(tree.branches.map((b) => ({ weight: b.weight, watch: resolve(b.tree, onto) })));
    default:
      return constant<NameTree<U>>(tree);
  }
}

// Opens one tree after the other while all before are negative. A loop and not a recursion, because namers may
// answer at once and a dtab may have more alternatives than the stack has room for.
function firstOf<T, U>(
  trees: readonly NameTree<T>[],
  onto: (value: T) => Watch<NameTree<U>>,
): Watch<NameTree<U>> {
  return source((set) => {
    const states: State<NameTree<U>>[] = [];
    const closes: Close[] = [];
    let settling = false;
    let again = false;
    const settle = (): void => {
      again = true;
      if (settling) return;
      settling = true;
      let at = 0;
      while (again) {
        again = false;
        for (at = 0; at < trees.length; at++) {
          if (at === closes.length) closes.push(open(at));
          if (known(states[at]!)?.kind !== "neg") break;
        }
        for (const close of closes.splice(at + 1)) close();
      }
      settling = false;
      const state = states[at] ?? { kind: "ok", value: neg };
      if (state.kind !== "pending") set(state);
    };
    const open = (at: number): Close => {
      states[at] = { kind: "pending" };
      return resolve(trees[at]!, onto).observe((state) => {
        states[at] = state;
        settle();
      });
    };
    settle();
    return () => {
      for (const close of closes) close();
    };
  });
}

function share<U>(
  branches: readonly { weight: number; watch: Watch<NameTree<U>> }[],
): Watch<NameTree<U>> {
  return source((set) => {
    const states: State<NameTree<U>>[] = branches.map(() => ({ kind: "pending" }));
    let started = false;
    const publish = (): void => {
      const outcome = started && shareNow(branches, states);
      if (outcome) set(outcome);
    };
    const closes = branches.map(({ watch }, i) =>
      watch.observe((state) => {
        states[i] = state;
        publish();
      }),
    );
    started = true;
    publish();
    return () => {
      for (const close of closes) close();
    };
  });
}

// Nothing while some branch is pending and none is bound: whoever waits shall wait on.
function shareNow<U>(
  branches: readonly { weight: number }[],
  states: readonly State<NameTree<U>>[],
): State<NameTree<U>> | undefined {
  const bound: Branch<U>[] = [];
  states.forEach((state, i) => {
    const tree = known(state);
    if (tree && tree.kind !== "neg" && tree.kind !== "fail") {
      bound.push({ weight: branches[i]!.weight, tree });
    }
  });
  if (bound.length > 0) return { kind: "ok", value: simplify(union(...bound)) };
  if (states.some((state) => state.kind === "pending")) return undefined;
  const failed = states.find((state) => state.kind === "failed" && state.last === undefined);
  return failed ?? { kind: "ok", value: neg };
}

// A namer may be a plug-in; one that throws fails its name and nothing else.
function ask(namer: Namer, path: Path): Watch<NameTree<Name>> {
  try {
    return namer.bind(path);
  } catch (error) {
    return failed(Fault.from(error));
  }
}

function endless(depth: number, name: Path): Fault {
  return depth > maxDepth
    ? new Fault("no-route", `Max recursion level: ${maxDepth} reached in Namer lookup`)
    : new Fault("no-route", `More than ${maxLookups} lookups for ${printPath(name)}`);
}
