// A namer whose answers are kept: trees and addresses, so that a router that starts while the namer's source is away
// binds the names that it bound before.

import { Var, type Watch } from "../base/watch.ts";
import type { Addr } from "./addr.ts";
import { type Bound, isPath, type Name, type Namer } from "./bind.ts";
import type { Knowledge } from "./knowledge.ts";
import { mapTree, type NameTree } from "./nametree.ts";
import { type Path, printPath } from "./path.ts";

/** A name as it is kept: addresses are kept apart, by the id. */
type KeptName = Path | Omit<Bound, "addr">;

/** The same namer, its answers below `prefix` kept in `knowledge`. */
export function remember(namer: Namer, prefix: Path, knowledge: Knowledge): Namer {
  return {
    ...(namer.names === undefined ? {} : { names: namer.names }),
    bind(path) {
      const addrs = new Map<string, RememberedAddr>();
      const addrOf = (id: Path): RememberedAddr => {
        const text = printPath(id);
        let found = addrs.get(text);
        if (!found) addrs.set(text, (found = new RememberedAddr(text, knowledge)));
        return found;
      };
      const kept = namer.bind(path).map((tree) =>
        mapTree(tree, (name): KeptName => {
          if (isPath(name)) return name;
          const { addr, ...rest } = name;
          addrOf(name.id).source.set(addr);
          return rest;
        }),
      );
      return knowledge
        .remember<NameTree<KeptName>>(`name ${printPath([...prefix, ...path])}`, kept)
        .map((tree) =>
          mapTree(tree, (name): Name => {
            if (!("id" in name)) return name;
            return { ...name, addr: addrOf(name.id).addr };
          }),
        );
    },
  };
}

// One watch for an id, whatever becomes of its source: clients hold on to it. Nobody waits for a source that is not
// there yet.
class RememberedAddr {
  readonly source = new Var<Watch<Addr>>();
  readonly addr: Watch<Addr>;

  constructor(id: string, knowledge: Knowledge) {
    const live = this.source.flatMap((addr) => addr);
    const isThere = (): boolean => this.source.value !== undefined;
    this.addr = knowledge.remember(`addresses ${id}`, live, () => (isThere() ? undefined : 0));
  }
}
