// Extensions of the command line: programs `linkerd-NAME` in PATH. An unknown verb runs one in place of this command.

import { spawn } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Terminal } from "./terminal.ts";

/** What the names of their programs begin with. */
export const PREFIX = "linkerd-";

/** The programs of extensions by what follows `linkerd-` in their names; of two with one name, the first in PATH. */
export function findExtensions(env: NodeJS.ProcessEnv): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const folder of (env["PATH"] ?? "").split(delimiter))
    for (const file of filesIn(folder).sort()) {
      const name = file.slice(PREFIX.length);
      const path = join(folder, file);
      if (file.startsWith(PREFIX) && name !== "" && !found.has(name) && isExecutable(path))
        found.set(name, path);
    }
  return found;
}

/** Runs a program in place of this command; resolves to its exit code. */
export function runExtension(
  program: string,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const child = spawn(program, args, { stdio: "inherit" });
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", (error) => reject(Fault.from(error)));
    child.on("exit", (code) => resolve(code ?? 1));
  });
  terminal.scope.defer(async () => void (child.kill() && (await ended)));
  return ended;
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
