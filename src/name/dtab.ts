// Dtabs: ordered rules from prefixes to name trees (`/svc => /#/io.l5d.fs`), by which names are rewritten.
// One rewriting step is here (`rewrites`); following steps to their end is `bind.ts`.

import { type Cursor, parseAll, type Warn } from "./cursor.ts";
import { graft, leaf, type NameTree, printTree, readTree } from "./nametree.ts";
import { atSegment, type Path, printSegment, readSegment } from "./path.ts";

/** The segment of a prefix that matches any one segment. */
export const wildcard = Symbol("*");

/** The left side of a rule. */
export type Prefix = readonly (string | typeof wildcard)[];

/** One rule. */
export type Dentry = { readonly prefix: Prefix; readonly dst: NameTree<Path> };

/** Rules in the order in which they are written; the last that matches is tried first. */
export type Dtab = readonly Dentry[];

/** Reads rules separated by `;`; comments and a last `;` are welcome. Throws a SyntaxFault. */
export function parseDtab(text: string, warn?: Warn): Dtab {
  return parseAll(text, readDtab, warn);
}

/** The text of a dtab on one line, as it travels in `l5d-ctx-dtab`. */
export function printDtab(dtab: Dtab): string {
  return dtab.map(({ prefix, dst }) => `${printPrefix(prefix)}=>${printTree(dst)}`).join(";");
}

/** The text of a rule's left side. */
export function printPrefix(prefix: Prefix): string {
  return prefix.length === 0
    ? "/"
    : prefix.map((elem) => (elem === wildcard ? "/*" : `/${printSegment(elem)}`)).join("");
}

/** Whether the path falls under the prefix. */
export function matchesPrefix(prefix: Prefix, path: Path): boolean {
  return (
    prefix.length <= path.length && prefix.every((elem, i) => elem === wildcard || elem === path[i])
  );
}

/** What every matching rule makes of a path, the last rule first; the rest of the path stands behind each leaf. */
export function rewrites(dtab: Dtab, path: Path): { dentry: Dentry; tree: NameTree<Path> }[] {
  const found = [];
  for (const dentry of dtab.toReversed()) {
    if (!matchesPrefix(dentry.prefix, path)) continue;
    const rest = path.slice(dentry.prefix.length);
    found.push({ dentry, tree: graft(dentry.dst, (dst) => leaf([...dst, ...rest])) });
  }
  return found;
}

function readDtab(cursor: Cursor): Dtab {
  const dtab: Dentry[] = [];
  do {
    cursor.skip();
    if (cursor.char === "") break;
    dtab.push(readDentry(cursor));
    cursor.skip();
  } while (cursor.ate(";"));
  return dtab;
}

function readDentry(cursor: Cursor): Dentry {
  const prefix = readPrefix(cursor);
  cursor.skip();
  cursor.eat("=");
  cursor.eat(">");
  return { prefix, dst: readTree(cursor) };
}

function readPrefix(cursor: Cursor): Prefix {
  cursor.eat("/");
  const prefix: (string | typeof wildcard)[] = [];
  if (cursor.char !== "*" && !atSegment(cursor)) return prefix;
  do prefix.push(cursor.ate("*") ? wildcard : readSegment(cursor));
  while (cursor.ate("/"));
  return prefix;
}
