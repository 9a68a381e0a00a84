// Metrics: families of counters, gauges and histograms and their Prometheus text. A child is looked up once,
// when something is bound; from then on counting is a field increment. Series that nobody touches for ten
// minutes leave the page, and come back by themselves if their holder counts again; a family with too many
// series folds the rest into one. So the page and the memory stay bounded, whatever clients send.

import { printNumber } from "./metricnumber.ts";
import type { Clock } from "./clock.ts";

/** Label names and values; printed in this order. */
export type Labels = Readonly<Record<string, string>>;

export type MetricKind = "counter" | "gauge" | "histogram";

export type RegistryOptions = {
  /** How long a series stays after its last change. Default 10 min (METRICS_RETAIN_IDLE). */
  readonly retainMs?: number;
  /** Series in one family before the rest share `overflow="true"`. Default 2,000. */
  readonly maxSeries?: number;
};

export class Counter {
  value = 0;

  inc(): void {
    this.value += 1;
  }

  add(n: number): void {
    this.value += n;
  }

  /** Changes with every use. */
  get stamp(): number {
    return this.value;
  }

  print(name: string, labels: string): string {
    return `${name}${braces(labels)} ${this.value}\n`;
  }
}

export class Gauge {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  inc(): void {
    this.value += 1;
  }

  dec(): void {
    this.value -= 1;
  }

  get stamp(): number {
    return this.value;
  }

  print(name: string, labels: string): string {
    return `${name}${braces(labels)} ${printNumber(this.value)}\n`;
  }
}

export class Histogram {
  /** Upper bounds of the buckets, ascending; the last bucket of `counts` is +Inf. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  count = 0;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let low = 0;
    let high = this.bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= this.bounds[middle]!) high = middle;
      else low = middle + 1;
    }
    this.counts[low]! += 1;
    this.count += 1;
    this.sum += value;
  }

  get stamp(): number {
    return this.count;
  }

  print(name: string, labels: string): string {
    const before = labels === "" ? "" : `${labels},`;
    let text = "";
    let below = 0;
    for (let i = 0; i < this.counts.length; i++) {
      below += this.counts[i]!;
      const le = i < this.bounds.length ? printNumber(this.bounds[i]!) : "+Inf";
      text += `${name}_bucket{${before}le="${le}"} ${below}\n`;
    }
    const end = braces(labels);
    return `${text}${name}_sum${end} ${printNumber(this.sum)}\n${name}_count${end} ${this.count}\n`;
  }
}

export type Metric = Counter | Gauge | Histogram;

/** One time series. */
export type Series<C> = { readonly labels: Labels; readonly text: string; readonly metric: C };

type Entry<C> = Series<C> & { stamp: number; touchedAt: number };

/** The label of a series that stands for all that are too many to tell apart. */
export const OVERFLOW: Labels = { overflow: "true" };

export class Family<C extends Metric = Metric> {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly #make: () => C;
  readonly #clock: Clock;
  readonly #options: Required<RegistryOptions>;
  readonly #entries = new Map<string, Entry<C>>();
  // Left the page; its holder may still count, and then it returns.
  readonly #idle = new Map<string, { labels: Labels; stamp: number; ref: WeakRef<C> }>();

  constructor(
    name: string,
    help: string,
    kind: MetricKind,
    make: () => C,
    clock: Clock,
    options: Required<RegistryOptions>,
  ) {
    this.name = name;
    this.help = help;
    this.kind = kind;
    this.#make = make;
    this.#clock = clock;
    this.#options = options;
  }

  /** The child with these labels. Costs about a microsecond: call it when binding, never for a request. */
  with(labels: Labels): C {
    const text = printLabels(labels);
    const entry = this.#entries.get(text);
    if (entry) {
      entry.touchedAt = this.#clock.now();
      return entry.metric;
    }
    const held = this.#idle.get(text)?.ref.deref();
    if (this.#entries.size >= this.#options.maxSeries && labels !== OVERFLOW) {
      return held ?? this.with(OVERFLOW);
    }
    this.#idle.delete(text);
    return this.#add(labels, text, held ?? this.#make());
  }

  /** The series on the page. Costs O(series). */
  series(): Series<C>[] {
    this.#sweep();
    return [...this.#entries.values()];
  }

  print(): string {
    const series = this.series();
    if (series.length === 0) return "";
    let text = `# HELP ${this.name} ${escape(this.help)}\n# TYPE ${this.name} ${this.kind}\n`;
    for (const { metric, text: labels } of series) text += metric.print(this.name, labels);
    return text;
  }

  #add(labels: Labels, text: string, metric: C): C {
    const touchedAt = this.#clock.now();
    this.#entries.set(text, { labels, text, metric, stamp: metric.stamp, touchedAt });
    return metric;
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const [text, idle] of this.#idle) {
      const metric = idle.ref.deref();
      if (metric === undefined) {
        this.#idle.delete(text);
      } else if (metric.stamp !== idle.stamp && this.#entries.size < this.#options.maxSeries) {
        this.#idle.delete(text);
        this.#add(idle.labels, text, metric);
      }
    }
    for (const [text, entry] of this.#entries) {
      const { labels, metric, stamp } = entry;
      if (metric.stamp !== stamp) {
        entry.stamp = metric.stamp;
        entry.touchedAt = now;
      } else if (now - entry.touchedAt > this.#options.retainMs && !this.#standing(metric)) {
        this.#entries.delete(text);
        this.#idle.set(text, { labels, stamp, ref: new WeakRef(metric) });
      }
    }
  }

  // A gauge that is not zero says something even if it does not change.
  #standing(metric: C): boolean {
    return this.kind === "gauge" && metric.stamp !== 0;
  }
}

/** All families of a process, in order of name. */
export class Registry {
  readonly #clock: Clock;
  readonly #options: Required<RegistryOptions>;
  readonly #families = new Map<string, Family>();
  readonly #beforePrint = new Set<() => void>();

  constructor(clock: Clock, options: RegistryOptions = {}) {
    this.#clock = clock;
    this.#options = {
      retainMs: options.retainMs ?? 600_000,
      maxSeries: options.maxSeries ?? 2000,
    };
  }

  /** The counter family whose samples are called `name` (so with `_total`, where it has one). */
  counter(name: string, help: string): Family<Counter> {
    return this.#family(name, help, "counter", () => new Counter());
  }

  gauge(name: string, help: string): Family<Gauge> {
    return this.#family(name, help, "gauge", () => new Gauge());
  }

  /** `bounds` are the upper bounds of the buckets, ascending, without +Inf. */
  histogram(name: string, help: string, bounds: readonly number[]): Family<Histogram> {
    return this.#family(name, help, "histogram", () => new Histogram(bounds));
  }

  /** All families in order of name. */
  families(): Family[] {
    for (const fn of this.#beforePrint) fn();
    return [...this.#families.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Calls `fn` before each reading, to set gauges that are only worked out then. Returns what takes it back. */
  beforePrint(fn: () => void): () => void {
    this.#beforePrint.add(fn);
    return () => this.#beforePrint.delete(fn);
  }

  /** The page in Prometheus text format 0.0.4. Costs O(series). */
  print(): string {
    return this.families()
      .map((family) => family.print())
      .join("");
  }

  #family<C extends Metric>(
    name: string,
    help: string,
    kind: MetricKind,
    make: () => C,
  ): Family<C> {
    let family = this.#families.get(name);
    if (!family) {
      family = new Family(name, help, kind, make, this.#clock, this.#options);
      this.#families.set(name, family);
    }
    return family as unknown as Family<C>;
  }
}

/** `a="b",c="d"`, escaped as the text format wants. */
function printLabels(labels: Labels): string {
  let text = "";
  for (const name in labels) {
    text += `${text === "" ? "" : ","}${name}="${escape(labels[name]!).replaceAll('"', '\\"')}"`;
  }
  return text;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function braces(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}
