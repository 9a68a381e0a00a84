// The picture that the dashboard draws: every workload with its golden metrics and their recent past, and who
// calls whom with what result.

import { KINDS } from "./kinds.ts";
import { type Match, type Metrics, sliceKey } from "./metrics.ts";
import type { Security } from "./live.ts";
import type { StatRow } from "./stat.ts";
import { stat } from "./stat.ts";
import type { Traffic } from "./traffic.ts";
import { addTraffic, groupLabels, httpTraffic, NO_PROBES, tcpTraffic } from "./traffic.ts";
import type { Named, World } from "./world.ts";

export type GraphCall = {
  /** `outside` stands for whoever has no proxy. */
  readonly src: Named;
  readonly dst: Named;
  readonly http: Traffic | undefined;
  readonly open: number;
  readonly security: Security;
};

export type WorkloadStat = StatRow & {
  /** Requests a second, oldest first, one for `stepMs`. */
  readonly rate: readonly number[];
};

export type Graph = {
  readonly windowMs: number;
  readonly stepMs: number;
  readonly workloads: readonly WorkloadStat[];
  readonly calls: readonly GraphCall[];
};

const OUTSIDE: Named = { kind: "outside", namespace: "", name: "outside the mesh" };

const WORKLOADS = KINDS.filter((k) => k.role === "workload" && k.name !== "pod");
const LABELS = ["namespace", ...WORKLOADS.map((k) => k.label)];
const DST_LABELS = LABELS.map((label) => `dst_${label}`);

/** Everything in `namespace` ("" for all) over a window, with `points` of past. */
export async function graph(
  world: World,
  metrics: Metrics,
  namespace: string,
  windowMs: number,
  points: number,
): Promise<Graph> {
  const [workloads, calls] = await Promise.all([
    workloadStats(world, metrics, namespace, windowMs, points),
    allCalls(metrics, namespace, windowMs),
  ]);
  return { windowMs: metrics.covered(windowMs), stepMs: STEP_MS, workloads, calls };
}

const STEP_MS = 10_000;

async function workloadStats(
  world: World,
  metrics: Metrics,
  namespace: string,
  windowMs: number,
  points: number,
): Promise<WorkloadStat[]> {
  const kinds = WORKLOADS.filter((k) => (world.things.get(k.name)?.length ?? 0) > 0);
  const lists = await Promise.all(
    kinds.map(async ({ name: kind }) => {
      const of = { kind, namespace, name: "" };
      const query = {
        of,
        selector: () => true,
        windowMs,
        tcp: true,
        podsOnly: false,
        probes: false,
      };
      const [rows, past] = await Promise.all([
        stat(world, metrics, query),
        pastOf(metrics, kind, namespace, points),
      ]);
      // A ReplicaSet behind a Deployment has no pods of its own in our picture.
      return rows
        .filter((row) => row.running + row.failed > 0 || row.thing.kind === "deployment")
        .map((row) => ({ ...row, rate: past(row.thing) }));
    }),
  );
  return lists.flat();
}

async function pastOf(metrics: Metrics, kind: string, namespace: string, points: number) {
  const by = groupLabels(kind, "");
  const match: Match = { direction: "inbound", namespace: namespace || undefined, ...NO_PROBES };
  const groups = await metrics.trend("response_total", match, by, STEP_MS, points);
  const byKey = new Map(groups.map(({ labels, values }) => [sliceKey(labels, by), values]));
  const none = Array<number>(points).fill(0);
  return ({ namespace: ns, name }: Named) => byKey.get(`${ns}\0${name}`) ?? none;
}

async function allCalls(
  metrics: Metrics,
  namespace: string,
  windowMs: number,
): Promise<GraphCall[]> {
  const by = [...LABELS, ...DST_LABELS, "dst_service", "tls"];
  const outbound: Match = { direction: "outbound" };
  const inbound: Match = { direction: "inbound", client_id: "", ...NO_PROBES };
  const [http, tcp, outside] = await Promise.all([
    httpTraffic(metrics, { match: outbound, by }, windowMs),
    tcpTraffic(metrics, { match: { ...outbound, peer: "dst" }, by }, windowMs),
    httpTraffic(metrics, { match: inbound, by: LABELS }, windowMs),
  ]);
  const merged = new Map<string, GraphCall>();
  for (const key of new Set([...http.keys(), ...tcp.keys()])) {
    const requests = http.get(key);
    const connections = tcp.get(key);
    const labels = (requests ?? connections)!.labels;
    const src = workloadIn(labels, "");
    const dst = workloadIn(labels, "dst_") ?? serviceIn(labels);
    if (!src || !dst) continue;
    const security = labels["tls"] === "true" ? "mutual" : "none";
    add(merged, { src, dst, http: requests, open: connections?.open ?? 0, security });
  }
  for (const requests of outside.values()) {
    const dst = workloadIn(requests.labels, "");
    if (dst) add(merged, { src: OUTSIDE, dst, http: requests, open: 0, security: "none" });
  }
  return [...merged.values()].filter(
    ({ src, dst }) =>
      namespace === "" || src.namespace === namespace || dst.namespace === namespace,
  );
}

// Calls over TLS and without it are two groups of series and one edge; its latency is that of the busier group.
function add(merged: Map<string, GraphCall>, call: GraphCall): void {
  const key = JSON.stringify([call.src, call.dst]);
  const before = merged.get(key);
  if (!before) {
    merged.set(key, call);
    return;
  }
  const isMixed = before.http && call.http && before.security !== call.security;
  const security = isMixed ? "mixed" : call.http ? call.security : before.security;
  merged.set(key, {
    ...before,
    http:
      before.http && call.http ? addTraffic(before.http, call.http) : (before.http ?? call.http),
    open: before.open + call.open,
    security,
  });
}

function workloadIn(
  labels: Readonly<Record<string, string>>,
  side: "" | "dst_",
): Named | undefined {
  const namespace = labels[`${side}namespace`] ?? "";
  for (const { name: kind, label } of WORKLOADS) {
    const name = labels[side + label];
    if (name) return { kind, namespace, name };
  }
  return undefined;
}

function serviceIn(labels: Readonly<Record<string, string>>): Named | undefined {
  const name = labels["dst_service"];
  return name ? { kind: "service", namespace: labels["dst_namespace"] ?? "", name } : undefined;
}
