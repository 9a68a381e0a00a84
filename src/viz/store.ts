// The embedded metrics store: the last ten minutes of what proxies count, in memory.
// A series is a ring of what it grew by from scrape to scrape, not of its values: sums over a window then need
// no care for restarts, and four bytes a sample are enough.
//
//   tick            … 41  42  43  44 ◀ now
//   counter         …  7   9   9   2      (the proxy restarted before 44)
//   ring of growth  …  1   2   0   2

import type { Group, Match, Metrics, NumbersGroup } from "./metrics.ts";
import { labelsOf, matches, quantiles, sliceKey } from "./metrics.ts";
import type { Labels } from "./text.ts";
import { parseText } from "./text.ts";

/** What is kept: everything that the viz API answers from. `gauge` families keep only their latest value. */
const FAMILIES: Readonly<Record<string, "counter" | "gauge">> = {
  response_total: "counter",
  response_latency_ms_bucket: "counter",
  route_response_total: "counter",
  route_actual_response_total: "counter",
  route_response_latency_ms_bucket: "counter",
  tcp_open_connections: "gauge",
  tcp_read_bytes_total: "counter",
  tcp_write_bytes_total: "counter",
  inbound_http_authz_allow_total: "counter",
  inbound_http_authz_deny_total: "counter",
  outbound_http_route_request_statuses_total: "counter",
  outbound_grpc_route_request_statuses_total: "counter",
  outbound_http_route_backend_response_statuses_total: "counter",
  outbound_grpc_route_backend_response_statuses_total: "counter",
  outbound_http_route_retry_requests_total: "counter",
  outbound_grpc_route_retry_requests_total: "counter",
  outbound_http_route_request_duration_seconds_bucket: "counter",
  outbound_grpc_route_request_duration_seconds_bucket: "counter",
  outbound_http_route_backend_response_duration_seconds_bucket: "counter",
  outbound_grpc_route_backend_response_duration_seconds_bucket: "counter",
};

/** The labels that a series of a family is kept with; undefined leaves it out. */
export type Relabel = (family: string, labels: Labels) => Labels | undefined;

class Series {
  readonly labels: Labels;
  readonly target: Target;
  /** Allocated with the first growth: most buckets of most histograms never grow. */
  ring: Float32Array | undefined = undefined;
  value = 0;
  /** The tick of the last sample. */
  tick = 0;

  constructor(target: Target, labels: Labels) {
    this.target = target;
    this.labels = labels;
  }
}

/** Of one proxy; those of a busy gateway are a tenth of it. */
const MOST_SERIES = 100_000;
/** A proxy that missed as many scrapes is gone, and its connections with it. */
const PATIENCE = 3;

class Target {
  /** By the series' own text, which saves parsing its labels again at each scrape. */
  readonly series = new Map<string, Series>();
  readonly ignored = new Set<string>();
  scraped = false;
}

export class Store implements Metrics {
  readonly #intervalMs: number;
  readonly #slots: number;
  readonly #targets = new Map<string, Target>();
  readonly #families = new Map<string, Set<Series>>();
  /** Targets that did not answer, in which turn and why. */
  readonly #missed = new Map<string, { readonly tick: number; readonly why: string }>();
  #tick = 0;
  #firstTick = 0;

  /** Keeps `keepMs` of samples that come every `intervalMs`. */
  constructor(intervalMs: number, keepMs = 600_000) {
    this.#intervalMs = intervalMs;
    this.#slots = Math.ceil(keepMs / intervalMs);
  }

  /** Begins the next scrape; series that nobody has seen for the whole window are forgotten. */
  turn(): void {
    this.#tick++;
    if (this.#tick % 30 === 0) this.#forget();
  }

  /** Takes what `target` answered in this turn. `extra` are the labels that say whose proxy it is; `relabel` says what a
   * series is kept as, if it is. */
  take(
    target: string,
    extra: Labels,
    text: string,
    relabel: Relabel = (_, labels) => labels,
  ): void {
    let known = this.#targets.get(target);
    if (!known) this.#targets.set(target, (known = new Target()));
    const from = known;
    // What a proxy counted before it was first seen did not happen within any window.
    const fresh = !from.scraped;
    let isFull = false;
    parseText(
      text,
      (family) => FAMILIES[family] !== undefined,
      (family, key, value, labels) => {
        let series = from.series.get(key);
        if (!series) {
          if (from.ignored.has(key)) return;
          if (from.series.size >= MOST_SERIES) return void (isFull = true);
          const own = relabel(family, labels());
          if (!own) {
            from.ignored.add(key);
            return;
          }
          series = new Series(from, { ...own, ...extra });
          from.series.set(key, series);
          this.#family(family).add(series);
          if (fresh) series.value = value;
        }
        this.#sample(series, value, FAMILIES[family] === "counter");
      },
    );
    from.scraped = true;
    this.#missed.delete(target);
    if (isFull)
      this.miss(target, `it has more than ${MOST_SERIES} series: the rest is not counted`);
    if (this.#firstTick === 0) this.#firstTick = this.#tick;
  }

  /** Takes note that `target` did not answer in this turn. */
  miss(target: string, why: string): void {
    this.#missed.set(target, { tick: this.#tick, why });
  }

  readonly increase: Metrics["increase"] = async (family, match, by, windowMs) =>
    this.#sum(family, match, by, (series) => this.#growth(series, windowMs));

  readonly latest: Metrics["latest"] = async (family, match, by) => {
    const since = this.#tick - PATIENCE;
    const read = (series: Series) => (series.tick >= since ? series.value : undefined);
    return this.#sum(family, match, by, read);
  };

  readonly quantiles: Metrics["quantiles"] = async (family, match, by, windowMs, qs) => {
    const growth = (series: Series): number => this.#growth(series, windowMs);
    return quantiles(this.#sum(`${family}_bucket`, match, [...by, "le"], growth), by, qs);
  };

  readonly trend: Metrics["trend"] = async (family, match, by, stepMs, points) => {
    const step = Math.max(1, Math.round(stepMs / this.#intervalMs));
    const seconds = (step * this.#intervalMs) / 1000;
    const ends = Array.from({ length: points }, (_, i) => this.#tick - (points - 1 - i) * step);
    return this.#sums(family, match, by, (series) =>
      ends.map((end) => this.#between(series, end - step, end) / seconds),
    );
  };

  covered(windowMs: number): number {
    if (this.#firstTick === 0) return windowMs;
    const known = Math.max(1, this.#tick - this.#firstTick) * this.#intervalMs;
    return Math.min(windowMs, known);
  }

  trouble(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  refusals(): Promise<ReadonlyMap<string, string>> {
    const since = this.#tick - PATIENCE;
    const missed = [...this.#missed].filter(([, { tick }]) => tick >= since);
    return Promise.resolve(new Map(missed.map(([target, { why }]) => [target, why])));
  }

  #family(name: string): Set<Series> {
    let set = this.#families.get(name);
    if (!set) this.#families.set(name, (set = new Set()));
    return set;
  }

  #sample(series: Series, value: number, counter: boolean): void {
    const growth = value >= series.value ? value - series.value : value;
    if (counter && growth > 0) {
      series.ring ??= new Float32Array(this.#slots);
      this.#clear(series);
      series.ring[this.#tick % this.#slots]! += growth;
    } else if (series.ring) {
      this.#clear(series);
    }
    series.value = value;
    series.tick = this.#tick;
  }

  // Wipes the slots that the ring has passed since the last sample.
  #clear(series: Series): void {
    const from = Math.max(series.tick + 1, this.#tick - this.#slots + 1);
    for (let tick = from; tick <= this.#tick; tick++) series.ring![tick % this.#slots] = 0;
  }

  #growth(series: Series, windowMs: number): number {
    return this.#between(series, this.#tick - Math.round(windowMs / this.#intervalMs), this.#tick);
  }

  /** What a series grew by after tick `after`, up to tick `until`. */
  #between(series: Series, after: number, until: number): number {
    const ring = series.ring;
    if (!ring) return 0;
    const last = Math.min(until, series.tick);
    let sum = 0;
    for (let tick = Math.max(after, series.tick - this.#slots, 0) + 1; tick <= last; tick++) {
      sum += ring[tick % this.#slots]!;
    }
    return sum;
  }

  #sum(
    family: string,
    match: Match,
    by: readonly string[],
    read: (series: Series) => number | undefined,
  ): Group[] {
    const groups = this.#sums(family, match, by, (series) => {
      const value = read(series);
      return value === undefined ? undefined : [value];
    });
    return groups.map(({ labels, values }) => ({ labels, value: values[0]! }));
  }

  #sums(
    family: string,
    match: Match,
    by: readonly string[],
    read: (series: Series) => number[] | undefined,
  ): NumbersGroup[] {
    const groups = new Map<string, { labels: Labels; values: number[] }>();
    for (const series of this.#families.get(family) ?? []) {
      if (!matches(series.labels, match)) continue;
      const values = read(series);
      if (values === undefined) continue;
      const key = sliceKey(series.labels, by);
      const group = groups.get(key);
      if (group) values.forEach((value, i) => (group.values[i]! += value));
      else groups.set(key, { labels: labelsOf(series.labels, by), values });
    }
    return [...groups.values()];
  }

  #forget(): void {
    const oldest = this.#tick - this.#slots;
    for (const [name, { tick }] of this.#missed) if (tick < oldest) this.#missed.delete(name);
    for (const [name, target] of this.#targets) {
      target.ignored.clear();
      for (const [key, series] of target.series) {
        if (series.tick >= oldest) continue;
        target.series.delete(key);
        for (const set of this.#families.values()) set.delete(series);
      }
      if (target.series.size === 0) this.#targets.delete(name);
    }
  }
}
