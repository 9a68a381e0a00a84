// linkerd.yaml for tests of what reads it: a world of files that does not depend on the disk, and the file as lines
// of a diagnosis.

import { readRouterConfig } from "../../src/router/yaml.ts";
import { printDiagnostic } from "../../src/router/yamlsource.ts";

/** What is at a path: nothing at `missing`, a file where the name ends in `dtab`, else a folder. */
export const entryKind = (path: string): "file" | "folder" | "none" =>
  path === "missing" ? "none" : path.endsWith("dtab") ? "file" : "folder";

/** What a file says, and all that is said about it. */
export function read(source: string) {
  const { config, diagnostics, raw } = readRouterConfig(source, "l.yaml", { entryKind });
  return { config, raw, said: diagnostics.map(printDiagnostic) };
}

/** A file with one router and these lines of it. */
export const routed = (lines: string): string =>
  `routers:\n- protocol: http\n  servers: [{port: 4140}]\n${lines}`;
