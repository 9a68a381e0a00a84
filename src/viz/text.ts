// The Prometheus text format (version 0.0.4), as proxies answer on /metrics: lines to samples.
// It reads only the families that somebody asked for, because a proxy exports many more than a dashboard shows.

import { parseNumber } from "../base/metricnumber.ts";

export type Labels = Readonly<Record<string, string>>;

/** Told of each sample. `series` is the text of name and labels, equal for equal series of one exporter. */
export type EachSample = (
  family: string,
  series: string,
  value: number,
  labels: () => Labels,
) => void;

/** Reads an exposition in one pass; `wanted` picks families. Lines that are no sample are skipped. */
export function parseText(
  text: string,
  wanted: (family: string) => boolean,
  each: EachSample,
): void {
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start);
    const stop = end < 0 ? text.length : end;
    if (text.charCodeAt(start) !== HASH) parseLine(text, start, stop, wanted, each);
    start = stop + 1;
  }
}

const HASH = 35;

function parseLine(
  text: string,
  start: number,
  stop: number,
  wanted: (family: string) => boolean,
  each: EachSample,
): void {
  let name = start;
  while (name < stop && text[name] !== "{" && text[name] !== " ") name++;
  const family = text.slice(start, name);
  if (family === "" || !wanted(family)) return;
  const close = text[name] === "{" ? endOfLabels(text, name + 1, stop) : name - 1;
  if (close < 0) return;
  // A timestamp may follow the value; it is the scrape's time that counts here.
  const value = parseNumber(
    text
      .slice(close + 1, stop)
      .trim()
      .split(" ")[0]!,
  );
  if (Number.isNaN(value)) return;
  const labelText = text[name] === "{" ? text.slice(name + 1, close) : "";
  each(family, text.slice(start, close + 1), value, () => parseLabels(labelText));
}

// The place of the brace that ends the labels; a brace inside a quoted value does not.
function endOfLabels(text: string, from: number, stop: number): number {
  let quoted = false;
  for (let i = from; i < stop; i++) {
    const c = text[i];
    if (quoted && c === "\\") i++;
    else if (c === '"') quoted = !quoted;
    else if (c === "}" && !quoted) return i;
  }
  return -1;
}

/** `a="x",b="y"` → { a: "x", b: "y" }, escapes undone. */
export function parseLabels(text: string): Labels {
  const labels: Record<string, string> = {};
  for (const [, name, raw] of text.matchAll(/([a-zA-Z_][\w]*)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name!] = raw!.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
  }
  return labels;
}
