// The part of JSON Schema (draft 7) that the charts' values.schema.json use, so that `linkerd install` refuses the same
// values as Helm, with a sentence for each. A keyword that is not here is an error: nothing passes unread.

import { Fault } from "../base/fault.ts";

/** A schema as it stands in its file. */
export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly definitions?: Readonly<Record<string, Schema>>;
};

const TITLES = ["$schema", "title", "description", "definitions"];

/** What is wrong with a value, a sentence for each mistake; a path such as "proxy.ports.admin" says where. */
export function mistakesIn(value: unknown, schema: Schema, root = schema, path = ""): string[] {
  const mistakes: string[] = [];
  for (const [keyword, wanted] of Object.entries(schema)) {
    if (TITLES.includes(keyword)) continue;
    const rule = RULES[keyword];
    if (!rule)
      throw new Fault("bad-input", `the schema uses "${keyword}", which is not understood`);
    mistakes.push(...rule({ value, schema, root, path }, wanted));
    // Of a value of the wrong type nothing else can be said.
    if (keyword === "type" && mistakes.length > 0) break;
  }
  return mistakes;
}

type At = {
  readonly value: unknown;
  readonly schema: Schema;
  readonly root: Schema;
  readonly path: string;
};
type Rule = (at: At, wanted: any) => readonly string[];

const unless = (isRight: boolean, { path, value }: At, expected: string): string[] =>
  isRight ? [] : [`${path || "the values"}: expected ${expected}, not ${JSON.stringify(value)}`];

const keyed = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);

const RULES: Readonly<Record<string, Rule>> = {
  $ref: ({ value, root, path }, name: string) => {
    const found = root.definitions?.[name.replace("#/definitions/", "")];
    if (!found) throw new Fault("bad-input", `the schema has no ${name}`);
    return mistakesIn(value, found, root, path);
  },
  type: (at, wanted: string | string[]) => {
    const names = [wanted].flat();
    return unless(
      names.some((name) => isA(name, at.value)),
      at,
      names.join(" or "),
    );
  },
  properties: ({ value, root, path }, wanted: Record<string, Schema>) =>
    Object.entries(entriesOf(value)).flatMap(([key, each]) =>
      Object.hasOwn(wanted, key) ? mistakesIn(each, wanted[key]!, root, keyed(path, key)) : [],
    ),
  additionalProperties: ({ value, schema, root, path }, wanted: boolean | Schema) =>
    Object.entries(entriesOf(value)).flatMap(([key, each]) => {
      if (Object.hasOwn(schema.properties ?? {}, key) || wanted === true) return [];
      return wanted === false
        ? [`there is no value "${keyed(path, key)}"; ${known(schema)}`]
        : mistakesIn(each, wanted, root, keyed(path, key));
    }),
  required: ({ value, path }, wanted: string[]) =>
    wanted
      .filter((key) => !Object.hasOwn(entriesOf(value), key))
      .map((key) => `${keyed(path, key)} is missing`),
  items: ({ value, root, path }, wanted: Schema) =>
    Array.isArray(value)
      ? value.flatMap((each, i) => mistakesIn(each, wanted, root, `${path}[${i}]`))
      : [],
  enum: (at, wanted: unknown[]) =>
    unless(wanted.includes(at.value), at, wanted.map((each) => JSON.stringify(each)).join(" or ")),
  pattern: (at, wanted: string) =>
    unless(
      typeof at.value !== "string" || new RegExp(wanted).test(at.value),
      at,
      `what matches ${wanted}`,
    ),
  minimum: (at, wanted: number) =>
    unless(typeof at.value !== "number" || at.value >= wanted, at, `at least ${wanted}`),
  maximum: (at, wanted: number) =>
    unless(typeof at.value !== "number" || at.value <= wanted, at, `at most ${wanted}`),
};

function isA(type: string, value: unknown): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object")
    return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}

const entriesOf = (value: unknown): object => (isA("object", value) ? (value as object) : {});

const known = ({ properties = {} }: Schema): string =>
  `there are ${Object.keys(properties).join(", ")}`;
