// Paths: the names of everything (`/svc/web`, `/#/io.l5d.fs/web`), as lists of non-empty segments.
// A segment is a string of bytes (one character for each byte, 0–255), so that any header value can be a
// name; what is not `[0-9A-Za-z_:.#$%-]` is written `\xHH`. Says nothing about what a path means.

import { type Cursor, parseAll } from "./cursor.ts";

/** A path; `[]` is `/`. */
export type Path = readonly string[];

const showable = /[0-9A-Za-z_:.#$%-]/;

/** Reads a path (`/a/b`, `/`) from its text; throws a SyntaxFault. */
export function parsePath(text: string): Path {
  return parseAll(text, readPath);
}

/** The text of a path; the inverse of `parsePath`. */
export function printPath(path: Path): string {
  return path.length === 0 ? "/" : path.map((segment) => `/${printSegment(segment)}`).join("");
}

/** Whether the path begins with all segments of `prefix`. */
export function hasPrefix(path: Path, prefix: Path): boolean {
  return prefix.length <= path.length && prefix.every((segment, i) => segment === path[i]);
}

/** Whether the cursor stands at the beginning of a segment. */
export function atSegment(cursor: Cursor): boolean {
  return showable.test(cursor.char) || cursor.char === "\\";
}

/** Reads `/` or `/a/b` at the cursor; a trailing slash is a fault, as in Linkerd 1. */
export function readPath(cursor: Cursor): Path {
  cursor.eat("/");
  const path: string[] = [];
  if (atSegment(cursor)) {
    do path.push(readSegment(cursor));
    while (cursor.ate("/"));
  }
  return path;
}

/** Reads one segment at the cursor and undoes `\xHH`. */
export function readSegment(cursor: Cursor): string {
  let segment = "";
  do {
    if (showable.test(cursor.char)) {
      segment += cursor.char;
      cursor.at++;
    } else if (cursor.ate("\\")) {
      cursor.eat("x");
      segment += String.fromCharCode(parseInt(readHex(cursor) + readHex(cursor), 16));
    } else cursor.fail("label char");
  } while (atSegment(cursor));
  return segment;
}

/** One segment as text, without a slash. */
export function printSegment(segment: string): string {
  return segment.replace(
    /[^0-9A-Za-z_:.#$%-]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function readHex(cursor: Cursor): string {
  const digit = cursor.char;
  if (!/[0-9A-Fa-f]/.test(digit)) cursor.fail("hex char");
  cursor.at++;
  return digit;
}
