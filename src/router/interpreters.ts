// Who binds the names of a router: the namers of its file, alone or below a dtab in a watched file, or a plug-in.

import { Fault } from "../base/fault.ts";
import { failed } from "../base/watch.ts";
import type { Bound } from "../name/bind.ts";
import { interpreter, type Interpreter, watchDtabFile } from "../name/interpreter.ts";
import type { NameTree } from "../name/nametree.ts";
import { transformAll, type Transformer } from "../name/transform.ts";
import { bindTransformers } from "./mounts.ts";
import { bindPlugin } from "./plugin.ts";
import type { FileParts } from "./routerparts.ts";
import type { InterpreterConfig } from "./yamlinterpreter.ts";

/** The interpreter that a router's settings choose. */
export function bindInterpreter(config: InterpreterConfig, parts: FileParts): Interpreter {
  const { mounts, plugins, clock } = parts;
  const transformers = bindTransformers(config.transformers, mounts, parts);
  switch (config.kind) {
    case "default":
      return interpreter(mounts, transformers);
    case "io.l5d.fs":
      return interpreter(mounts, transformers, watchDtabFile(config.dtabFile, clock));
    default:
      return plugins.parts.interpreter?.[config.kind] === undefined
        ? unserved(config.kind)
        : behind(transformers, bindPlugin(plugins, "interpreter", config)(mounts));
  }
}

// Delegations of a plug-in know nothing of what is done to the names behind it.
function behind(transformers: readonly Transformer[], own: Interpreter): Interpreter {
  if (transformers.length === 0) return own;
  return { bind: (dtab, name) => transformAll(own.bind(dtab, name), transformers) };
}

function unserved(kind: string): Interpreter {
  const fault = new Fault(
    "not-implemented",
    `the interpreter ${kind} is not available in this build`,
  );
  return { bind: () => failed<NameTree<Bound>>(fault) };
}
