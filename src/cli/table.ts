// Text tables in Linkerd's two styles. Columns are data, so that the wide and the JSON form of a table come
// from the same rows.

import { stripVTControlCharacters } from "node:util";

export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Names stand left, numbers right (the default). */
  readonly align?: "left" | "right";
};

/** A column of names. */
export function left<Row>(title: string, cell: (row: Row) => string): Column<Row> {
  return { title, cell, align: "left" };
}

/** A column of numbers. */
export function right<Row>(title: string, cell: (row: Row) => string): Column<Row> {
  return { title, cell, align: "right" };
}

/** The style of stat, routes and edges: three spaces between columns, no space before the first. */
export function printTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  return layOut(columns, rows)
    .map((cells) => `${cells.join("   ")}\n`)
    .join("");
}

/** The style of authz and gateways: two spaces after every column, the last one too. */
export function printListing<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  return layOut(columns, rows)
    .map((cells) => cells.map((cell) => `${cell}  `).join("") + "\n")
    .join("");
}

function layOut<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[][] {
  const lines = [
    columns.map((c) => c.title),
    ...rows.map((row) => columns.map((c) => c.cell(row))),
  ];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => width(line[i]!))));
  return lines.map((line) => line.map((cell, i) => pad(cell, widths[i]!, columns[i]!.align)));
}

function pad(cell: string, wanted: number, align: Column<unknown>["align"]): string {
  const fill = " ".repeat(wanted - width(cell));
  return align === "left" ? cell + fill : fill + cell;
}

// Colours take no room; a letter outside the basic plane takes one place, not two code units.
function width(cell: string): number {
  return Array.from(stripVTControlCharacters(cell)).length;
}
