// Who binds the names of a router: the namers of its file, alone or below a dtab in a watched file, or a plug-in.

import { Fault } from "../base/fault.ts";
import { failed } from "../base/watch.ts";
import type { Bound } from "../name/bind.ts";
import { interpreter, type Interpreter, watchDtabFile } from "../name/interpreter.ts";
import type { NameTree } from "../name/nametree.ts";
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
      if (plugins.parts.interpreter?.[config.kind]) {
        return bindPlugin(plugins, "interpreter", config)(mounts);
      }
      return unserved(config.kind);
  }
}

function unserved(kind: string): Interpreter {
  const fault = new Fault(
    "not-implemented",
    `the interpreter ${kind} is not available in this build`,
  );
  return { bind: () => failed<NameTree<Bound>>(fault) };
}
