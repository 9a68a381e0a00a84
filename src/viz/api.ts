// The service linkerd2.viz.Api: messages to questions, answers to messages. It counts nothing itself.

import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { known } from "../base/watch.ts";
import type { Watch } from "../base/watch.ts";
import type { Api, CheckResultSchema, Resource } from "../../proto/gen/viz/viz_pb.js";
import { parseGoDuration } from "../platform/quantity.ts";
import { authz } from "./authz.ts";
import { edges } from "./edges.ts";
import { ALL, kindOf, KINDS } from "./kinds.ts";
import { authzRow, podGroup, podMessage, resourceOf, routeRow, statRow } from "./messages.ts";
import type { Metrics } from "./metrics.ts";
import { routes } from "./routes.ts";
import { parseSelector } from "./selector.ts";
import { stat } from "./stat.ts";
import type { Named, World } from "./world.ts";
import { isWanted, namedIn, thingsOf } from "./world.ts";

/** The answers of the API, by method. Faults of the asker become `error` answers, as clients expect. */
export type VizApi = {
  readonly [M in keyof typeof Api.method]: (
    request: MessageShape<(typeof Api.method)[M]["input"]>,
  ) => Promise<MessageInitShape<(typeof Api.method)[M]["output"]>>;
};

const WORKLOADS = KINDS.filter((k) => k.role === "workload" && k.name !== "replicaset");
/** What `all` asks for: every kind that has traffic of its own. */
const WITH_TRAFFIC = [...WORKLOADS, ...KINDS.filter((k) => k.name === "service")];

/** What the answers are made of. */
type Sources = {
  readonly watch: Watch<World>;
  readonly metrics: Metrics;
  readonly clock: Clock;
};
type Ask<M extends keyof VizApi> = (
  sources: Sources,
  ...args: Parameters<VizApi[M]>
) => ReturnType<VizApi[M]>;

export function vizApi(watch: Watch<World>, metrics: Metrics, clock: Clock = systemClock): VizApi {
  const sources = { watch, metrics, clock };
  return {
    statSummary: (req) => statSummary(sources, req),
    edges: (req) => edgesOf(sources, req),
    topRoutes: (req) => topRoutes(sources, req),
    authz: (req) => authzOf(sources, req),
    listPods: (req) => listPods(sources, req),
    listServices: (req) => listServices(sources, req),
    // Links to other clusters are not asked about here.
    gateways: async () => ({ response: { case: "ok", value: { gatewaysTable: { rows: [] } } } }),
    selfCheck: (req) => selfCheck(sources, req),
  };
}

function worldOf({ watch }: Sources): World {
  const found = known(watch.state);
  if (found) return found;
  throw new Fault("unavailable", "the resources of the mesh are not known yet; try again");
}

const statSummary: Ask<"statSummary"> = (sources, { selector, timeWindow, outbound, ...req }) =>
  answer(selector?.resource, async (resource) => {
    const { metrics } = sources;
    const kinds = resource.kind === ALL ? WITH_TRAFFIC.map((k) => k.name) : [resource.kind];
    const windowMs = parseWindow(timeWindow);
    const tables = await Promise.all(
      kinds.map((kind) =>
        stat(worldOf(sources), metrics, {
          of: { ...resource, kind },
          selector: parseSelector(selector?.labelSelector ?? ""),
          windowMs,
          to: outbound.case === "toResource" ? named(outbound.value) : undefined,
          from: outbound.case === "fromResource" ? named(outbound.value) : undefined,
          tcp: req.tcpStats,
          podsOnly: req.skipStats,
          probes: true,
        }),
      ),
    );
    const window = windowText(metrics.covered(windowMs));
    const statTables = tables.map((rows) => podGroup(rows.map((row) => statRow(row, window))));
    return { statTables };
  });

const edgesOf: Ask<"edges"> = (sources, { selector }) =>
  answer(selector?.resource, async ({ kind, namespace }) => {
    const found = await edges(worldOf(sources), sources.metrics, kind, namespace);
    return {
      edges: found.map((edge) => ({
        src: resourceOf(edge.src),
        dst: resourceOf(edge.dst),
        clientId: edge.clientId,
        serverId: edge.serverId,
        noIdentityMsg: edge.noTlsReason,
      })),
    };
  });

const topRoutes: Ask<"topRoutes"> = (sources, { selector, timeWindow, outbound }) =>
  answer(selector?.resource, async (resource) => {
    const { metrics } = sources;
    const windowMs = parseWindow(timeWindow);
    const window = windowText(metrics.covered(windowMs));
    const to = outbound.case === "toResource" ? named(outbound.value) : undefined;
    const selects = parseSelector(selector?.labelSelector ?? "");
    const tables = await routes(worldOf(sources), metrics, resource, to, windowMs, selects);
    return {
      routes: tables.map(({ of, rows }) => ({
        resource: `${kindOf(of.kind)?.short ?? of.kind}/${of.name || "*"}`,
        rows: rows.map((row) => routeRow(row, window)),
      })),
    };
  });

const authzOf: Ask<"authz"> = (sources, req) =>
  answer(req.resource, async (resource) => {
    const { metrics } = sources;
    const windowMs = parseWindow(req.timeWindow);
    const window = windowText(metrics.covered(windowMs));
    const selects = parseSelector(req.labelSelector);
    const names = thingsOf(worldOf(sources), resource.kind)
      .filter((thing) => isWanted(thing, resource) && selects(thing.labels))
      .map(({ name }) => name);
    const found = await authz(metrics, resource, windowMs, req.labelSelector ? names : undefined);
    return { statTable: podGroup(found.map((row) => authzRow(resource, row, window))) };
  });

const listPods: Ask<"listPods"> = async (sources, { selector }) => {
  const { namespace = "", name = "", type = "" } = selector?.resource ?? {};
  const selects = parseSelector(selector?.labelSelector ?? "");
  const ns = type === "namespace" ? name : namespace;
  const pods = worldOf(sources).pods.filter(
    (pod) => (ns === "" || pod.namespace === ns) && selects(pod.labels),
  );
  return { pods: pods.map((pod) => podMessage(pod, sources.clock.wall())) };
};

const listServices: Ask<"listServices"> = async (sources, { namespace: wanted }) => {
  const all = thingsOf(worldOf(sources), "service");
  const services = all.filter(({ namespace }) => wanted === "" || namespace === wanted);
  return { services: services.map(({ namespace, name }) => ({ namespace, name })) };
};

const selfCheck: Ask<"selfCheck"> = async ({ watch, metrics }) => {
  const { state } = watch;
  const resources = state.kind === "failed" ? state.fault.message : "not yet";
  return {
    results: [
      verdict("viz knows the resources of the mesh", known(state) ? undefined : resources),
      verdict("viz knows the metrics of the mesh", await metrics.trouble()),
      verdict("viz may scrape proxies", await refusals(metrics, watch.value)),
    ],
  };
};

function verdict(
  CheckDescription: string,
  trouble: string | undefined,
): MessageInitShape<typeof CheckResultSchema> {
  const FriendlyMessageToUser = trouble ?? "";
  const Status = trouble === undefined ? 0 : 2;
  return { SubsystemName: "viz", CheckDescription, Status, FriendlyMessageToUser };
}

async function refusals(metrics: Metrics, world: World | undefined): Promise<string | undefined> {
  // Where metrics are not to be had, that is said already.
  const found = await metrics.refusals().catch(() => new Map<string, string>());
  const lines = (world?.pods ?? [])
    .filter(({ running }) => running)
    .map(({ namespace, name }) => `${namespace}/${name}`)
    .flatMap((name) => (found.has(name) ? [`${name}: ${found.get(name)}`] : []));
  return lines.length > 0 ? lines.join("\n") : undefined;
}

// What the asker got wrong is an answer too: only a broken API is a gRPC error.
async function answer<T>(resource: Resource | undefined, ask: (of: Named) => Promise<T>) {
  try {
    if (!resource) throw new Fault("bad-input", "the request names no resource");
    const value = await ask(named(resource));
    return { response: { case: "ok" as const, value } };
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "bad-input") throw error;
    const { namespace = "", type = "", name = "" } = resource ?? {};
    const value = { resource: { namespace, type, name }, error: error.message };
    return { response: { case: "error" as const, value } };
  }
}

function named({ namespace, type, name }: Resource): Named {
  const kind = type === ALL ? ALL : kindOf(type)?.name;
  if (kind === undefined) throw new Fault("bad-input", `"${type}" is no kind of resource`);
  return namedIn(namespace, { kind, name });
}

const LEAST_WINDOW_MS = 15_000;

/** "1m", "1m30s" → milliseconds; one minute when empty. */
export function parseWindow(text: string): number {
  const ms = parseGoDuration(text || "1m") ?? 0;
  if (ms >= LEAST_WINDOW_MS) return ms;
  throw new Fault("bad-input", `the time window "${text}" is not a duration of 15s or more`);
}

// Rates are counts over this: what there were samples for, and not the whole window right after the start.
function windowText(ms: number): string {
  return `${Math.max(1, Math.round(ms / 1000))}s`;
}
