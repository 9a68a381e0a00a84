// The questions that stat, routes, edges and the dashboard ask of the proxies' metrics. Two sources answer them:
// the embedded store that scrapes proxies itself, and a Prometheus that somebody runs.

import type { Labels } from "./text.ts";

/** What a label must be: this text (absent is ""), one of these, anything but one text, or anything but absent. */
export type Wanted = string | readonly string[] | { readonly not: string } | typeof PRESENT;

/** Any value but "". */
export const PRESENT: unique symbol = Symbol("present");

export type Match = Readonly<Record<string, Wanted | undefined>>;

/** One group of series: the labels that were grouped by (absent ones are ""), and the number. */
export type Group = { readonly labels: Labels; readonly value: number };

/** The same with several numbers: one for each quantile, or for each step of time. */
export type NumbersGroup = { readonly labels: Labels; readonly values: readonly number[] };

export interface Metrics {
  /** sum(increase(family{match}[window])) by (by) */
  increase(family: string, match: Match, by: readonly string[], windowMs: number): Promise<Group[]>;
  /** sum(family{match}) by (by): the latest values of gauges. */
  latest(family: string, match: Match, by: readonly string[]): Promise<Group[]>;
  /** histogram_quantile(q, sum(increase(family_bucket{match}[window])) by (le, by)) for each q; NaN without samples. */
  quantiles(
    family: string,
    match: Match,
    by: readonly string[],
    windowMs: number,
    qs: readonly number[],
  ): Promise<NumbersGroup[]>;
  /** rate(family{match}[step]) by (by), per second, for the last `points` steps, oldest first. */
  trend(
    family: string,
    match: Match,
    by: readonly string[],
    stepMs: number,
    points: number,
  ): Promise<NumbersGroup[]>;
  /** How much of a window there are samples for, in milliseconds: less right after the start. */
  covered(windowMs: number): number;
  /** Why there are no answers to be had; undefined when there are. */
  trouble(): Promise<string | undefined>;
  /** The pods, "namespace/name", whose proxies did not say their metrics when last asked, with the reason. */
  refusals(): Promise<ReadonlyMap<string, string>>;
}

/** A key that is equal for equal values of the labels `by`. */
export function sliceKey(labels: Labels, by: readonly string[]): string {
  return by.map((name) => labels[name] ?? "").join("\0");
}

/** Those labels of `labels` that are grouped by. */
export function labelsOf(labels: Labels, by: readonly string[]): Labels {
  return Object.fromEntries(by.map((name) => [name, labels[name] ?? ""]));
}

/** Whether `labels` are what `match` wants. */
export function matches(labels: Labels, match: Match): boolean {
  for (const name in match) {
    const wanted = match[name];
    if (wanted !== undefined && !isWanted(labels[name] ?? "", wanted)) return false;
  }
  return true;
}

function isWanted(value: string, wanted: Wanted): boolean {
  if (wanted === PRESENT) return value !== "";
  if (typeof wanted === "string") return value === wanted;
  return "not" in wanted ? value !== wanted.not : wanted.includes(value);
}

/** The quantiles of histograms from the groups of their buckets, which have the label `le` beside those of `by`. */
export function quantiles(
  buckets: readonly Group[],
  by: readonly string[],
  qs: readonly number[],
): NumbersGroup[] {
  const histograms = Map.groupBy(buckets, ({ labels }) => sliceKey(labels, by));
  return [...histograms.values()].map((groups) => {
    const { le: _, ...labels } = groups[0]!.labels;
    const counts = groups.map(({ labels: { le }, value }) => [bound(le!), value] as const);
    return { labels, values: qs.map((q) => quantile(q, counts)) };
  });
}

/** The upper bound that a label `le` says. */
export function bound(le: string): number {
  return le === "+Inf" ? Infinity : Number(le);
}

/** Quantile `q` of a histogram from cumulative counts by upper bound, straight lines within a bucket (as Prometheus does). */
export function quantile(
  q: number,
  buckets: readonly (readonly [le: number, count: number])[],
): number {
  const sorted = [...buckets].sort((a, b) => a[0] - b[0]);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total === 0) return NaN;
  const rank = q * total;
  let lower = 0;
  let below = 0;
  for (const [le, count] of sorted) {
    if (count >= rank) {
      // The last bucket has no end: the answer is "at least its beginning".
      if (le === Infinity) return lower;
      return count === below ? le : lower + (le - lower) * ((rank - below) / (count - below));
    }
    lower = le;
    below = count;
  }
  return lower;
}
