// Flags that stand for values of a chart, as tables: a row says which flag is which value, and which annotation says the
// same for one workload.

import { mergeValues, nest, type Json } from "./chart.ts";
import type { Flag } from "./flag.ts";

type ValueFlag<F = Flag<any>> = {
  readonly flag: F;
  /** The value, as --set names it. */
  readonly value: string;
  /** The annotation below config.linkerd.io/, where a workload may choose. */
  readonly annotation: string;
};

type Table = Readonly<Record<string, ValueFlag>>;
type Given = Readonly<Record<string, unknown>>;

/** A row of such a table. */
export const row = <F>(flag: F, value: string, annotation = ""): ValueFlag<F> => ({
  flag,
  value,
  annotation,
});

/** The flags of a table, for a command to take. */
export function flagsOf<const T extends Table>(table: T) {
  const flags = Object.entries(table).map(([key, { flag }]) => [key, flag]);
  return Object.fromEntries(flags) as { readonly [K in keyof T]: T[K]["flag"] };
}

/** The values that the flags of a table say, of those that say something else than when they are not given. */
export function valuesOf(table: Table, given: Given): Json {
  return rowsGiven(table, given).reduce<Json>(
    (values, [{ flag, value }, said]) =>
      mergeValues(values, nest(value.split("."), typed(flag, said))),
    {},
  );
}

/** The annotations that say the same. */
export function annotationsOf(table: Table, given: Given): Record<string, string> {
  const rows = rowsGiven(table, given).filter(([{ annotation }]) => annotation !== "");
  return Object.fromEntries(
    rows.map(([{ annotation }, said]) => [`config.linkerd.io/${annotation}`, String(said)]),
  );
}

const rowsGiven = (table: Table, given: Given) =>
  Object.entries(table)
    .map(([key, each]) => [each, given[key]] as const)
    .filter(([{ flag }, said]) => said !== undefined && said !== flag.initial);

const NUMBERS = ["PORT", "UID", "GID", "N"];

// What is no number is left as it is, for the chart's schema to refuse with the value's name.
const typed = ({ value = "" }: Flag, said: unknown): unknown =>
  NUMBERS.includes(value) && /^-?\d+$/.test(String(said)) ? Number(said) : said;
