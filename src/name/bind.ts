// Binding: from a name to the clients that serve it, followed step by step and watched at each step.
// A step rewrites a path by the dtab or, where no rule matches, asks the namers; every path that comes out is
// looked up again until only bound names are left.

import { Fault } from "../base/fault.ts";
import { constant, failed, source, type Watch } from "../base/watch.ts";
import type { Addr } from "./addr.ts";
import { type Dtab, rewrites } from "./dtab.ts";
import { alt, leaf, type NameTree, neg } from "./nametree.ts";
import { hasPrefix, type Path, printPath } from "./path.ts";
import { resolve } from "./resolve.ts";

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
  const tooMany = failed<NameTree<Bound>>(
    new Fault("no-route", `More than ${maxLookups} lookups for ${printPath(name)}`),
  );
  let live = 0;
  const bindPath = (path: Path, depth: number): Watch<NameTree<Bound>> =>
    source((set) => {
      if (depth > maxDepth) return tooDeep().observe(set);
      // One tree was refused: what is beside it is not looked up in vain.
      if (live > maxLookups) return tooMany.observe(set);
      return lookup(path)
        .flatMap((tree) => expand(tree, depth))
        .observe(set);
    });
  const expand = (tree: NameTree<Name>, depth: number): Watch<NameTree<Bound>> =>
    source((set) => {
      const count = together(tree);
      live += count;
      const bound =
        live > maxLookups
          ? tooMany
          : resolve(tree, (found) =>
              isPath(found) ? bindPath(found, depth + 1) : constant(leaf(found)),
            );
      const close = bound.observe(set);
      return () => {
        live -= count;
        close();
      };
    });
  return bindPath(name, 0);
}

/** How many lookups a tree stands for: those of a union are made at once, alternatives one after the other. */
function together(tree: NameTree<unknown>): number {
  if (tree.kind === "alt") return tree.trees.reduce((most, t) => Math.max(most, together(t)), 1);
  if (tree.kind === "union") return tree.branches.reduce((sum, b) => sum + together(b.tree), 0);
  return 1;
}

// A namer may be a plug-in; one that throws fails its name and nothing else.
function ask(namer: Namer, path: Path): Watch<NameTree<Name>> {
  try {
    return namer.bind(path);
  } catch (error) {
    return failed(Fault.from(error));
  }
}

function tooDeep(): Watch<NameTree<Bound>> {
  const sentence = `Max recursion level: ${maxDepth} reached in Namer lookup`;
  return failed(new Fault("no-route", sentence));
}
