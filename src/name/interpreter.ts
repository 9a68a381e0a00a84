// Interpreters: who binds the names of a router. These two bind here, with the namers of this process;
// namerd's and the mesh's, which ask another process, implement the same interface elsewhere.

import { Fault } from "../base/fault.ts";
import type { Clock } from "../base/clock.ts";
import { combine, constant, type Watch } from "../base/watch.ts";
import { bindName, type Bound, lookupIn, type Mount } from "./bind.ts";
import { type Dtab, parseDtab } from "./dtab.ts";
import { delegate, type Delegation } from "./delegate.ts";
import { watchFile } from "./file.ts";
import type { NameTree } from "./nametree.ts";
import type { Path } from "./path.ts";
import { transformAll, type Transformer } from "./transform.ts";

/** Binds names under the router's and the request's rules, which stand behind the interpreter's stored ones. */
export interface Interpreter {
  bind(dtab: Dtab, name: Path): Watch<NameTree<Bound>>;
  /** All branches of a name; absent where an interpreter cannot show them. */
  delegate?(dtab: Dtab, name: Path): Watch<Delegation>;
}

/** Binds with `mounts`, which are asked first to last (configured ones last to first, built-in ones behind them). */
export function interpreter(
  mounts: readonly Mount[],
  transformers: readonly Transformer[] = [],
  dtab: Watch<Dtab> = constant<Dtab>([]),
): Interpreter {
  return {
    bind: (local, name) =>
      transformAll(
        dtab.flatMap((stored) => bindName(lookupIn([...stored, ...local], mounts), name)),
        transformers,
      ),
    delegate: (local, name) =>
      dtab.flatMap((stored) => delegate([...stored, ...local], mounts, name, transformers)),
  };
}

/** The dtab in a watched file; a mistake in it keeps the last good dtab. */
export function watchDtabFile(path: string, clock: Clock): Watch<Dtab> {
  return watchFile(path, clock).map((text) => {
    if (text === undefined) throw new Fault("not-found", `dtab file ${path} is missing`);
    return parseDtab(text);
  });
}

/** The ids of all names that the namers can list, sorted by namer. */
export function boundNames(mounts: readonly Mount[]): Watch<readonly Path[]> {
  const lists = mounts.flatMap(({ namer }) => namer.names ?? []);
  return combine(lists).map((names) => names.flat());
}
