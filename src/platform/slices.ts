// The endpoint controller: which pods stand behind which port of a service, as EndpointSlices. Pure, so that
// the local mesh and tests compute them alike.

import type { EndpointSlice, Pod, Service } from "./kinds.ts";
import { apiVersionOf, hasLabels, keyOf } from "./kinds.ts";
import type { ServicePorts, Target } from "./mentions.ts";
import { portNumber } from "./probe.ts";
import type { ResourceMap } from "./resources.ts";
import type { Store } from "./store.ts";

const SERVICE_LABEL = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const OURS = "local.linkerd.io";

/** The ports of each service that has any. */
export function servicePorts(services: ResourceMap<"Service">): ServicePorts {
  return new Map(
    [...services]
      .filter(([, { spec }]) => spec.type !== "ExternalName")
      .map(([key, { spec }]) => [key, spec.ports.map((p) => p.port)]),
  );
}

/** Whether traffic may be sent to the pod: all of its containers are ready, and it is not being deleted. */
function isReady(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    (pod.status?.conditions.some((c) => c.type === "Ready" && c.status === "True") ?? false)
  );
}

/** The slices of a service with a selector; one for each set of target ports that its pods resolve. */
function slicesFor(service: Service, pods: Iterable<Pod>): EndpointSlice[] {
  const { metadata, spec } = service;
  if (spec.type === "ExternalName" || Object.keys(spec.selector).length === 0) return [];
  const groups = new Map<string, { ports: EndpointSlice["ports"]; pods: Pod[] }>();
  for (const pod of pods) {
    if (pod.metadata.namespace !== metadata.namespace) continue;
    if (!hasLabels(pod.metadata.labels, spec.selector) || !pod.status?.podIP) continue;
    if (pod.status.phase === "Succeeded" || pod.status.phase === "Failed") continue;
    const ports = resolvePorts(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, pods: [] };
    groups.set(key, group);
    group.pods.push(pod);
  }
  return [...groups.values()].map((group, i) => slice(service, `${metadata.name}-${i}`, group));
}

/** What has to change in the store so that it holds the slices of its services. */
export function sliceChanges(store: Store): { put: EndpointSlice[]; remove: string[] } {
  const wanted = new Map<string, EndpointSlice>();
  for (const service of store.all("Service").values()) {
    for (const each of slicesFor(service, store.all("Pod").values())) wanted.set(keyOf(each), each);
  }
  const have = store.all("EndpointSlice");
  const put = [...wanted]
    .filter(([key, each]) => !same(have.get(key), each))
    .map(([, each]) => each);
  const remove = [...have]
    .filter(([key, each]) => each.metadata.labels[MANAGED_BY] === OURS && !wanted.has(key))
    .map(([key]) => key);
  return { put, remove };
}

/** Addresses that are ready behind a port of a service. */
export function endpointsOf(
  store: Store,
  { service, port }: Target,
): { host: string; port: number }[] {
  const found = store.get("Service", service);
  const wanted = found?.spec.ports.find((p) => p.port === port);
  if (!found || !wanted) return [];
  return [...store.all("EndpointSlice").values()]
    .filter((each) => sliceOf(each) === service)
    .flatMap(({ endpoints, ports }) => {
      const target = ports.find((p) => (p.name ?? "") === (wanted.name ?? ""))?.port;
      if (target === undefined) return [];
      return endpoints
        .filter(({ conditions }) => conditions.ready !== false)
        .flatMap(({ addresses }) => addresses.map((host) => ({ host, port: target })));
    });
}

/** "namespace/name" of the service that a slice belongs to; undefined when it names none. */
export function sliceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels[SERVICE_LABEL];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

function resolvePorts({ spec }: Service, pod: Pod): EndpointSlice["ports"] {
  const ports = pod.spec.containers.flatMap((container) => container.ports);
  return spec.ports
    .map((port) => ({
      ...(port.name !== undefined && { name: port.name }),
      port: portNumber(port.targetPort ?? port.port, ports),
      protocol: port.protocol,
      ...(port.appProtocol !== undefined && { appProtocol: port.appProtocol }),
    }))
    .filter(({ port }) => port > 0);
}

function slice(
  service: Service,
  name: string,
  group: { ports: EndpointSlice["ports"]; pods: readonly Pod[] },
): EndpointSlice {
  const { metadata, spec } = service;
  return {
    apiVersion: apiVersionOf("EndpointSlice"),
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace: metadata.namespace,
      uid: `${metadata.uid}-${name}`,
      labels: { [SERVICE_LABEL]: metadata.name, [MANAGED_BY]: OURS },
      annotations: {},
      creationTimestamp: metadata.creationTimestamp,
      resourceVersion: "",
      ownerReferences: [{ kind: "Service", name: metadata.name, uid: metadata.uid }],
    },
    addressType: "IPv4",
    ports: group.ports,
    endpoints: group.pods.map((pod) => ({
      addresses: [pod.status!.podIP!],
      conditions: {
        ready: spec.publishNotReadyAddresses === true || isReady(pod),
        terminating: pod.metadata.deletionTimestamp !== undefined,
      },
      ...(pod.spec.hostname !== undefined && { hostname: pod.spec.hostname }),
      nodeName: pod.spec.nodeName ?? "",
      targetRef: { kind: "Pod", name: pod.metadata.name, namespace: pod.metadata.namespace },
    })),
  };
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
