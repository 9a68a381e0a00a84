// The dashboard's files: what Vite built, read into memory once, with the headers that keep a page to itself.

import { existsSync, globSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { Headers } from "../wire/headers.ts";
import { Body } from "../io/body.ts";
import type { HttpReq } from "../io/message.ts";
import { HttpRsp } from "../io/message.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Nothing from elsewhere, nothing inline, no frames around or inside. */
const SECURITY: Headers = [
  "content-security-policy",
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options",
  "nosniff",
  "x-frame-options",
  "DENY",
  "referrer-policy",
  "no-referrer",
];

/** The folder of the built dashboard: in a clone, or beside what was built from it; undefined when it is not built. */
export function dashboardFolder(): string | undefined {
  return ["../../dist/web", "../web"]
    .map((path) => join(import.meta.dirname, path))
    .find((path) => existsSync(join(path, "index.html")));
}

/** Serves the files below `folder`; every other address is the page itself, which knows where it is. */
export function files(folder: string | undefined): (req: HttpReq) => HttpRsp {
  if (folder === undefined)
    return () => text(503, "The dashboard is not built: run `npm run build`.\n");
  const all = new Map(
    globSync("**/*.*", { cwd: folder }).map((name) => [
      `/${name.replaceAll("\\", "/")}`,
      readFileSync(join(folder, name)),
    ]),
  );
  return ({ method, path }) => {
    if (method !== "GET" && method !== "HEAD")
      return text(405, "Only GET and HEAD are served here.\n");
    const name = path.split("?")[0]!;
    const known = all.has(name) ? name : "/index.html";
    // The last part of a page's address is a workload's name, which may have dots too.
    if (known !== name && Object.hasOwn(TYPES, extname(name)))
      return text(404, "There is no such file.\n");
    const bytes = all.get(known)!;
    const isForever = known.startsWith("/assets/");
    const type = TYPES[extname(known)] ?? "application/octet-stream";
    const cache = isForever ? "public, max-age=31536000, immutable" : "no-cache";
    return answer(200, type, bytes, cache, method !== "HEAD");
  };
}

/** A short answer in plain words. */
export function text(status: number, words: string): HttpRsp {
  return answer(status, "text/plain; charset=utf-8", Buffer.from(words), "no-store");
}

/** An answer as JSON. */
export function json(value: unknown, status = 200): HttpRsp {
  return answer(status, "application/json", Buffer.from(JSON.stringify(value)), "no-store");
}

function answer(
  status: number,
  type: string,
  bytes: Buffer,
  cache: string,
  hasBody = true,
): HttpRsp {
  const length = String(bytes.length);
  const about = ["content-type", type, "content-length", length, "cache-control", cache];
  return new HttpRsp(status, [...about, ...SECURITY], hasBody ? Body.of(bytes) : Body.empty);
}
