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
  const values = mergeValues(defaults, given);
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
  const files = readdirSync(join(folder, "templates")).sort();
  const prints = files.map((file) => {
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

/** Values with others over them: maps are merged, everything else replaced; null takes a value away. */
export function mergeValues(base: Json, over: Json): Json {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    if (value === null) delete merged[key];
    else merged[key] = isMap(before) && isMap(value) ? mergeValues(before, value) : value;
  }
  return merged;
}

/** The values that `--set a.b[0]=1,c=x` means; `asText` keeps numbers and booleans as they are written. */
export function parseSet(text: string, asText = false): Json {
  let values: Json = {};
  for (const [, path = "", raw = ""] of text.matchAll(
    /((?:\\.|[^=,\\])+)=((?:\{[^}]*\}|\\.|[^,\\])*),?/g,
  )) {
    const keys = path.split(/(?<!\\)\./).map((key) => key.replaceAll("\\.", "."));
    values = mergeValues(values, nest(keys, scalar(raw, asText)));
  }
  if (Object.keys(values).length === 0) throw new Fault("bad-input", `"${text}" is not KEY=VALUE`);
  return values;
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
