// Whether what was built is as new as what it is built from. Plain JavaScript for any Node from 20 on; some
// milliseconds in a clone, nothing in an installed package, which has no sources.

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Whether dist/ holds the program in `home` as it is now. */
export function isBuilt(home) {
  const built = changedMs(join(home, "dist", "main.js"));
  if (built === 0) return false;
  if (!existsSync(join(home, "src"))) return true;
  return ["src", "proto/gen"].every((folder) => changedMs(join(home, folder)) <= built);
}

/** The time of the newest file in a folder, or of a file; 0 where there is none. Tests count for nothing. */
export function changedMs(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  const names = readdirSync(path).filter((name) => !name.endsWith(".test.ts"));
  return Math.max(stat.mtimeMs, ...names.map((name) => changedMs(join(path, name))));
}
