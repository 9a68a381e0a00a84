// The answer of `viz stat`: golden metrics of resources. A pure function of the world and the metrics.

import { Fault } from "../base/fault.ts";
import { kindOf } from "./kinds.ts";
import { type Match, type Metrics, sliceKey } from "./metrics.ts";
import type { Selector } from "./selector.ts";
import type { TcpTraffic, Traffic } from "./traffic.ts";
import {
  groupLabels,
  httpTraffic,
  matchOf,
  NO_PROBES,
  servedTraffic,
  tcpTraffic,
} from "./traffic.ts";
import type { MeshPod, Named, Thing, World } from "./world.ts";
import { isWanted, podsOf, thingsOf } from "./world.ts";

export type StatQuery = {
  /** What is asked about; a name or namespace of "" means all. */
  readonly of: Named;
  readonly selector: Selector;
  readonly windowMs: number;
  /** Only what it sends to, or receives from, something else. */
  readonly to?: Named | undefined;
  readonly from?: Named | undefined;
  /** Whether connections and bytes are wanted, and whether only the pods are. */
  readonly tcp: boolean;
  readonly podsOnly: boolean;
  /** Whether what has had nothing but probes is known by those; else it has no traffic. */
  readonly probes: boolean;
};

export type StatRow = {
  readonly thing: Named;
  /** Of a pod: its phase or trouble. */
  readonly status: string;
  readonly meshed: number;
  readonly running: number;
  readonly failed: number;
  readonly http: Traffic | undefined;
  readonly tcp: TcpTraffic | undefined;
  /** What a Server let in and turned away. */
  readonly authz: { allowed: number; denied: number } | undefined;
  readonly troubled: readonly MeshPod[];
};

/** The rows for a query, in order of namespace and name. Rows without traffic are there too, unless `to` or `from` is given. */
export async function stat(world: World, metrics: Metrics, query: StatQuery): Promise<StatRow[]> {
  const { side, match } = viewOf(query);
  const policy = POLICIES[query.of.kind];
  const kind = kindOf(query.of.kind);
  if (kind?.role === "config" && !policy)
    throw new Fault("bad-input", `no proxy counts by ${kind.name}: ask for workloads or services`);
  const by = policy ? ["namespace", `${policy}_name`] : groupLabels(query.of.kind, side);
  const { windowMs } = query;
  const peer = match["direction"] === "inbound" ? "src" : "dst";
  const isOwn = match["direction"] === "inbound";
  const requests = query.probes && isOwn ? servedTraffic : httpTraffic;
  const wanted = query.probes || !isOwn ? match : { ...match, ...NO_PROBES };
  const none = Promise.resolve(new Map<string, never>());
  const [http, tcp, authz] = await Promise.all([
    query.podsOnly ? none : requests(metrics, { match: wanted, by }, windowMs),
    query.podsOnly || !query.tcp
      ? none
      : tcpTraffic(metrics, { match: { ...match, peer }, by }, windowMs),
    policy ? verdicts(metrics, match, by, windowMs) : none,
  ]);
  const things =
    query.of.kind === "authority"
      ? [...http.values()].map(({ labels }) => authorityOf(labels, by))
      : thingsOf(world, query.of.kind).filter(
          (thing) => isWanted(thing, query.of) && query.selector(thing.labels),
        );
  const rows = things.map((thing): StatRow => {
    const key = thing.kind === "namespace" ? thing.name : `${thing.namespace}\0${thing.name}`;
    return {
      ...podCounts(world, thing),
      http: http.get(key),
      tcp: tcp.get(key),
      authz: authz.get(key),
    };
  });
  const isNarrowed = query.to !== undefined || query.from !== undefined;
  return rows
    .filter((row) => !isNarrowed || row.http || (row.tcp && row.tcp.open > 0))
    .sort((a, b) => compare(a.thing, b.thing));
}

/** What policies are to metrics: the labels `srv_kind` and `srv_name`, and so on. */
const POLICIES: Readonly<Record<string, "srv" | "route" | "authz">> = {
  server: "srv",
  httproute: "route",
  serverauthorization: "authz",
  authorizationpolicy: "authz",
};

// Without a partner, a workload is seen by its own proxies; a service, which has none, by those that call it.
function viewOf({ of, to, from }: StatQuery): { side: "" | "dst_"; match: Match } {
  if (from) {
    const match = { direction: "outbound", ...matchOf(from, ""), ...matchOf(of, "dst_") };
    return { side: "dst_", match };
  }
  if (to) {
    return {
      side: "",
      match: { direction: "outbound", ...matchOf(of, ""), ...matchOf(to, "dst_") },
    };
  }
  if (of.kind === "service") {
    return { side: "dst_", match: { direction: "outbound", ...matchOf(of, "dst_") } };
  }
  const policy = POLICIES[of.kind];
  if (policy) {
    const names = {
      namespace: of.namespace || undefined,
      [`${policy}_kind`]: of.kind === "httproute" ? "HTTPRoute" : of.kind,
      [`${policy}_name`]: of.name || undefined,
    };
    return { side: "", match: { direction: "inbound", ...names } };
  }
  return { side: "", match: { direction: "inbound", ...matchOf(of, "") } };
}

async function verdicts(
  metrics: Metrics,
  { direction: _, ...match }: Match,
  by: readonly string[],
  windowMs: number,
) {
  const [allowed, denied] = await Promise.all([
    metrics.increase("inbound_http_authz_allow_total", match, by, windowMs),
    metrics.increase("inbound_http_authz_deny_total", match, by, windowMs),
  ]);
  const found = new Map<string, { allowed: number; denied: number }>();
  for (const { labels, value } of allowed) {
    found.set(sliceKey(labels, by), { allowed: value, denied: 0 });
  }
  for (const { labels, value } of denied) {
    const key = sliceKey(labels, by);
    found.set(key, { allowed: found.get(key)?.allowed ?? 0, denied: value });
  }
  return found;
}

function authorityOf(labels: Readonly<Record<string, string>>, by: readonly string[]): Thing {
  const [namespace = "", name = ""] = by.map((label) => labels[label] ?? "");
  return { kind: "authority", namespace, name, labels: {} };
}

function podCounts(world: World, thing: Named) {
  // A pod that has done its work is no part of a workload's strength, unless it failed.
  const pods = podsOf(world, thing);
  const counted = pods.filter(
    (pod) => pod.running || pod.status === "Pending" || thing.kind === "pod",
  );
  return {
    thing: { kind: thing.kind, namespace: thing.namespace, name: thing.name },
    status: thing.kind === "pod" ? (pods[0]?.status ?? "") : "",
    meshed: counted.filter((pod) => pod.meshed).length,
    running: counted.length,
    failed: pods.filter((pod) => pod.failed).length,
    troubled: pods.filter((pod) => !pod.running && !pod.failed && pod.status !== "Succeeded"),
  };
}

/** Order of namespace, then name, then kind. */
function compare(a: Named, b: Named): number {
  return order(a.namespace, b.namespace) || order(a.name, b.name) || order(a.kind, b.kind);
}

/** Order of code units: the same in every locale. */
export function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
