// The version of this program, which stands in package.json and nowhere else.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const MANIFEST = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");

/** "0.1.0" */
export const VERSION: string = (JSON.parse(MANIFEST) as { version: string }).version;
