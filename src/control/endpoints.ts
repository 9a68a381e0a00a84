// Which addresses stand behind a service, and what a client's proxy needs to know to call each of them:
// labels for its metrics, the identity to expect, and how to speak. Destination.Get answers with these.

import type { Init } from "./init.ts";
import { create } from "@bufbuild/protobuf";
import type { WeightedAddr } from "../../proto/gen/destination_pb.js";
import { WeightedAddrSchema } from "../../proto/gen/destination_pb.js";
import { keyOf, type Pod, type Service } from "../platform/kinds.ts";
import { printTcpAddress } from "../proxy/fromproto.ts";
import { type EndpointSet, sharedSet } from "./endpointsets.ts";
import type { ExternalWorkload, Slice } from "./lookup.ts";
import {
  identityOfPod,
  inboundPortOf,
  isMeshed,
  isOpaquePod,
  isSkipped,
  workloadOf,
  zoneOfNode,
} from "./lookup.ts";
import { routable } from "./routable.ts";
import { membersOf } from "./members.ts";
import { resource } from "./meta.ts";
import type { World } from "./world.ts";

/** Who asks: what a proxy's context token says of it. */
export type Client = { readonly namespace: string; readonly nodeName: string };

type AddrInit = Init<typeof WeightedAddrSchema>;
type Endpoint = Slice["endpoints"][number];

const WEIGHT = 10_000;
const CONTROL_PORTS = new Set([4190, 4191]);
const KEEP_ALIVE = { interval: { seconds: 10n }, timeout: { seconds: 3n }, whileIdle: true };

/** The endpoints of `port` of a service as `client` shall see them; of one pod when `hostname` is given. */
export function endpointsFor(
  world: World,
  service: Service,
  port: number,
  client: Client,
  hostname?: string,
): EndpointSet {
  // All that a client changes about the answer is where it is.
  const isLocal = service.spec.internalTrafficPolicy === "Local";
  const place = isLocal ? client.nodeName : `in ${zoneOfNode(world, client.nodeName)}`;
  const key = `${keyOf(service)}:${port} ${place} ${hostname}`;
  return sharedSet(world, key, () => makeSet(world, service, port, client, hostname));
}

function makeSet(
  world: World,
  service: Service,
  port: number,
  client: Client,
  hostname: string | undefined,
): EndpointSet {
  const { name, namespace, labels } = service.metadata;
  const cluster = labels["mirror.linkerd.io/cluster-name"];
  const addrs = new Map<string, WeightedAddr>();
  for (const member of clustersOf(world, service, client))
    addAddresses(addrs, member, port, hostname);
  return {
    labels: {
      namespace,
      service: name,
      ...(cluster !== undefined && mirrorLabels(service, cluster)),
    },
    addrs,
  };
}

type InCluster = { readonly world: World; readonly service: Service; readonly client: Client };

// The service itself, or what it stands for in other clusters, which know nothing of the client's node.
function clustersOf(world: World, service: Service, client: Client): InCluster[] {
  const members = membersOf(service);
  if (members === undefined) return [{ world, service, client }];
  const { namespace } = service.metadata;
  return members.flatMap(({ cluster, name }) => {
    const its = cluster === undefined ? world : world.remotes?.get(cluster);
    const found = its?.Service.get(`${namespace}/${name}`);
    const place = cluster === undefined ? client : { ...client, nodeName: "" };
    return its && found ? [{ world: its, service: found, client: place }] : [];
  });
}

function addAddresses(
  addrs: Map<string, WeightedAddr>,
  { world, service, client }: InCluster,
  port: number,
  hostname: string | undefined,
): void {
  for (const { slice, endpoint } of routable(world, service, client)) {
    if (hostname !== undefined && endpoint.hostname !== hostname) continue;
    const target = targetPort(service, slice, port);
    if (target === undefined) continue;
    for (const ip of endpoint.addresses) {
      const at = { ip, port: target, asked: port };
      const init = addressOf(world, service, slice, endpoint, at, client);
      addrs.set(`${ip}:${target}`, create(WeightedAddrSchema, init));
    }
  }
}

/** A pod's port as an address to call; `labels` of its set when it stands alone. */
export function podAddress(
  world: World,
  pod: Pod,
  ip: string,
  port: number,
  client: Client,
): AddrInit {
  const { metadata } = pod;
  const owner = workloadOf(world, pod);
  const hash = metadata.labels["pod-template-hash"];
  const mesh = metadata.labels["linkerd.io/control-plane-ns"];
  const init: AddrInit = {
    addr: printTcpAddress({ ip, port }),
    weight: WEIGHT,
    metricLabels: {
      pod: metadata.name,
      [owner.kind]: owner.name,
      serviceaccount: pod.spec.serviceAccountName,
      ...(mesh !== undefined && { control_plane_ns: mesh }),
      ...(hash !== undefined && { pod_template_hash: hash }),
      ...zoneLabels(zoneOfNode(world, pod.spec.nodeName), zoneOfNode(world, client.nodeName)),
    },
    resourceRef: resource("", "Pod", metadata.name, metadata.namespace),
  };
  if (!isMeshed(pod) || isSkipped(pod, port)) return init;
  return Object.assign(init, meshParams(world, pod, port));
}

/** A workload outside the cluster as an address to call. */
export function externalAddress(workload: ExternalWorkload, ip: string, port: number): AddrInit {
  const { metadata, spec } = workload;
  const owner = metadata.ownerReferences[0];
  const { identity, serverName } = spec.meshTLS;
  return {
    addr: printTcpAddress({ ip, port }),
    weight: WEIGHT,
    metricLabels: {
      external_workload: metadata.name,
      ...(owner && { [owner.kind.toLowerCase()]: owner.name }),
    },
    resourceRef: resource(
      "workload.linkerd.io",
      "ExternalWorkload",
      metadata.name,
      metadata.namespace,
    ),
    tlsIdentity: {
      strategy: identity.includes("://")
        ? { case: "uriLikeIdentity", value: { uri: identity } }
        : { case: "dnsLikeIdentity", value: { name: identity } },
      serverName: { name: serverName },
    },
    protocolHint: {
      protocol: { case: "h2", value: {} },
      opaqueTransport: { inboundPort: 4143 },
    },
    http2: { keepAlive: KEEP_ALIVE },
  };
}

// What a client must know to call a pod that has a sidecar.
function meshParams(world: World, pod: Pod, port: number): AddrInit {
  const { settings } = world;
  const ours = pod.metadata.labels["linkerd.io/control-plane-ns"] === settings.controlNamespace;
  const opaque = isOpaquePod(world, pod, port);
  const tunnelled =
    !CONTROL_PORTS.has(port) && (opaque || settings.outboundTransportMode === "transport-header");
  const name = identityOfPod(world, pod);
  const protocol: NonNullable<AddrInit["protocolHint"]>["protocol"] = opaque
    ? { case: "opaque", value: {} }
    : settings.enableH2Upgrade
      ? { case: "h2", value: {} }
      : { case: undefined };
  return {
    ...(ours && {
      tlsIdentity: {
        strategy: { case: "dnsLikeIdentity", value: { name } },
        serverName: { name },
      },
    }),
    protocolHint: {
      protocol,
      ...(tunnelled && { opaqueTransport: { inboundPort: inboundPortOf(pod) } }),
    },
    http2: { keepAlive: KEEP_ALIVE },
  };
}

function addressOf(
  world: World,
  service: Service,
  slice: Slice,
  endpoint: Endpoint,
  at: { ip: string; port: number; asked: number },
  client: Client,
): AddrInit {
  const ref = endpoint.targetRef;
  const key = `${ref?.namespace ?? slice.metadata.namespace}/${ref?.name}`;
  const pod = ref?.kind === "Pod" ? world.Pod.get(key) : undefined;
  const external = ref?.kind === "ExternalWorkload" ? world.ExternalWorkload.get(key) : undefined;
  const init = pod
    ? podAddress(world, pod, at.ip, at.port, client)
    : external
      ? externalAddress(external, at.ip, at.port)
      : { addr: printTcpAddress(at), weight: WEIGHT, ...gatewayParams(service, slice, at) };
  const local = init.metricLabels?.["zone_locality"] === "local";
  return world.settings.extEndpointZoneWeights && local
    ? Object.assign(init, { weight: 10 * WEIGHT })
    : init;
}

// A mirrored service's endpoints are gateways of the cluster that it is in.
function gatewayParams(
  service: Service,
  slice: Slice,
  { port, asked }: { port: number; asked: number },
): AddrInit {
  const annotations = { ...slice.metadata.annotations, ...service.metadata.annotations };
  const remote = annotations["mirror.linkerd.io/remote-svc-fq-name"];
  const identity = annotations["mirror.linkerd.io/remote-gateway-identity"];
  return {
    ...(remote && { authorityOverride: { authorityOverride: `${remote}:${asked}` } }),
    ...(identity && {
      tlsIdentity: {
        strategy: { case: "dnsLikeIdentity", value: { name: identity } },
        serverName: { name: identity },
      },
      protocolHint: {
        protocol: { case: "h2", value: {} },
        opaqueTransport: { inboundPort: port },
      },
    }),
  };
}

// A port that the service does not define is meant literally.
function targetPort(service: Service, slice: Slice, port: number): number | undefined {
  const defined = service.spec.ports.find((each) => each.port === port);
  if (!defined) return port;
  return slice.ports.find((each) => (each.name ?? "") === (defined.name ?? ""))?.port;
}

function zoneLabels(
  zone: string | undefined,
  clientZone: string | undefined,
): Record<string, string> {
  if (zone === undefined) return { zone_locality: "unknown" };
  const locality = clientZone === undefined ? "unknown" : clientZone === zone ? "local" : "remote";
  return { zone, zone_locality: locality };
}

function mirrorLabels({ metadata }: Service, cluster: string): Record<string, string> {
  const fqdn = metadata.annotations["mirror.linkerd.io/remote-svc-fq-name"] ?? "";
  const [service = "", namespace = ""] = fqdn.split(".");
  return {
    target_cluster: cluster,
    target_service: service,
    target_service_namespace: namespace,
  };
}
