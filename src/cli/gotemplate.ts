// The part of Go's templates, as Helm extends them, that our charts use: so that `linkerd install` prints what
// `helm template` prints, from the same files. What is not here is an error that names the line, never a guess.

import { parse, stringify } from "yaml";
import { Fault } from "../base/fault.ts";

type Scope = { readonly dot: unknown; readonly vars: Map<string, unknown>; readonly root: unknown };

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipe: string; readonly line: number }
  | { readonly kind: "set"; readonly name: string; readonly pipe: string; readonly line: number }
  | {
      readonly kind: "if" | "with" | "range";
      readonly pipe: string;
      /** `range $name := …`, or `range $key, $name := …` */
      readonly name?: string;
      readonly key?: string;
      readonly line: number;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

/** Templates that may include each other by the names they define. */
export class Templates {
  readonly #defined = new Map<string, readonly Node[]>();

  /** Reads a file; what it defines can be included from then on. Returns what it prints. */
  parse(name: string, text: string): (root: unknown) => string {
    const tokens = tokenize(text);
    const nodes = new Parser(name, tokens, this.#defined).nodes();
    return (root) => this.#run(nodes, { dot: root, vars: new Map(), root }, name);
  }

  #run(nodes: readonly Node[], scope: Scope, name: string): string {
    let out = "";
    for (const node of nodes) {
      if (node.kind === "text") {
        out += node.text;
        continue;
      }
      let value: unknown;
      try {
        value = this.#pipe(node.pipe, scope, name);
      } catch (error) {
        throw new Fault("bad-input", `${name}:${node.line}: ${(error as Error).message}`);
      }
      if (node.kind === "print") out += print(value);
      else if (node.kind === "set") scope.vars.set(node.name, value);
      else out += this.#branch(node, value, scope, name);
    }
    return out;
  }

  #branch(
    node: Extract<Node, { body: unknown }>,
    value: unknown,
    scope: Scope,
    name: string,
  ): string {
    if (!isTruth(value)) return this.#run(node.otherwise, scope, name);
    const inner = (dot: unknown): string => this.#run(node.body, { ...scope, dot }, name);
    if (node.kind === "if") return this.#run(node.body, scope, name);
    if (node.kind === "with") return inner(value);
    // Go ranges over maps in the order of their keys.
    const items = Array.isArray(value)
      ? [...value.entries()]
      : Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1));
    const { name: variable, key } = node;
    return items
      .map(([at, item]) => {
        if (variable !== undefined) scope.vars.set(variable, item);
        if (key !== undefined) scope.vars.set(key, at);
        return inner(item);
      })
      .join("");
  }

  #pipe(text: string, scope: Scope, name: string): unknown {
    let value: unknown;
    for (const [i, words] of splitPipe(text).entries()) {
      const [head = "", ...rest] = words;
      const args = rest.map((word) => this.#operand(word, scope, name));
      if (i > 0) args.push(value);
      if (rest.length === 0 && i === 0 && !Object.hasOwn(FUNCTIONS, head))
        value = this.#operand(head, scope, name);
      else if (head === "include") {
        const nodes = this.#defined.get(String(args[0]));
        if (!nodes) throw new Error(`nothing defines "${String(args[0])}"`);
        value = this.#run(nodes, { dot: args[1], vars: new Map(), root: args[1] }, String(args[0]));
      } else {
        const fn = FUNCTIONS[head];
        if (!fn) throw new Error(`there is no function "${head}"`);
        value = fn(...args);
      }
    }
    return value;
  }

  #operand(word: string, scope: Scope, name: string): unknown {
    if (word.startsWith("(")) return this.#pipe(word.slice(1, -1), scope, name);
    if (/^["`]/.test(word)) return word[0] === '"' ? JSON.parse(word) : word.slice(1, -1);
    if (/^-?\d/.test(word)) return Number(word);
    if (word === "true" || word === "false") return word === "true";
    const [first = "", ...path] = word.split(".");
    const from = first === "" ? scope.dot : first === "$" ? scope.root : scope.vars.get(first);
    if (first !== "" && !first.startsWith("$")) throw new Error(`"${word}" means nothing here`);
    return path
      .filter(Boolean)
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], from);
  }
}

const FUNCTIONS: Readonly<Record<string, ((...args: any[]) => unknown) | undefined>> = {
  // Printed apart, because it needs the templates.
  include: undefined,
  quote: (value: unknown) => JSON.stringify(print(value)),
  toYaml: (value: unknown) =>
    stringify(value, {
      aliasDuplicateObjects: false,
      lineWidth: 0,
      sortMapEntries: true,
    }).trimEnd(),
  nindent: (width: number, text: string) => `\n${pad(width, text)}`,
  default: (fallback: unknown, value: unknown) => (isTruth(value) ? value : fallback),
  eq: (a: unknown, ...others: unknown[]) => others.includes(a),
  ge: (a: number, b: number) => a >= b,
  int: Number,
  list: (...values: unknown[]) => values,
  dict: (...pairs: unknown[]) =>
    Object.fromEntries(pairs.flatMap((key, i) => (i % 2 === 0 ? [[key, pairs[i + 1]]] : []))),
  fromYaml: (text: string) => parse(text),
  not: (value: unknown) => !isTruth(value),
  and: (...values: unknown[]) =>
    values.every(isTruth) ? values.at(-1) : values.find((value) => !isTruth(value)),
  or: (...values: unknown[]) => values.find(isTruth) ?? values.at(-1),
  b64enc: (text: string) => Buffer.from(text).toString("base64"),
  trim: (text: string) => text.trim(),
  printf: (format: string, ...values: unknown[]) => {
    let i = 0;
    return format.replace(/%[sdvq]/g, (verb) =>
      verb === "%q" ? JSON.stringify(print(values[i++])) : print(values[i++]),
    );
  },
  required: (message: string, value: unknown) => {
    if (isTruth(value)) return value;
    throw new Error(message);
  },
};

function isTruth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

const print = (value: unknown): string =>
  typeof value === "string"
    ? value
    : value === undefined || value === null
      ? ""
      : JSON.stringify(value);

const pad = (width: number, text: string): string => text.replace(/^/gm, " ".repeat(width));

type Token = { readonly text: string; readonly isAction: boolean; readonly line: number };

// Text and actions; `{{-` and `-}}` take the space beside them.
function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimNext = false;
  const push = (raw: string, trimEnd: boolean): void => {
    let kept = trimNext ? raw.trimStart() : raw;
    if (trimEnd) kept = kept.trimEnd();
    if (kept !== "") tokens.push({ text: kept, isAction: false, line: 0 });
  };
  for (const match of text.matchAll(
    /\{\{(-?)\s*((?:\/\*[\s\S]*?\*\/|"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`])*?)\s*(-?)\}\}/g,
  )) {
    push(text.slice(at, match.index), match[1] === "-");
    const line = text.slice(0, match.index).split("\n").length;
    if (!match[2]!.startsWith("/*")) tokens.push({ text: match[2]!, isAction: true, line });
    trimNext = match[3] === "-";
    at = match.index + match[0].length;
  }
  push(text.slice(at), false);
  return tokens;
}

class Parser {
  readonly #name: string;
  readonly #tokens: readonly Token[];
  readonly #defined: Map<string, readonly Node[]>;
  #at = 0;

  constructor(name: string, tokens: readonly Token[], defined: Map<string, readonly Node[]>) {
    this.#name = name;
    this.#tokens = tokens;
    this.#defined = defined;
  }

  /** Everything up to `end` or `else`, which is left for the caller. */
  nodes(isNested = false): Node[] {
    const nodes: Node[] = [];
    for (let token = this.#tokens[this.#at]; token; token = this.#tokens[this.#at]) {
      const { text, isAction, line } = token;
      const [, word = "", rest = ""] = /^(\w*)\s*([\s\S]*)$/.exec(text) ?? [];
      if (isAction && isNested && (word === "end" || word === "else")) return nodes;
      this.#at++;
      if (!isAction) nodes.push({ kind: "text", text });
      else if (word === "define") this.#define(rest, line);
      else if (word === "if" || word === "with" || word === "range")
        nodes.push(this.#block(word, rest, line));
      else {
        const set = /^(\$\w+)\s*:?=\s*([\s\S]+)$/.exec(text);
        nodes.push(
          set
            ? { kind: "set", name: set[1]!, pipe: set[2]!, line }
            : { kind: "print", pipe: text, line },
        );
      }
    }
    if (isNested) throw new Fault("bad-input", `${this.#name}: an end is missing`);
    return nodes;
  }

  #define(rest: string, line: number): void {
    const name = JSON.parse(rest) as string;
    this.#defined.set(name, this.nodes(true));
    this.#end(line);
  }

  #block(kind: "if" | "with" | "range", head: string, line: number): Node {
    const [, key, name, pipe = head] =
      /^(?:(\$\w+)\s*,\s*)?(\$\w+)\s*:=\s*([\s\S]+)$/.exec(head) ?? [];
    const named = { ...(key !== undefined && { key }), ...(name !== undefined && { name }) };
    const body = this.nodes(true);
    const closing = this.#tokens[this.#at]!.text;
    if (closing === "end") {
      this.#at++;
      return { kind, ...named, pipe, line, body, otherwise: [] };
    }
    this.#at++;
    const chained = /^else\s+(if|with)\s+([\s\S]+)$/.exec(closing);
    if (chained) {
      const otherwise = [this.#block(chained[1] as "if" | "with", chained[2]!, line)];
      return { kind, ...named, pipe, line, body, otherwise };
    }
    const otherwise = this.nodes(true);
    this.#end(line);
    return { kind, ...named, pipe, line, body, otherwise };
  }

  #end(line: number): void {
    if (this.#tokens[this.#at++]?.text !== "end")
      throw new Fault("bad-input", `${this.#name}:${line}: an end is missing`);
  }
}

// The commands of a pipeline, each as its words; parentheses and quotes hold words together.
function splitPipe(text: string): string[][] {
  const commands: string[][] = [[]];
  let depth = 0;
  let word = "";
  const finish = (): void => {
    if (word !== "") commands.at(-1)!.push(word);
    word = "";
  };
  for (const [part] of text.matchAll(/"(?:[^"\\]|\\.)*"|`[^`]*`|\s+|[()|]|[^\s()|"`]+/g)) {
    if (part === "(") depth++;
    if (depth === 0 && /^\s+$/.test(part)) finish();
    else if (depth === 0 && part === "|") {
      finish();
      commands.push([]);
    } else word += part;
    if (part === ")") depth--;
  }
  finish();
  return commands;
}
