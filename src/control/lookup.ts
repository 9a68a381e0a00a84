// Finding things in a world: what stands behind an address or a name, which ports are opaque, what a
// workload's identity is. Indices are built once for each change of what they are built from.

import type { LabelSelector, Pod, Resource, Service } from "../platform/kinds.ts";
import { keyOf, selects } from "../platform/kinds.ts";
import { portNumber } from "../platform/probe.ts";
import { identityOf } from "../platform/sidecar.ts";
import { sliceOf } from "../platform/slices.ts";
import type { World } from "./world.ts";
import { index } from "./world.ts";
import { containerPorts, containersOf, hasPort } from "./podports.ts";

export type ExternalWorkload = Resource<"ExternalWorkload">;
export type Slice = Resource<"EndpointSlice">;

/** What an address belongs to. */
export type Owner =
  | { readonly kind: "service"; readonly service: Service }
  | { readonly kind: "pod"; readonly pod: Pod }
  | { readonly kind: "external"; readonly workload: ExternalWorkload };

const servicesByIp = index(["Service"], (world) => {
  const byIp = new Map<string, Service>();
  for (const service of world.Service.values()) {
    const { clusterIP, clusterIPs } = service.spec;
    for (const ip of [clusterIP, ...clusterIPs]) if (ip && ip !== "None") byIp.set(ip, service);
  }
  return byIp;
});

// A pod that ended keeps its address in its status after another got it; of two that run, the newer has it.
const podsByIp = index(["Pod"], (world) => {
  const byIp = new Map<string, Pod>();
  for (const pod of world.Pod.values()) {
    const { status, spec } = pod;
    if (!status || spec.hostNetwork || status.phase === "Succeeded" || status.phase === "Failed")
      continue;
    for (const ip of new Set([status.podIP, ...status.podIPs.map((each) => each.ip)])) {
      const other = ip === undefined ? undefined : byIp.get(ip);
      if (ip === undefined) continue;
      if (!other || other.metadata.creationTimestamp < pod.metadata.creationTimestamp)
        byIp.set(ip, pod);
    }
  }
  return byIp;
});

// Pods that are reached at a port of their node.
const podsByHostPort = index(["Pod"], (world) => {
  const byHostPort = new Map<string, Pod>();
  for (const pod of world.Pod.values()) {
    const ip = pod.status?.hostIP;
    if (ip === undefined || pod.status?.phase !== "Running") continue;
    for (const { ports } of containersOf(pod)) {
      for (const { hostPort } of ports) if (hostPort) byHostPort.set(`${ip}:${hostPort}`, pod);
    }
  }
  return byHostPort;
});

const externalByIp = index(["ExternalWorkload"], (world) => {
  const byIp = new Map<string, ExternalWorkload>();
  for (const workload of world.ExternalWorkload.values()) {
    for (const { ip } of workload.spec.workloadIPs) byIp.set(ip, workload);
  }
  return byIp;
});

const slicesByService = index(["EndpointSlice"], (world) => {
  const byService = new Map<string, Slice[]>();
  for (const slice of world.EndpointSlice.values()) {
    const service = sliceOf(slice);
    if (service === undefined) continue;
    const slices = byService.get(service);
    if (slices) slices.push(slice);
    else byService.set(service, [slice]);
  }
  return byService;
});

/** What has the address; a service by its ClusterIP, a pod by its own address or its node's port. */
export function ownerOf(world: World, ip: string, port: number): Owner | undefined {
  const service = servicesByIp(world).get(ip);
  if (service) return { kind: "service", service };
  const pod = podsByIp(world).get(ip) ?? podsByHostPort(world).get(`${ip}:${port}`);
  if (pod) return { kind: "pod", pod };
  const workload = externalByIp(world).get(ip);
  return workload && { kind: "external", workload };
}

/** The EndpointSlices of a service. */
export function slicesOfService(world: World, service: Service): readonly Slice[] {
  return slicesByService(world).get(keyOf(service)) ?? [];
}

/** A name that stands for a service, or for one pod of it. */
export type ServiceName = {
  readonly name: string;
  readonly namespace: string;
  readonly hostname?: string;
  readonly port: number;
};

/** Reads "[host.]svc.ns.svc.cluster.local[:port]", port 80 by default; undefined when it is no service's name. */
export function parseServiceName(
  authority: string,
  clusterDomain: string,
): ServiceName | undefined {
  const match = /^([^:]+?)\.?(?::(\d{1,5}))?$/.exec(authority);
  const port = Number(match?.[2] ?? 80);
  const suffix = `.svc.${clusterDomain}`;
  if (!match || port < 1 || port > 65535 || !match[1]!.endsWith(suffix)) return undefined;
  const labels = match[1]!.slice(0, -suffix.length).split(".");
  if (labels.some((label) => label === "")) return undefined;
  if (labels.length === 2) return { name: labels[0]!, namespace: labels[1]!, port };
  if (labels.length !== 3) return undefined;
  return { hostname: labels[0]!, name: labels[1]!, namespace: labels[2]!, port };
}

/** "svc.ns.svc.cluster.local". */
export function serviceFqdn({ metadata }: Service, clusterDomain: string): string {
  return `${metadata.name}.${metadata.namespace}.svc.${clusterDomain}`;
}

const OPAQUE_PORTS = "config.linkerd.io/opaque-ports";
const INBOUND_SKIP = "config.linkerd.io/skip-inbound-ports";
const PROXY = "linkerd-proxy";

/** Whether the port of a pod is opaque, by its annotation, the default list, or a Server. */
export function isOpaquePod(world: World, pod: Pod, port: number): boolean {
  const asked = annotation(world, pod, OPAQUE_PORTS);
  const opaque =
    asked === undefined
      ? world.settings.opaquePorts.has(port)
      : hasPort(asked, port, containerPorts(pod));
  return opaque || serversOfPod(world, pod, port).some((s) => s.spec.proxyProtocol === "opaque");
}

/** Whether the port of a service is opaque: its annotation, its namespace's, or the default list. */
export function isOpaqueService(world: World, service: Service, port: number): boolean {
  const asked = annotation(world, service, OPAQUE_PORTS);
  if (asked === undefined) return world.settings.opaquePorts.has(port);
  const named = service.spec.ports.map((each) => ({ name: each.name, containerPort: each.port }));
  return hasPort(asked, port, named);
}

/** Whether connections to the port bypass the pod's sidecar. */
export function isSkipped(pod: Pod, port: number): boolean {
  const skipped = pod.metadata.annotations[INBOUND_SKIP];
  return skipped !== undefined && hasPort(skipped, port, containerPorts(pod));
}

/** Whether the pod has a sidecar of any mesh; of ours when its label names our namespace. The control plane has the label
 * as well, and speaks for itself. */
export function isMeshed({ metadata: { labels } }: Pod): boolean {
  return (
    labels["linkerd.io/control-plane-ns"] !== undefined &&
    labels["linkerd.io/control-plane-component"] === undefined
  );
}

/** The port on which the pod's sidecar takes connections of others. */
export function inboundPortOf(pod: Pod): number {
  const all = [...pod.spec.initContainers, ...pod.spec.containers];
  const env = all.find(({ name }) => name === PROXY)?.env;
  const listen = env?.find(({ name }) => name === "LINKERD2_PROXY_INBOUND_LISTEN_ADDR")?.value;
  return Number(/:(\d+)$/.exec(listen ?? "")?.[1] ?? 4143);
}

/** The identity of a pod's service account. */
export function identityOfPod({ settings }: World, { metadata, spec }: Pod): string {
  return identityOf(spec.serviceAccountName, metadata.namespace, settings);
}

/** The Servers that select a pod's port, by name. */
export function serversOfPod(world: World, pod: Pod, port: number): Resource<"Server">[] {
  const ports = containerPorts(pod);
  return [...world.Server.values()].filter(({ metadata, spec }) => {
    return (
      metadata.namespace === pod.metadata.namespace &&
      spec.podSelector !== undefined &&
      selects(spec.podSelector as LabelSelector, pod.metadata.labels) &&
      portNumber(spec.port, ports) === port
    );
  });
}

/** The zone of a node; undefined when nobody says. */
export function zoneOfNode(world: World, nodeName: string | undefined): string | undefined {
  return world.Node.get(nodeName ?? "")?.metadata.labels["topology.kubernetes.io/zone"];
}

/** Kind and name of what made a pod, past the ReplicaSet of a Deployment. */
export function workloadOf(world: World, pod: Pod): { kind: string; name: string } {
  const { namespace, labels, ownerReferences } = pod.metadata;
  const owner = ownerReferences[0];
  if (!owner) return { kind: "pod", name: pod.metadata.name };
  const hash = labels["pod-template-hash"];
  if (owner.kind === "ReplicaSet") {
    const parent = world.ReplicaSet.get(`${namespace}/${owner.name}`)?.metadata.ownerReferences[0];
    if (parent) return { kind: parent.kind.toLowerCase(), name: parent.name };
    if (hash !== undefined && owner.name.endsWith(`-${hash}`)) {
      return { kind: "deployment", name: owner.name.slice(0, -hash.length - 1) };
    }
  }
  const job = owner.kind === "Job" ? world.Job.get(`${namespace}/${owner.name}`) : undefined;
  const cron = job?.metadata.ownerReferences[0];
  if (cron) return { kind: cron.kind.toLowerCase(), name: cron.name };
  return { kind: owner.kind.toLowerCase(), name: owner.name };
}

/** An annotation of a resource, else of its namespace. */
export function annotation(
  world: World,
  { metadata }: Pod | Service | ExternalWorkload,
  name: string,
): string | undefined {
  return (
    metadata.annotations[name] ??
    world.Namespace.get(metadata.namespace)?.metadata.annotations[name]
  );
}
