// The version of this program, which stands in package.json and nowhere else.

import { readFileSync } from "node:fs";

/** "0.1.0" */
export const VERSION: string = versionOf(new URL("../../package.json", import.meta.url));

function versionOf(manifest: URL): string {
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
