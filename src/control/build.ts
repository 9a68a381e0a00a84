// What this build calls itself: the tag of its images.

import { readFileSync } from "node:fs";

/** "ts-0.1.0" */
export const BUILD: string = versionOf(new URL("../../package.json", import.meta.url));

function versionOf(manifest: URL): string {
  return `ts-${(JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version}`;
}
