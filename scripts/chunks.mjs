// Which modules of the program are packed together. By itself the bundler makes a chunk of each few modules that the same
// imports lead to, and a sidecar would open thirty, at half a millisecond each. Here all modules that the same programs
// start with are one chunk, so that nothing loads what it does not need, in few pieces.

import { resolve } from "node:path";

/** Programs, by the modules that they start with; what is imported later on is in chunks of its own. */
const PROGRAMS = {
  main: ["main"],
  sidecar: ["proxy/program"],
  router: ["router/routerprogram"],
  // What a router loads when its file or its peers speak of it.
  later: ["router/routerprogram", "io/h2client", "io/h2server", "io/certtls"],
  control: [
    "control/kubecontroller",
    "control/localcontroller",
    "control/servicemirror",
    "viz/kubeviz",
  ],
  cli: ["cli/cli", "cli/terminal"],
  tools: ["control/podprograms", "control/cni", "control/proxyinit"],
};

/** The rule for rolldown's `codeSplitting`. A module's imports have all its programs too, so that no chunks form a ring. */
export function chunksByProgram() {
  let names;
  const name = (id, graph) => (names ??= nameAll(graph)).get(id) ?? null;
  return { includeDependenciesRecursively: false, groups: [{ name, debugName: "programs" }] };
}

function nameAll(graph) {
  const users = new Map();
  const reach = (program, id) => {
    const known = users.get(id) ?? new Set();
    if (known.has(program)) return;
    users.set(id, known.add(program));
    for (const imported of graph.getModuleInfo(id)?.importedIds ?? []) reach(program, imported);
  };
  for (const [program, roots] of Object.entries(PROGRAMS))
    for (const root of roots) reach(program, resolve(`src/${root}.ts`));
  const isEntry = (programs) => programs.has("main");
  return new Map(
    [...users].map(([id, programs]) => [id, isEntry(programs) ? null : [...programs].join("-")]),
  );
}
