// Linkerd 1's metrics as pages: `metrics.json` flat and as a tree, Prometheus text in its names and labels, and
// InfluxDB lines. All four come from one walk over the tree.

import { Counter } from "../base/metrics.ts";
import { type Digest, Summary } from "../base/summary.ts";
import type { Metric, MetricScope } from "./metrictree.ts";

const JSON_QUANTILES: readonly (readonly [name: string, q: number])[] = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p95", 0.95],
  ["p99", 0.99],
  ["p9990", 0.999],
  ["p9999", 0.9999],
];
const TEXT_QUANTILES = [0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1];

/** `{"rt/http/server/…/requests": 5, …}`, each summary spread over its statistics. */
export function flatMetrics(root: MetricScope): Record<string, number> {
  const flat: Record<string, number> = {};
  for (const [path, metric] of root.leaves()) {
    const name = path.join("/");
    if (!(metric instanceof Summary)) flat[name] = valueOf(metric);
    else for (const [stat, value] of statistics(metric.read())) flat[`${name}.${stat}`] = value;
  }
  return flat;
}

type Tree = { [name: string]: Tree | number };

/** The same nested by scope, leaves as `{"counter": 5}`, `{"gauge": 1}` or `{"stat.p50": 2, …}`. */
export function metricsTree(scope: MetricScope): Tree {
  const tree: Tree = {};
  const { metric } = scope;
  if (metric instanceof Summary) {
    for (const [stat, value] of statistics(metric.read())) tree[`stat.${stat}`] = value;
  } else if (metric !== undefined) {
    tree[metric instanceof Counter ? "counter" : "gauge"] = valueOf(metric);
  }
  for (const [name, child] of scope.children) tree[name] = metricsTree(child);
  return tree;
}

/** Prometheus text: the path joined by `:`, variable parts as labels; `prefix` stands before each name. */
export function prometheusText(root: MetricScope, prefix = ""): string {
  let text = "";
  for (const [path, metric] of root.leaves()) {
    const { name, labels } = named(path);
    const full = prefix + name.join(":").replace(/[^a-zA-Z0-9:]/g, "_");
    if (!(metric instanceof Summary)) {
      text += `${full}${braces(labels)} ${printed(metric)}\n`;
      continue;
    }
    const digest = metric.read();
    if (digest.count === 0) continue;
    for (const [stat, value] of totals(digest))
      text += `${full}_${stat}${braces(labels)} ${value}\n`;
    for (const q of TEXT_QUANTILES) {
      const all = [...labels, ["quantile", String(q)] as const];
      text += `${full}${braces(all)} ${round(digest.quantile(q))}\n`;
    }
  }
  return text;
}

/** InfluxDB lines: one for each scope, its leaves as fields; `host` is a tag of all. */
export function influxText(root: MetricScope, host: string): string {
  const lines = new Map<string, string[]>();
  for (const [path, metric] of root.leaves()) {
    const { name, labels } = named(path);
    const field = name.pop()!;
    const tags = [["host", host] as const, ...labels].map(([k, v]) => `${k}=${tag(v)}`).join(",");
    const line = `${tag(name.length === 0 ? "root" : name.join(":"))},${tags}`;
    let fields = lines.get(line);
    if (fields === undefined) lines.set(line, (fields = []));
    if (!(metric instanceof Summary)) fields.push(`${tag(field)}=${valueOf(metric)}`);
    else {
      for (const [stat, value] of statistics(metric.read())) {
        fields.push(`${tag(field)}_${stat}=${value}`);
      }
    }
  }
  return [...lines].map(([line, fields]) => `${line} ${fields.join(",")}\n`).join("");
}

type Label = readonly [name: string, value: string];

const VARIABLE = new Set(["server", "service", "client"]);

function isServiceOf(path: readonly string[], i: number): boolean {
  return i === 4 && path[2] === "client" && path[i] === "service";
}

// rt/L/server/X, rt/L/service/X and rt/L/client/X[/service/Y] have variable parts; so have exceptions.
function named(path: readonly string[]): { name: string[]; labels: Label[] } {
  const name: string[] = [];
  const labels: Label[] = [];
  for (let i = 0; i < path.length; i++) {
    const segment = path[i]!;
    name.push(segment);
    const isVariable =
      path[0] === "rt" && (i === 0 || (i === 2 && VARIABLE.has(segment)) || isServiceOf(path, i));
    const exceptions = segment === "failures" || segment === "exn";
    if (isVariable && i + 1 < path.length) {
      labels.push([segment, path[++i]!]);
    } else if (exceptions && i + 1 < path.length) {
      if (segment === "exn") name[name.length - 1] = "exceptions";
      labels.push(["exception", path.slice(i + 1).join(":")]);
      break;
    }
  }
  return { name, labels };
}

/** The statistics of a summary by their names in `metrics.json`. */
export function statistics(digest: Digest): (readonly [string, number])[] {
  if (digest.count === 0) return [["count", 0]];
  const quantiles = JSON_QUANTILES.map(([name, q]) => [name, round(digest.quantile(q))] as const);
  return [...totals(digest), ["max", round(digest.max)], ["min", round(digest.min)], ...quantiles];
}

function totals({ count, sum }: Digest): (readonly [string, number])[] {
  return [
    ["count", count],
    ["sum", round(sum)],
    ["avg", round(sum / count)],
  ];
}

function valueOf(metric: Counter | (() => number)): number {
  if (metric instanceof Counter) return metric.value;
  const value = metric();
  return Number.isFinite(value) ? round(value) : 0;
}

// Integer counters as `5`, gauges as `1.0`.
function printed(metric: Exclude<Metric, Summary>): string {
  const value = valueOf(metric);
  return metric instanceof Counter || !Number.isInteger(value) ? String(value) : `${value}.0`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

// With standard escapes: Linkerd 1's made quotes unreadable.
function braces(labels: readonly Label[]): string {
  if (labels.length === 0) return "";
  const escaped = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `{${labels.map(([name, value]) => `${name}="${escaped(value)}"`).join(", ")}}`;
}

function tag(text: string): string {
  return text.replace(/[ ,=]/g, (c) => `\\${c}`);
}
