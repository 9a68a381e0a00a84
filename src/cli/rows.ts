// How verbs print what viz answered: JSON, a table, or a sentence where there is nothing.

import type { Terminal } from "./terminal.ts";

type Prints<Row> = {
  readonly json: (rows: readonly Row[]) => string;
  readonly table: (rows: readonly Row[]) => string;
  /** Said on standard error in place of an empty table. */
  readonly nothing?: string;
};

/** Prints rows in a format: "json", or a table for any other. */
export function printRows<Row>(
  { print, note }: Terminal,
  format: string,
  rows: readonly Row[],
  { json, table, nothing = "No traffic found." }: Prints<Row>,
): void {
  if (format === "json") print(json(rows));
  else if (rows.length === 0) note(nothing);
  else print(table(rows));
}
