// A configuration file as a tree with positions, and what is to be said about it.
// Everything that is wrong is collected, none of it thrown, so that one run names all mistakes.

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
} from "yaml";

/** What the parser's complaints mostly come of. */
const YAML_HINTS: readonly (readonly [complaint: RegExp, hint: string])[] = [
  [/^Implicit keys/, "is there a colon missing after a key?"],
  [/^Tabs are not allowed/, "indent with blanks"],
  [/^All mapping items must start at the same column/, "indent the keys of a mapping alike"],
  [/^Nested mappings are not allowed/, "put a value that has a colon into quotes"],
];

/** One remark about a file. `path` is the place in words (`routers[0].client.tls`), empty for the whole file. */
export type Diagnostic = {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  readonly path: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
};

/** A place in the file. A missing value has no `node`, and the place of its parent. */
export type At = {
  readonly path: string;
  readonly node?: Node | undefined;
  /** The key's own node, where a key led here. */
  readonly key?: Node | undefined;
  readonly parent?: At | undefined;
};

/** `file:line:column: severity: path: message (hint)`, as editors and compilers have it. */
export function printDiagnostic(d: Diagnostic): string {
  const place = d.path === "" ? "" : `${d.path}: `;
  const hint = d.hint === undefined ? "" : ` (${d.hint})`;
  return `${d.file}:${d.line}:${d.column}: ${d.severity}: ${place}${d.message}${hint}`;
}

/** A parsed file and the list of remarks about it. */
export class Source {
  readonly file: string;
  readonly text: string;
  readonly root: At;
  /** The file as plain values, as it is written. */
  readonly raw: unknown;
  readonly diagnostics: Diagnostic[] = [];
  readonly #lines = new LineCounter();
  readonly #resolve: (node: Node | null | undefined) => Node | undefined;

  constructor(file: string, text: string) {
    this.file = file;
    const { repaired, comments } = repairDtabs(text);
    this.text = repaired;
    const doc = parseDocument(repaired, {
      lineCounter: this.#lines,
      uniqueKeys: false,
      prettyErrors: false,
    });
    this.#resolve = (node) => (isAlias(node) ? node.resolve(doc) : (node ?? undefined));
    this.root = { path: "", node: this.#resolve(doc.contents) };
    for (const { message, pos } of firstOfLine(doc.errors, this.#lines)) {
      const hint = YAML_HINTS.find(([pattern]) => pattern.test(message))?.[1];
      this.#add("error", pos[0], "", `not valid YAML: ${message}`, hint);
    }
    this.raw = this.failed ? undefined : this.#plain(() => doc.toJS());
    for (const offset of comments) {
      this.#add(
        "warning",
        offset,
        "",
        "a comment inside a value without quotes ends the value in YAML",
        "write the dtab as a block: `dtab: |`",
      );
    }
  }

  get failed(): boolean {
    return this.diagnostics.some((d) => d.severity === "error");
  }

  /** Reports a mistake; returns undefined, so that a reader can end with it. */
  error(at: At, message: string, hint?: string, offset = startOf(at)): undefined {
    this.#add("error", offset, at.path, message, hint);
  }

  /** Reports something that works and is probably not meant. */
  warn(at: At, message: string, hint?: string, offset = startOf(at)): void {
    this.#add("warning", offset, at.path, message, hint);
  }

  /** The entries of a mapping, each with its place; undefined when the value is no mapping. */
  entries(at: At): { name: string; at: At }[] | undefined {
    if (!isMap(at.node)) return undefined;
    return at.node.items.map((pair) => {
      const key = pair.key as Node;
      const name = String(isScalar(key) ? key.value : key);
      const node = this.#resolve(pair.value as Node | null);
      return { name, at: { path: join(at.path, name), node, key, parent: at } };
    });
  }

  /** The items of a list, each with its place; none when the value is no list. */
  items(at: At): At[] {
    if (!isSeq(at.node)) return [];
    return at.node.items.map((node, index) => ({
      path: `${at.path}[${index}]`,
      node: this.#resolve(node as Node),
      parent: at,
    }));
  }

  // Aliases that lead nowhere, or to far too much, show only when they are followed.
  #plain(read: () => unknown): unknown {
    try {
      return read();
    } catch (error) {
      this.#add("error", 0, "", `not valid YAML: ${(error as Error).message}`);
      return undefined;
    }
  }

  #add(
    severity: "error" | "warning",
    offset: number,
    path: string,
    message: string,
    hint?: string,
  ): void {
    const { line, col } = this.#lines.linePos(offset);
    const where = { severity, file: this.file, line: Math.max(line, 1), column: Math.max(col, 1) };
    this.diagnostics.push({ ...where, path, message, ...(hint === undefined ? {} : { hint }) });
  }
}

/** The place of a key that is not there. */
export function missing(at: At, name: string): At {
  return { path: join(at.path, name), parent: at };
}

/** Where a place begins in the text: its value, or the nearest thing above it. */
function startOf(at: At): number {
  const range = (isAbsent(at) ? (at.key ?? at.node) : at.node)?.range ?? at.key?.range;
  if (range) return range[0];
  return at.parent ? startOf({ ...at.parent, node: at.parent.key ?? at.parent.node }) : 0;
}

/** Whether nothing is written at a place (`key:` with nothing behind it is absent too). */
export function isAbsent(at: At): boolean {
  return at.node === undefined || (isScalar(at.node) && at.node.value === null);
}

/** The place in the file of character `index` of a scalar's value, whatever way it is written. */
export function offsetIn(source: Source, at: At, index: number): number {
  const { node } = at;
  if (!isScalar(node) || !node.range || typeof node.value !== "string") return startOf(at);
  const { text } = source;
  const quoted = node.type === Scalar.QUOTE_DOUBLE;
  const block = node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED;
  let offset = block ? text.indexOf("\n", node.range[0]) + 1 : node.range[0];
  if (quoted || node.type === Scalar.QUOTE_SINGLE) offset++;
  const skipBlanks = (): void => {
    while (/\s/.test(text.charAt(offset))) offset++;
  };
  const { length } = node.value.trimEnd();
  for (const char of node.value.slice(0, Math.min(index, length))) {
    if (/\s/.test(char)) continue;
    skipBlanks();
    offset += quoted && text[offset] === "\\" ? 2 : 1;
  }
  if (index < length && !/\s/.test(node.value.charAt(index))) skipBlanks();
  return Math.min(offset, node.range[1]);
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

// One broken line makes the parser complain several times.
function firstOfLine<E extends { pos: [number, number] }>(
  errors: readonly E[],
  lines: LineCounter,
): E[] {
  const lineOf = (error: E): number => lines.linePos(error.pos[0]).line;
  return errors.filter((error, i) => errors.findIndex((e) => lineOf(e) === lineOf(error)) === i);
}

// YAML ends a plain value at a comment, and takes what follows for a broken key. Dtabs are written that way, so
// comments inside them become blanks of the same length; `comments` are those after which more of the dtab came.
function repairDtabs(text: string): { repaired: string; comments: number[] } {
  const lines = text.split("\n");
  const comments: number[] = [];
  let offset = 0;
  let indent = -1;
  let started = false;
  let seen: number[] = [];
  const repaired = lines.map((line) => {
    const start = offset;
    offset += line.length + 1;
    let from = 0;
    const key = /^([ \t]*(?:- +)*)dtab:[ \t]*/.exec(line);
    if (key) {
      const plain = !/^[|>"'&*![{]/.test(line.slice(key[0].length));
      [indent, started, seen, from] = [plain ? key[1]!.length : -1, false, [], key[0].length];
    } else if (indent >= 0 && line.trim() !== "" && line.search(/\S/) <= indent) indent = -1;
    if (indent < 0) return line;
    const comment = /(^|[ \t])#.*$/.exec(line.slice(from));
    const at = comment ? from + comment.index + comment[1]!.length : line.length;
    if (line.slice(from, at).trim() !== "") {
      comments.push(...seen);
      seen = [];
      started = true;
    }
    if (!comment || !started) return line;
    seen.push(start + at);
    return line.slice(0, at) + " ".repeat(line.length - at);
  });
  return { repaired: repaired.join("\n"), comments };
}
