// The namer `io.l5d.rewrite`: paths that match a pattern are looked up again under another name.

import { constant } from "../base/watch.ts";
import type { Name, Namer } from "./bind.ts";
import { pathMatcher, substitutePath } from "./matcher.ts";
import { leaf, type NameTree, neg } from "./nametree.ts";

/** Replaces what `pattern` matches by `name`, captures put in; what is left of the path stays behind it. */
export function rewriteNamer(pattern: string, name: string): Namer {
  const matcher = pathMatcher(pattern);
  return {
    bind(path) {
      const captures = matcher.match(path);
      if (!captures) return constant<NameTree<Name>>(neg);
      return constant(leaf([...substitutePath(name, captures), ...path.slice(matcher.length)]));
    },
  };
}
