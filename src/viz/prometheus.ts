// The metrics of a Prometheus, ours or somebody else's, asked in PromQL over its HTTP API. It must scrape proxies as
// charts/linkerd-viz/templates/prometheus.yaml does: every 10 s, with pods' names and owners as labels.

import type { ConnectionOptions } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { nodeHttp, nodeHttps } from "../platform/nodehttp.ts";
import type { Group, Match, Metrics, Wanted } from "./metrics.ts";
import { labelsOf, PRESENT, quantiles } from "./metrics.ts";
import type { Labels } from "./text.ts";

const TIMEOUT_MS = 10_000;
const MOST_CHARACTERS = 64 << 20;
/** A rate takes two samples, which scrapes of every 10 s have in no less. */
const LEAST_RATE_MS = 30_000;

type Sample = readonly [seconds: number, value: string];
type Series = {
  readonly metric: Labels;
  readonly value?: Sample;
  readonly values?: readonly Sample[];
};

export class Prometheus implements Metrics {
  readonly #url: URL;
  readonly #clock: Clock;
  readonly #tls: () => ConnectionOptions | undefined;

  /** `url` may have a path and, before its host, a name and a password; `tls` are options for https. Throws `bad-input`
   * when it is no URL. */
  constructor(
    url: string,
    clock: Clock,
    tls: () => ConnectionOptions | undefined = () => undefined,
  ) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url))
      throw new Fault("bad-input", `"${url}" is no URL of a Prometheus: write http://HOST:PORT`);
    this.#url = new URL(url);
    this.#clock = clock;
    this.#tls = tls;
  }

  readonly increase: Metrics["increase"] = (family, match, by, windowMs) =>
    this.#groups(sum(`increase(${family}${selector(match)}[${windowMs}ms])`, by), by);

  readonly latest: Metrics["latest"] = (family, match, by) =>
    this.#groups(sum(family + selector(match), by), by);

  // One question for all quantiles, which are computed here as histogram_quantile would.
  readonly quantiles: Metrics["quantiles"] = async (family, match, by, windowMs, qs) => {
    const buckets = this.increase(`${family}_bucket`, match, [...by, "le"], windowMs);
    return quantiles(await buckets, by, qs);
  };

  readonly trend: Metrics["trend"] = async (family, match, by, stepMs, points) => {
    const end = this.#clock.wall() / 1000;
    const step = stepMs / 1000;
    const start = end - (points - 1) * step;
    const range = Math.max(stepMs, LEAST_RATE_MS);
    const found = await this.#ask("query_range", {
      query: sum(`rate(${family}${selector(match)}[${range}ms])`, by),
      start: start.toFixed(3),
      end: end.toFixed(3),
      step: String(step),
    });
    return found.map(({ metric, values = [] }) => {
      const numbers = Array<number>(points).fill(0);
      for (const [at, value] of values) numbers[Math.round((at - start) / step)] = Number(value);
      return { labels: labelsOf(metric, by), values: numbers };
    });
  };

  covered(windowMs: number): number {
    return windowMs;
  }

  async trouble(): Promise<string | undefined> {
    try {
      const [seen] = await this.#ask("query", { query: 'count(up{job="linkerd-proxy"})' });
      if (seen) return undefined;
      return `${this.#name} has no targets of the job linkerd-proxy: its scrape configuration lacks it`;
    } catch (error) {
      return Fault.from(error).message;
    }
  }

  async refusals(): Promise<ReadonlyMap<string, string>> {
    const down = await this.#groups('up{job="linkerd-proxy"} == 0', ["namespace", "pod"]);
    const why = "Prometheus has no answer of it";
    return new Map(down.map(({ labels: { namespace, pod } }) => [`${namespace}/${pod}`, why]));
  }

  async #groups(query: string, by: readonly string[]): Promise<Group[]> {
    const found = await this.#ask("query", { query });
    return found.map(({ metric, value }) => ({
      labels: labelsOf(metric, by),
      value: Number(value?.[1] ?? 0),
    }));
  }

  async #ask(what: "query" | "query_range", form: Record<string, string>): Promise<Series[]> {
    const answer = await this.#post(`api/v1/${what}`, new URLSearchParams(form).toString());
    let read: { readonly data?: { readonly result: Series[] }; readonly error?: string };
    try {
      read = JSON.parse(answer) as typeof read;
    } catch {
      throw new Fault("unavailable", `${this.#name} does not answer as a Prometheus does`);
    }
    if (read.data) return read.data.result;
    throw new Fault(
      "unavailable",
      `${this.#name} refuses a query: ${read.error ?? "it says not why"}`,
    );
  }

  #post(path: string, body: string): Promise<string> {
    const { protocol, username, password, pathname } = this.#url;
    const url = new URL(`${pathname.replace(/\/$/, "")}/${path}`, this.#url);
    const credentials = [username, password].map(decodeURIComponent).join(":");
    const options = {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(username === "" ? {} : { auth: credentials }),
      ...this.#tls(),
    };
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void =>
        reject(
          new Fault("unavailable", `${this.#name} cannot be asked: ${error.message}`, {
            cause: error,
          }),
        );
      const { request: send } = protocol === "https:" ? nodeHttps() : nodeHttp();
      const req = send(url, options, (rsp) => {
        let text = "";
        rsp.setEncoding("utf8").on("data", (chunk: string) => {
          if ((text += chunk).length > MOST_CHARACTERS)
            req.destroy(new Error("too large an answer"));
        });
        rsp.on("end", () => resolve(text)).on("error", failed);
      });
      req.on("error", failed).end(body);
    });
  }

  /** For people: no password. */
  get #name(): string {
    return `the Prometheus at ${this.#url.origin}${this.#url.pathname.replace(/\/$/, "")}`;
  }
}

function sum(of: string, by: readonly string[]): string {
  return `sum(${of}) by (${by.join(", ")})`;
}

/** `{direction="inbound",namespace!=""}`. An absent label is "" to both. */
function selector(match: Match): string {
  const terms = Object.entries(match).flatMap(([name, wanted]) =>
    wanted === undefined ? [] : [name + matcher(wanted)],
  );
  return `{${terms.join(",")}}`;
}

function matcher(wanted: Wanted): string {
  if (wanted === PRESENT) return '!=""';
  if (typeof wanted === "string") return `=${JSON.stringify(wanted)}`;
  if ("not" in wanted) return `!=${JSON.stringify(wanted.not)}`;
  return `=~${JSON.stringify(wanted.map(escapeRegex).join("|"))}`;
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
