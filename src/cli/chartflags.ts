// The flags with which Helm's users choose values of a chart, for the verbs that print one.

import { parse } from "yaml";
import { Fault } from "../base/fault.ts";
import { mergeValues, nest, parseSet, type Json } from "./chart.ts";
import { list, oneOf, repeated, type Values } from "./flag.ts";
import { readTextFile } from "./manifestfiles.ts";

export const CHART_FLAGS = {
  set: repeated("KEY=VALUE", "Value of the chart; may be repeated"),
  setString: repeated("KEY=VALUE", "The same, always as text"),
  setFile: repeated("KEY=FILE", "The same, from a file"),
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
    parseSet(flags.set.join(",")),
    parseSet(flags.setString.join(","), true),
    ...flags.setFile.map((text) => {
      const [, key, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
      if (key === undefined) throw new Fault("bad-input", `--set-file: "${text}" is not KEY=FILE`);
      return nest(key.split("."), readTextFile(path!));
    }),
  ];
  return parts.reduce(mergeValues, {});
}

function readValuesFile(path: string): Json {
  let values: unknown;
  try {
    values = parse(readTextFile(path)) ?? {};
  } catch (error) {
    throw new Fault("bad-input", `${path}: ${(error as Error).message}`);
  }
  if (typeof values === "object" && !Array.isArray(values)) return values as Json;
  throw new Fault("bad-input", `${path}: values are a map, as in the values.yaml of a chart`);
}
