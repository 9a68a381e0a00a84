// The flags with which Helm's users choose values of a chart, for the verbs that print one.

import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { Fault } from "../base/fault.ts";
import { mergeValues, nest, parseSet, type Json } from "./chart.ts";
import { type Flag, list, oneOf, type Values } from "./flag.ts";

// As often as wanted; commas are for --set itself to understand.
const settings = (value: string, help: string): Flag<readonly string[]> => ({
  ...list(value, help),
  read: (raw, before) => [...before, raw],
});

export const CHART_FLAGS = {
  set: settings("KEY=VALUE", "Value of the chart; may be repeated"),
  setString: settings("KEY=VALUE", "The same, always as text"),
  setFile: settings("KEY=FILE", "The same, from a file"),
  values: list("FILE", "YAML file with values of the chart", { short: "f", offers: "file" }),
  output: oneOf(["yaml", "json"], "Format of the manifests", { short: "o" }),
};

/** The values that the flags say: files, then `between` (what other flags mean), then --set; later ones win, as with Helm. */
export function chartValues(flags: Values<typeof CHART_FLAGS>, ...between: readonly Json[]): Json {
  const [base = {}, ...more] = between;
  const parts: Json[] = [
    base,
    ...flags.values.map(readValuesFile),
    ...more,
    ...flags.set.map((text) => parseSet(text)),
    ...flags.setString.map((text) => parseSet(text, true)),
    ...flags.setFile.map((text) => {
      const [key = "", path = ""] = text.split("=");
      return nest(key.split("."), readText(path));
    }),
  ];
  return parts.reduce(mergeValues, {});
}

function readValuesFile(path: string): Json {
  let values: unknown;
  try {
    values = parse(readText(path)) ?? {};
  } catch (error) {
    throw new Fault("bad-input", `${path}: ${(error as Error).message}`);
  }
  if (typeof values === "object" && !Array.isArray(values)) return values as Json;
  throw new Fault("bad-input", `${path}: values are a map, as in the values.yaml of a chart`);
}

/** The text of a file that a flag names. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("not-found", `cannot read ${path}: ${(error as Error).message}`);
  }
}
