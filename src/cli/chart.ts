// Renders one of our charts as Helm does: the same files, the same values, the same objects. What the command line
// makes itself (certificates) goes in as values.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { Fault } from "../base/fault.ts";
import type { RawObject } from "../control/manifest.ts";
import { Templates } from "./gotemplate.ts";
import { parseObjects } from "./manifestfiles.ts";
import { HOME } from "./running.ts";
import { mistakesIn, type Schema } from "./schema.ts";

const SCHEMA = "values.schema.json";

export type Json = { readonly [key: string]: unknown };

/** The default values of a chart, and what its values may be. */
export function chartSchema(chart: string): { defaults: Json; schema: Schema | undefined } {
  const read = (name: string): string => readFileSync(join(folderOf(chart), name), "utf8");
  const hasSchema = existsSync(join(folderOf(chart), SCHEMA));
  return {
    defaults: parse(read("values.yaml")) as Json,
    schema: hasSchema ? (JSON.parse(read(SCHEMA)) as Schema) : undefined,
  };
}

/** The values of a chart with others over its defaults; throws `bad-input` that names all that it does not take. */
function checkedValues(chart: string, given: Json): Json {
  const { defaults, schema } = chartSchema(chart);
  const values = withoutNulls(mergeValues(defaults, given));
  const mistakes = schema ? mistakesIn(values, schema) : [];
  if (mistakes.length === 0) return values;
  throw new Fault(
    "bad-input",
    `the chart ${chart} does not take these values:\n${mistakes.join("\n")}`,
  );
}

/** The objects of a chart for `values`, which are merged over its defaults; namespaces first. Throws for values that its schema refuses. */
export function renderChart(chart: string, namespace: string, values: Json): RawObject[] {
  const folder = folderOf(chart);
  const about = parse(readFileSync(join(folder, "Chart.yaml"), "utf8")) as {
    name: string;
    version: string;
    appVersion: string;
  };
  const root = {
    Values: checkedValues(chart, values),
    Release: { Namespace: namespace, Service: "CLI", Name: chart },
    Chart: { Name: about.name, Version: about.version, AppVersion: about.appVersion },
  };
  const templates = new Templates();
  // Notes are Helm's, for its users.
  const files = readdirSync(join(folder, "templates")).filter((file) => !file.endsWith(".txt"));
  const prints = files.sort().map((file) => {
    const name = `${chart}/templates/${file}`;
    return {
      name,
      print: templates.parse(name, readFileSync(join(folder, "templates", file), "utf8")),
    };
  });
  const objects = prints.flatMap(({ name, print }) => parseObjects(name, print(root)));
  const isNamespace = ({ kind }: RawObject): boolean => kind === "Namespace";
  return [...objects.filter(isNamespace), ...objects.filter((object) => !isNamespace(object))];
}

/** Values with others over them: maps are merged, everything else replaced. */
export function mergeValues(base: Json, over: Json): Json {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isMap(before) && isMap(value) ? mergeValues(before, value) : value;
  }
  return merged;
}

// A null takes a default away, as with Helm.
function withoutNulls(values: Json): Json {
  const kept = Object.entries(values).filter(([, value]) => value !== null);
  return Object.fromEntries(
    kept.map(([key, value]) => [key, isMap(value) ? withoutNulls(value) : value]),
  );
}

/** The values that `--set a.b=1,c[0].d=x` means; `asText` keeps numbers and booleans as they are written. */
export function parseSet(text: string, asText = false): Json {
  const pairs = [...text.matchAll(/((?:\\.|[^=,\\])+)=((?:\{[^}]*\}|\\.|[^,\\])*)(?:,|$)/g)];
  if (pairs.map(([pair]) => pair).join("") !== text)
    throw new Fault("bad-input", `--set: "${text}" is not KEY=VALUE`);
  return pairs.reduce<Json>((values, [, path = "", raw = ""]) => {
    const keys = path.split(/(?<!\\)\.|(?=\[\d+\])/).map((key) => key.replaceAll("\\.", "."));
    return assigned(values, keys, scalar(raw, asText)) as Json;
  }, {});
}

/** `at` with a value at the end of a path, of which "[1]" is a place in a list. */
function assigned(at: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const index = /^\[(\d+)\]$/.exec(key)?.[1];
  if (index === undefined) {
    const map = isMap(at) ? at : {};
    return { ...map, [key]: assigned(map[key], rest, value) };
  }
  const list: unknown[] = Array.isArray(at) ? [...at] : [];
  list[Number(index)] = assigned(list[Number(index)], rest, value);
  return Array.from(list, (each) => each ?? null);
}

/** { a: { b: value } } for ["a", "b"]. */
export function nest(keys: readonly string[], value: unknown): Json {
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Json;
}

function scalar(raw: string, asText: boolean): unknown {
  if (raw.startsWith("{"))
    return raw
      .slice(1, -1)
      .split(",")
      .filter(Boolean)
      .map((each) => scalar(each, asText));
  const text = raw.replaceAll(/\\(.)/g, "$1");
  if (asText) return text;
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  return /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : text;
}

function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function folderOf(chart: string): string {
  const folder = join(HOME, "charts", chart);
  if (existsSync(folder)) return folder;
  throw new Fault("not-found", `the chart ${chart} is not where it should be: ${folder}`);
}
