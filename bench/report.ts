// What the figures mean: medians over the rounds, their spread, ours in ratio to each peer, as Markdown.

import type { Sample, Scenario } from "./scenarios.ts";

type Column = {
  readonly title: string;
  readonly digits: number;
  /** Whether ours is shown in ratio to each peer. */
  readonly ratio?: boolean;
};

// oxfmt-ignore
const COLUMNS = {
  rate: { title: "rate /s", digits: 0 },
  user: { title: "user µs", digits: 1, ratio: true },
  system: { title: "system µs", digits: 1 },
  total: { title: "CPU µs", digits: 1, ratio: true },
  p50: { title: "p50 µs", digits: 0 },
  p99: { title: "p99 µs", digits: 0, ratio: true },
  p999: { title: "p99.9 µs", digits: 0 },
  readyMs: { title: "ready ms", digits: 0, ratio: true },
  rssMb: { title: "RSS MB", digits: 1 },
  privateMb: { title: "private MB", digits: 1 },
  errors: { title: "errors", digits: 0 },
} satisfies Record<string, Column>;

export type Metric = keyof typeof COLUMNS;

/** All rounds of one peer in one scenario. */
export type Row = { readonly peer: string; readonly samples: readonly Sample[] };

/** A scenario's rows; `notes` say what is missing and why. */
export type Result = {
  readonly scenario: Scenario;
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
};

/** Above this share of the median between the rounds, figures are too noisy to be believed. */
const NOISY = 0.15;

const metrics = Object.keys(COLUMNS) as Metric[];

/** The middle of the values of one metric; undefined when no round knows it. */
export function median(samples: readonly Sample[], metric: Metric): number | undefined {
  const values = valuesOf(samples, metric).sort((a, b) => a - b);
  const half = values.length >> 1;
  if (values.length === 0) return undefined;
  return values.length % 2 === 1 ? values[half] : (values[half - 1]! + values[half]!) / 2;
}

/** The distance between the smallest and the largest value, as a share of the median. */
export function spread(samples: readonly Sample[], metric: Metric): number {
  const values = valuesOf(samples, metric);
  const middle = median(samples, metric) ?? 0;
  return middle === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / middle;
}

/** One scenario as a heading and a Markdown table. */
export function printResult({ scenario, rows, notes }: Result): string {
  const known = metrics.filter(
    (metric) =>
      rows.some(({ samples }) => median(samples, metric) !== undefined) &&
      (metric !== "errors" || rows.some(({ samples }) => (median(samples, "errors") ?? 0) > 0)),
  );
  const ours = rows.find(({ peer }) => peer === "ours");
  const compared = ours && rows.length > 1 ? known.filter((metric) => column(metric).ratio) : [];
  const key = judged(known);
  const head = [
    "peer",
    ...known.map((metric) => column(metric).title),
    ...compared.map((metric) => `ours ÷, ${column(metric).title.replace(/ .s$/, "")}`),
    "spread",
  ];
  const body = rows.map(({ peer, samples }) => [
    peer,
    ...known.map((metric) => figure(median(samples, metric), column(metric).digits)),
    ...compared.map((metric) =>
      peer === "ours" || peer === "direct" ? "" : ratio(ours!.samples, samples, metric),
    ),
    samples.length < 2 ? "" : `${Math.round(100 * spread(samples, key))} %`,
  ]);
  const lines =
    rows.length === 0 ? [] : [head, head.map((_, n) => (n === 0 ? "---" : "---:")), ...body];
  const noisy = rows.filter(({ samples }) => spread(samples, key) > NOISY);
  return [
    `### ${scenario.title}`,
    "",
    ...(scenario.unit ? [`Of ${scenario.unit}, not requests.`, ""] : []),
    ...lines.map((cells) => `| ${cells.join(" | ")} |`),
    "",
    ...notes.map((note) => `- ${note}`),
    ...noisy.map(
      ({ peer }) => `- Noisy: the rounds of ${peer} differ by more than ${NOISY * 100} %.`,
    ),
  ]
    .join("\n")
    .trimEnd();
}

/** All results as plain values, rounds included. */
export function toJson(results: readonly Result[]): unknown {
  return results.map(({ scenario, rows, notes }) => ({
    scenario: scenario.name,
    title: scenario.title,
    notes,
    peers: rows.map(({ peer, samples }) => ({
      peer,
      medians: Object.fromEntries(
        metrics.flatMap((metric) => {
          const value = median(samples, metric);
          return value === undefined ? [] : [[metric, value]];
        }),
      ),
      samples,
    })),
  }));
}

/** The metric whose spread is shown: CPU where it is known. */
function judged(known: readonly Metric[]): Metric {
  return (
    (["total", "readyMs", "privateMb", "rate"] as const).find((key) => known.includes(key)) ??
    "rate"
  );
}

function valuesOf(samples: readonly Sample[], metric: Metric): number[] {
  return samples.map((sample) => sample[metric]).filter((value) => value !== undefined);
}

function ratio(ours: readonly Sample[], theirs: readonly Sample[], metric: Metric): string {
  const [a, b] = [median(ours, metric), median(theirs, metric)];
  return a === undefined || b === undefined || b === 0 ? "" : (a / b).toFixed(2);
}

function figure(value: number | undefined, digits: number): string {
  return value === undefined
    ? ""
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function column(metric: Metric): Column {
  return COLUMNS[metric];
}
