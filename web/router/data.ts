// What the dashboard knows: the router's pages, asked every second, and what follows from two answers in a row. The
// figures of the last minutes are kept here, so that no page has to wait for its history.

import { useEffect, useState } from "preact/hooks";
import type { Golden } from "../../src/viz/live.ts";

const POLL_MS = 1000;
const KEPT = 90;

export type Endpoint = {
  readonly address: string;
  readonly weight: number;
  readonly state: "ready" | "broken" | "unreachable";
  readonly pending: number;
  readonly load: number;
  readonly why?: string;
  readonly sinceMs?: number;
};

export type Client = {
  readonly id: string;
  readonly balancer: string;
  readonly accrual: string;
  readonly tls: boolean;
  readonly discovery: string;
  readonly error?: string;
  /** How long discovery has failed; 0 while it answers. */
  readonly staleMs: number;
  readonly endpoints: readonly Endpoint[];
};

export type Service = { readonly name: string; readonly dtab: string; readonly error?: string };

export type RouterView = {
  readonly label: string;
  readonly protocol: string;
  readonly dtab: readonly string[];
  readonly interpreter: string;
  /** The name is that of its metrics, `rt/<label>/server/<name>`. */
  readonly servers: readonly { readonly name: string; readonly address: string }[];
  readonly services: readonly Service[];
  readonly clients: readonly Client[];
};

export type Report = {
  readonly file: string;
  readonly applied: { readonly at: number; readonly error?: string };
  readonly routers: readonly RouterView[];
  /** Sources that do not answer, and how old what they said is. */
  readonly silent: readonly {
    readonly what: string;
    readonly error?: string;
    readonly ageMs: number;
  }[];
};

export type Info = {
  readonly version: string;
  readonly uptime_ms: number;
  readonly memory_bytes: number;
  readonly runtime: string;
};

type Metrics = Readonly<Record<string, number>>;

/** Figures of one scope (`rt/http/service/svc/web`): rates over the last seconds, latencies of the last minute. */
export type Figures = Golden & {
  /** Requests a second of the last minutes, oldest first. */
  readonly history: readonly number[];
};

export type Snapshot = {
  readonly report: Report;
  readonly info: Info;
  readonly metric: (name: string) => number;
  readonly figures: (scope: string) => Figures;
};

type Sample = { readonly at: number; readonly metrics: Metrics };

const samples: Sample[] = [];
let latestUptimeMs = 0;
const SPAN = 5;

/** The latest answers, and whether the router still answers. */
export function useRouter(): { snapshot: Snapshot | undefined; connected: boolean } {
  const [state, setState] = useState<{ snapshot: Snapshot | undefined; connected: boolean }>({
    snapshot: undefined,
    connected: false,
  });
  useEffect(() => {
    let open = true;
    const turn = async (): Promise<void> => {
      try {
        const [report, metrics, info] = await Promise.all([
          read<Report>("/routers.json"),
          read<Metrics>("/admin/metrics.json"),
          read<Info>("/admin/server_info"),
        ]);
        const uptimeMs = info.uptime_ms;
        // A router that was restarted counts from zero.
        if (uptimeMs < latestUptimeMs) samples.length = 0;
        latestUptimeMs = uptimeMs;
        samples.push({ at: performance.now(), metrics });
        if (samples.length > KEPT) samples.shift();
        if (open)
          setState({ snapshot: { report, info, metric: latest, figures }, connected: true });
      } catch {
        if (open) setState(({ snapshot }) => ({ snapshot, connected: false }));
      }
      if (open) setTimeout(() => void turn(), POLL_MS);
    };
    void turn();
    return () => {
      open = false;
    };
  }, []);
  return state;
}

/** Reads a page of the router. */
export async function read<T>(path: string): Promise<T> {
  const rsp = await fetch(path);
  if (!rsp.ok) throw new Error((await rsp.text()).trim() || `${rsp.status}`);
  return (await rsp.json()) as T;
}

function latest(name: string): number {
  return samples.at(-1)?.metrics[name] ?? 0;
}

function figures(scope: string): Figures {
  const last = samples.at(-1);
  const first = samples.at(-1 - SPAN) ?? samples[0];
  const none = { rps: null, success: null, p50: null, p95: null, p99: null, history: [] };
  if (last === undefined || first === undefined || last === first) return none;
  const of = (sample: Sample, name: string): number => sample.metrics[`${scope}/${name}`] ?? 0;
  const seconds = (last.at - first.at) / 1000;
  const requests = of(last, "requests") - of(first, "requests");
  const failures = of(last, "failures") - of(first, "failures");
  const latency = (stat: string): number | null =>
    last.metrics[`${scope}/request_latency_ms.${stat}`] ?? null;
  return {
    rps: requests / seconds,
    success: requests > 0 ? 1 - failures / requests : null,
    p50: latency("p50"),
    p95: latency("p95"),
    p99: latency("p99"),
    history: samples
      .slice(1)
      .map(
        (sample, i) =>
          (of(sample, "requests") - of(samples[i]!, "requests")) /
          ((sample.at - samples[i]!.at) / 1000),
      ),
  };
}
