// The files of the admin dashboard: what was built of web/router. Without them the admin server still has its data.

import { existsSync, readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { HttpRsp } from "../io/message.ts";
import { reply, text } from "./adminreply.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html;charset=UTF-8",
  ".js": "text/javascript;charset=UTF-8",
  ".css": "text/css;charset=UTF-8",
  ".svg": "image/svg+xml",
};
const POLICY = [
  "content-security-policy",
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options",
  "nosniff",
];
const NOT_BUILT =
  "The dashboard is not built: run `npm run build`. The data is at /admin/index.txt.\n";

const files = new Map<string, Buffer>();

/** The dashboard. */
export function adminIndex(): HttpRsp {
  return serve("router/index.html") ?? text(503, NOT_BUILT);
}

/** A file of the dashboard. */
export function adminFile(path: string): HttpRsp {
  const name = path.startsWith("/assets/") ? `assets/${basename(path)}` : basename(path);
  return serve(name) ?? text(404, "Not found\n");
}

// Only what has one of the types, so that no folder's name reads as a file.
function serve(name: string): HttpRsp | undefined {
  const type = TYPES[extname(name)];
  if (type === undefined) return undefined;
  let bytes = files.get(name);
  if (bytes === undefined) {
    const file = fileOf(name);
    if (file === undefined) return undefined;
    files.set(name, (bytes = readFileSync(file)));
  }
  return reply(200, type, bytes, [...POLICY]);
}

// In a clone, or beside what was built from it.
function fileOf(name: string): string | undefined {
  return ["../../dist/web", "../web"]
    .map((folder) => join(import.meta.dirname, folder, name))
    .find((file) => existsSync(file));
}
