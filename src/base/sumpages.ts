// One page of metrics for several threads, each of which prints its own. They meet as text: a thread keeps its counters
// as plain fields, and nothing is shared, locked or sent until somebody asks for the page.

import { parseNumber, printNumber } from "./metricnumber.ts";

type Family = {
  readonly head: string;
  readonly sum: boolean;
  readonly values: Map<string, number>;
};

/** Adds up pages in Prometheus text format; of the families that `isCommon` accepts it takes the largest value. */
export function sumPages(pages: readonly string[], isCommon: (family: string) => boolean): string {
  if (pages.length === 1) return pages[0]!;
  const families = new Map<string, Family>();
  for (const page of pages) addPage(families, page, isCommon);
  const names = [...families.keys()].sort();
  return names.map((name) => printFamily(families.get(name)!)).join("");
}

function addPage(
  families: Map<string, Family>,
  page: string,
  isCommon: (family: string) => boolean,
): void {
  let family: Family | undefined;
  let help = "";
  for (const line of page.split("\n")) {
    if (line.startsWith("# HELP ")) help = line;
    else if (line.startsWith("# TYPE ")) {
      const name = line.slice(7, line.lastIndexOf(" "));
      family = families.get(name);
      if (family === undefined) {
        family = { head: `${help}\n${line}\n`, sum: !isCommon(name), values: new Map() };
        families.set(name, family);
      }
    } else if (family !== undefined && line !== "") {
      const at = line.lastIndexOf(" ");
      const [series, value] = [line.slice(0, at), parseNumber(line.slice(at + 1))];
      const before = family.values.get(series);
      const both = family.sum ? (before ?? 0) + value : Math.max(before ?? -Infinity, value);
      family.values.set(series, both);
    }
  }
}

function printFamily({ head, values }: Family): string {
  let text = head;
  for (const [series, value] of values) text += `${series} ${printNumber(value)}\n`;
  return text;
}
