// Alternation and union over time: what a name tree comes down to while its leaves are still being found out.
// The laws for trees whose leaves are known are in `nametree.ts`; here a leaf may also be pending or failed.

import { type Close, constant, known, source, type State, type Watch } from "../base/watch.ts";
import { type Branch, type NameTree, neg, simplify, union } from "./nametree.ts";

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
