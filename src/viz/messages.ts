// Answers of viz as messages of viz.proto.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BasicStatsSchema,
  PodErrorsSchema,
  PodSchema,
  RouteTable_RowSchema,
  StatTable_PodGroup_RowSchema,
} from "../../proto/gen/viz/viz_pb.js";
import type { AuthzRow } from "./authz.ts";
import type { RouteRow } from "./routes.ts";
import type { StatRow } from "./stat.ts";
import type { Traffic } from "./traffic.ts";
import type { MeshPod, Named } from "./world.ts";

export function resourceOf({ kind, namespace, name }: Named) {
  return { type: kind, namespace, name };
}

export function statRow(
  row: StatRow,
  timeWindow: string,
): MessageInitShape<typeof StatTable_PodGroup_RowSchema> {
  const { tcp, authz: verdict } = row;
  return {
    resource: resourceOf(row.thing),
    timeWindow,
    status: row.status,
    meshedPodCount: BigInt(row.meshed),
    runningPodCount: BigInt(row.running),
    failedPodCount: BigInt(row.failed),
    ...(row.http && { stats: basicStats(row.http) }),
    ...(tcp && {
      tcpStats: {
        openConnections: whole(tcp.open),
        readBytesTotal: whole(tcp.readBytes),
        writeBytesTotal: whole(tcp.writeBytes),
      },
    }),
    ...(verdict && {
      srvStats: {
        allowedCount: whole(verdict.allowed),
        deniedCount: whole(verdict.denied),
        srv: resourceOf(row.thing),
      },
    }),
    errorsByPod: Object.fromEntries(row.troubled.map((pod) => [pod.name, podErrors(pod)])),
  };
}

/** A table of such rows. */
export function podGroup(rows: MessageInitShape<typeof StatTable_PodGroup_RowSchema>[]) {
  return { table: { case: "podGroup" as const, value: { rows } } };
}

export function authzRow(
  of: Named,
  row: AuthzRow,
  timeWindow: string,
): MessageInitShape<typeof StatTable_PodGroup_RowSchema> {
  return {
    resource: resourceOf(of),
    timeWindow,
    ...(row.http && { stats: basicStats(row.http) }),
    srvStats: {
      allowedCount: whole(row.allowed),
      deniedCount: whole(row.denied),
      srv: resourceOf(row.server),
      route: resourceOf(row.route),
      authz: resourceOf(row.authz),
    },
  };
}

export function routeRow(
  { route, service, effective, actual }: RouteRow,
  timeWindow: string,
): MessageInitShape<typeof RouteTable_RowSchema> {
  return {
    route,
    authority: service,
    timeWindow,
    stats: {
      ...basicStats(effective),
      actualSuccessCount: whole(actual?.success),
      actualFailureCount: whole(actual?.failure),
    },
  };
}

function podErrors(pod: MeshPod): MessageInitShape<typeof PodErrorsSchema> {
  const value = { message: pod.status, container: "", image: "", reason: pod.status };
  return { errors: [{ error: { case: "container", value } }] };
}

function basicStats(traffic: Traffic | undefined): MessageInitShape<typeof BasicStatsSchema> {
  const [p50, p95, p99] = traffic?.latency ?? [0, 0, 0];
  return {
    successCount: whole(traffic?.success),
    failureCount: whole(traffic?.failure),
    latencyMsP50: whole(p50),
    latencyMsP95: whole(p95),
    latencyMsP99: whole(p99),
  };
}

export function podMessage(pod: MeshPod, wallMs: number): MessageInitShape<typeof PodSchema> {
  const [owner] = pod.owners;
  const field = owner && OWNER_FIELDS[owner.kind];
  return {
    name: `${pod.namespace}/${pod.name}`,
    podIP: pod.ip,
    ...(field && { owner: { case: field, value: `${pod.namespace}/${owner.name}` } }),
    status: pod.status,
    added: pod.meshed,
    controllerNamespace: pod.controlPlaneNs,
    controlPlane: "linkerd.io/control-plane-component" in pod.labels,
    ...(pod.startedAtMs !== undefined && {
      uptime: { seconds: BigInt(Math.max(0, Math.floor((wallMs - pod.startedAtMs) / 1000))) },
    }),
    proxyReady: pod.proxyReady,
    proxyVersion: pod.proxyVersion,
    resourceVersion: pod.resourceVersion,
  };
}

const OWNER_FIELDS: Readonly<
  Record<
    string,
    "deployment" | "replicaSet" | "replicationController" | "statefulSet" | "daemonSet" | "job"
  >
> = {
  deployment: "deployment",
  replicaset: "replicaSet",
  replicationcontroller: "replicationController",
  statefulset: "statefulSet",
  daemonset: "daemonSet",
  job: "job",
};

function whole(value: number | undefined): bigint {
  return BigInt(Math.round(value ?? 0));
}
