// The endpoint controller for workloads outside the cluster. Kubernetes makes EndpointSlices of pods only: those of
// ExternalWorkloads that a Service selects are made here, a hundred workloads in each.

import { isDeepStrictEqual } from "node:util";
import type { Close, Watch } from "../base/watch.ts";
import { ipFamily } from "../io/ip.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { apiVersionOf, hasLabels, keyOf, type Service } from "../platform/kinds.ts";
import { resourceOf } from "../platform/manifests.ts";
import { portNumber } from "../platform/probe.ts";
import type { ExternalWorkload, Slice } from "./lookup.ts";
import type { World } from "./world.ts";
import { keepWritten, type Write } from "./writes.ts";

const SERVICE = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const OURS = "linkerd-external-workloads-controller";
const MOST = 100;

/** Brings the slices of a cluster in line with its ExternalWorkloads, while we lead and until closed. */
export function keepExternalSlices(
  world: Watch<World>,
  api: Pick<KubeApi, "request">,
  isLeader: Watch<boolean>,
): Close {
  return keepWritten(world, isLeader, (now) =>
    sliceChanges(now).map(({ key, wanted, known }): Write => {
      const [namespace, name] = key.split("/");
      const all = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
      const [path, method] = !known
        ? ([all, "POST"] as const)
        : ([`${all}/${name}`, wanted ? "PATCH" : "DELETE"] as const);
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const send = () =>
        api.request(path, { method, type, ...(wanted && { body: bodyOf(wanted) }) });
      return { key: `EndpointSlice ${key}`, send };
    }),
  );
}

// What was read has fields that only the API server fills.
function bodyOf({ apiVersion, kind, metadata, addressType, ports, endpoints }: Slice): object {
  const { name, namespace, labels, ownerReferences } = metadata;
  const own = { name, namespace, labels, ownerReferences };
  return { apiVersion, kind, metadata: own, addressType, ports, endpoints };
}

type SliceChange = {
  readonly key: string;
  /** Absent for one that must go. */
  readonly wanted?: Slice;
  readonly known: boolean;
};

/** The slices that are to be made, changed or deleted. */
export function sliceChanges(world: World): SliceChange[] {
  const wanted = new Map(
    [...world.Service.values()].flatMap((service) =>
      slicesOf(world, service).map((slice) => [keyOf(slice), slice] as const),
    ),
  );
  const changes: SliceChange[] = [];
  for (const [key, slice] of wanted) {
    const before = world.EndpointSlice.get(key);
    if (!before || !isSame(before, slice))
      changes.push({ key, wanted: slice, known: before !== undefined });
  }
  for (const [key, { metadata }] of world.EndpointSlice) {
    if (metadata.labels[MANAGED_BY] === OURS && !wanted.has(key))
      changes.push({ key, known: true });
  }
  return changes;
}

function isSame(a: Slice, b: Slice): boolean {
  return isDeepStrictEqual(
    [a.addressType, a.ports, a.endpoints],
    [b.addressType, b.ports, b.endpoints],
  );
}

// Workloads of one address family that have the same numbers for the ports of a service share slices.
function slicesOf(world: World, service: Service): Slice[] {
  const { metadata, spec } = service;
  if (spec.type === "ExternalName" || Object.keys(spec.selector).length === 0) return [];
  const groups = new Map<string, { workloads: ExternalWorkload[]; of: Part }>();
  for (const workload of [...world.ExternalWorkload.values()].sort(byName)) {
    if (workload.metadata.namespace !== metadata.namespace) continue;
    if (!hasLabels(workload.metadata.labels, spec.selector)) continue;
    for (const family of ["ipv4", "ipv6"] as const) {
      if (!workload.spec.workloadIPs.some(({ ip }) => ipFamily(ip) === family)) continue;
      const of = { family, ports: portsOf(service, workload) };
      const key = JSON.stringify(of);
      const group = groups.get(key) ?? { workloads: [], of };
      groups.set(key, group);
      group.workloads.push(workload);
    }
  }
  const parts = [...groups.keys()].sort().flatMap((key) => {
    const { workloads, of } = groups.get(key)!;
    const count = Math.ceil(workloads.length / MOST);
    return Array.from({ length: count }, (_, i) => ({
      of,
      workloads: workloads.slice(i * MOST, (i + 1) * MOST),
    }));
  });
  return parts.map(({ of, workloads }, i) => slice(service, i, of, workloads));
}

type Part = { readonly family: "ipv4" | "ipv6"; readonly ports: Slice["ports"] };

function portsOf({ spec }: Service, workload: ExternalWorkload): Slice["ports"] {
  const named = workload.spec.ports.map(({ port: containerPort, ...rest }) => ({
    ...rest,
    containerPort,
  }));
  return spec.ports
    .map(({ name, port, targetPort = port, protocol, appProtocol }) => ({
      ...(name !== undefined && { name }),
      port: portNumber(targetPort, named),
      protocol,
      ...(appProtocol !== undefined && { appProtocol }),
    }))
    .filter(({ port }) => port > 0);
}

function slice(
  { metadata, spec }: Service,
  i: number,
  { family, ports }: Part,
  workloads: readonly ExternalWorkload[],
): Slice {
  const { name: service, namespace, uid } = metadata;
  return resourceOf("EndpointSlice", {
    apiVersion: apiVersionOf("EndpointSlice"),
    kind: "EndpointSlice",
    metadata: {
      name: `linkerd-external-${service}-${family}-${i}`,
      namespace,
      labels: { [SERVICE]: service, [MANAGED_BY]: OURS },
      // Goes with the service.
      ownerReferences: [{ apiVersion: "v1", kind: "Service", name: service, uid }],
    },
    addressType: family === "ipv4" ? "IPv4" : "IPv6",
    ports,
    endpoints: workloads.map((workload) => {
      const ready = spec.publishNotReadyAddresses === true || isReady(workload);
      const { name } = workload.metadata;
      return {
        addresses: workload.spec.workloadIPs
          .map(({ ip }) => ip)
          .filter((ip) => ipFamily(ip) === family),
        conditions: { ready, serving: ready, terminating: false },
        targetRef: { kind: "ExternalWorkload", name, namespace },
      };
    }),
  }) as Slice;
}

function isReady({ status }: ExternalWorkload): boolean {
  return (
    status?.conditions.some((each) => each.type === "Ready" && each.status === "True") ?? false
  );
}

const byName = (a: ExternalWorkload, b: ExternalWorkload): number =>
  a.metadata.name < b.metadata.name ? -1 : 1;
