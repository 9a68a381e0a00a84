// What the viz API knows of resources: pods with their owners and proxies, and what else people ask about.
// One immutable picture, made anew when a resource changes; answers are pure functions of it and of metrics.

import type { Watch } from "../base/watch.ts";
import { combine } from "../base/watch.ts";
import { hasLabels, type Kind, type Pod, type Resource } from "../platform/kinds.ts";
import { NAMES } from "../platform/network.ts";
import type { ResourceMap, Resources } from "../platform/resources.ts";
import { kindOf, type ResourceName } from "./kinds.ts";
import type { Id } from "./live.ts";
import type { Labels } from "./text.ts";

/** A pod as viz sees it. */
export type MeshPod = {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  /** Kubernetes' phase, or why its container waits ("CrashLoopBackOff"), as kubectl shows it. */
  readonly status: string;
  readonly running: boolean;
  readonly failed: boolean;
  /** The workload that made it and what made that, as a CronJob makes Jobs; a ReplicaSet stands for its Deployment. */
  readonly owners: readonly Named[];
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly serviceAccount: string;
  /** Whether it has a proxy, and whether that is ready. */
  readonly meshed: boolean;
  readonly proxyReady: boolean;
  readonly proxyVersion: string;
  readonly controlPlaneNs: string;
  readonly adminPort: number;
  readonly controlPort: number;
  readonly startedAtMs: number | undefined;
  readonly resourceVersion: string;
  /** What its proxy's metrics are labelled with: namespace, pod and owner. */
  readonly metricLabels: Labels;
};

/** Something with a kind of `kinds.ts`. Namespaces have the namespace "". */
export type Named = { readonly kind: string; readonly namespace: string; readonly name: string };

/** A resource by its name in a namespace; a namespace is in none. */
export function namedIn(namespace: string, { kind, name }: ResourceName): Named {
  return { kind, namespace: kind === "namespace" ? "" : namespace, name };
}

/** "deployment/emojivoto/web": equal for equal names. */
export function idOf({ kind, namespace, name }: Named): Id {
  return `${kind}/${namespace}/${name}`;
}

export type Thing = Named & { readonly labels: Labels };

export type World = {
  readonly pods: readonly MeshPod[];
  /** Everything else that can be asked about, by kind. */
  readonly things: ReadonlyMap<string, readonly Thing[]>;
  readonly services: ResourceMap<"Service">;
  readonly profiles: ResourceMap<"ServiceProfile">;
  readonly podByIp: ReadonlyMap<string, MeshPod>;
  /** By `idOf` of itself, of its namespace and of its owners. */
  readonly podsBy: ReadonlyMap<string, readonly MeshPod[]>;
  /** What workloads mean by addresses that a local mesh gave them in place of names: "web-svc.shop:8080". */
  readonly names: ReadonlyMap<string, string>;
};

/** Which platform kinds make which of ours. Pods that nobody lists are found through their pods' owners. */
const THINGS = {
  Namespace: "namespace",
  Service: "service",
  Deployment: "deployment",
  StatefulSet: "statefulset",
  DaemonSet: "daemonset",
  ReplicaSet: "replicaset",
  Job: "job",
  Server: "server",
  ServerAuthorization: "serverauthorization",
  AuthorizationPolicy: "authorizationpolicy",
  PolicyHTTPRoute: "httproute",
  HTTPRoute: "httproute",
} as const;

type ThingKind = keyof typeof THINGS;
const THING_KINDS = Object.keys(THINGS) as ThingKind[];

/** All that the picture is made of. */
export const WORLD_KINDS: readonly Kind[] = ["Pod", "ServiceProfile", ...THING_KINDS];

/** The picture of the mesh, and how it changes. */
export function watchWorld(resources: Resources): Watch<World> {
  const things = combine<ResourceMap<ThingKind>[]>(
    THING_KINDS.map((kind) => resources.watch(kind)),
  );
  return combine<[ResourceMap<"Pod">, ResourceMap<"ServiceProfile">, ResourceMap<ThingKind>[]]>([
    resources.watch("Pod"),
    resources.watch("ServiceProfile"),
    things,
  ]).map(([pods, profiles, lists]) => paint(pods, profiles, lists));
}

function paint(
  podMap: ResourceMap<"Pod">,
  profiles: ResourceMap<"ServiceProfile">,
  lists: readonly ResourceMap<ThingKind>[],
): World {
  const jobs = lists[THING_KINDS.indexOf("Job")] as ResourceMap<"Job">;
  const pods = [...podMap.values()].map((pod) => meshPod(pod, jobs));
  const things = new Map<string, Thing[]>();
  THING_KINDS.forEach((kind, i) => {
    const list = [...(lists[i] as ReadonlyMap<string, Resource<ThingKind>>).values()];
    const named = list.map(({ metadata: { namespace, name, labels } }) => ({
      kind: THINGS[kind],
      namespace,
      name,
      labels,
    }));
    things.set(THINGS[kind], [...(things.get(THINGS[kind]) ?? []), ...named]);
  });
  addOwners(things, pods);
  return {
    pods,
    things,
    services: lists[THING_KINDS.indexOf("Service")] as ResourceMap<"Service">,
    profiles,
    podByIp: new Map(pods.filter((pod) => pod.ip !== "").map((pod) => [pod.ip, pod])),
    podsBy: podsBy(pods),
    names: new Map(pods.flatMap(({ annotations }) => namesIn(annotations[NAMES] ?? ""))),
  };
}

function podsBy(pods: readonly MeshPod[]): Map<string, MeshPod[]> {
  const found = new Map<string, MeshPod[]>();
  for (const pod of pods) {
    const { namespace, name, owners } = pod;
    const itself = { kind: "pod", namespace, name };
    for (const thing of [itself, namespaceOf(pod), ...owners]) {
      const key = idOf(thing);
      const list = found.get(key);
      if (list) list.push(pod);
      else found.set(key, [pod]);
    }
  }
  return found;
}

const namespaceOf = ({ namespace }: { readonly namespace: string }): Named => ({
  kind: "namespace",
  namespace: "",
  name: namespace,
});

function namesIn(text: string): [address: string, name: string][] {
  if (text === "") return [];
  return text.split(",").map((pair) => pair.split("=") as [string, string]);
}

// A mesh may run pods whose owners it does not list: `linkerd local run` has no Deployment, and some platforms
// serve no CronJobs.
function addOwners(things: Map<string, Thing[]>, pods: readonly MeshPod[]): void {
  const seen = new Set([...things.values()].flat().map(idOf));
  for (const { owners, labels } of pods) {
    for (const owner of owners) {
      if (seen.has(idOf(owner))) continue;
      seen.add(idOf(owner));
      const list = things.get(owner.kind);
      if (list) list.push({ ...owner, labels });
      else things.set(owner.kind, [{ ...owner, labels }]);
    }
  }
}

const PROXY = "linkerd-proxy";

function meshPod(pod: Pod, jobs: ResourceMap<"Job">): MeshPod {
  const { metadata, spec, status } = pod;
  const { namespace, name, labels, annotations } = metadata;
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const proxy = statuses.find((s) => s.name === PROXY);
  const declared = [...spec.containers, ...spec.initContainers].find((c) => c.name === PROXY);
  const owners = ownersOf(pod, jobs);
  const port = (annotation: string, otherwise: number): number =>
    Number(annotations[`config.linkerd.io/${annotation}`] ?? otherwise);
  const waiting = statuses.find((s) => s.state?.waiting?.reason)?.state?.waiting?.reason;
  return {
    namespace,
    name,
    ip: status?.podIP ?? "",
    status: waiting ?? status?.phase ?? "Pending",
    running: status?.phase === "Running",
    failed: status?.phase === "Failed",
    owners,
    labels,
    annotations,
    serviceAccount: spec.serviceAccountName,
    meshed:
      declared !== undefined ||
      proxy !== undefined ||
      (CONTROL_PLANE_NS in labels && !(CONTROL_PLANE_COMPONENT in labels)),
    proxyReady: proxy?.ready ?? false,
    proxyVersion:
      annotations["linkerd.io/proxy-version"] ?? imageTag(proxy?.image ?? declared?.image),
    controlPlaneNs: labels[CONTROL_PLANE_NS] ?? "",
    adminPort: port("admin-port", 4191),
    controlPort: port("control-port", 4190),
    startedAtMs: status?.startTime ? Date.parse(status.startTime) : undefined,
    resourceVersion: metadata.resourceVersion,
    metricLabels: {
      namespace,
      pod: name,
      ...Object.fromEntries(owners.map(({ kind, name }) => [kindOf(kind)?.label ?? kind, name])),
    },
  };
}

const CONTROL_PLANE_NS = "linkerd.io/control-plane-ns";
// The control plane on Kubernetes carries the label as well, and speaks for itself without a proxy.
const CONTROL_PLANE_COMPONENT = "linkerd.io/control-plane-component";

function ownersOf(pod: Pod, jobs: ResourceMap<"Job">): Named[] {
  const owner = ownerOf(pod);
  if (owner?.kind !== "job") return owner ? [owner] : [];
  const { namespace, name } = owner;
  const references = jobs.get(`${namespace}/${name}`)?.metadata.ownerReferences ?? [];
  const above = references.filter(({ kind }) => kind === "CronJob");
  return [owner, ...above.map((each) => ({ kind: "cronjob", namespace, name: each.name }))];
}

/** The workload of a pod: the injector's label says it; else its owner, where a ReplicaSet stands for its Deployment. */
function ownerOf({ metadata: { namespace, labels, ownerReferences } }: Pod): Named | undefined {
  for (const kind of ["deployment", "statefulset", "daemonset", "cronjob", "job", "replicaset"]) {
    const name = labels[`linkerd.io/proxy-${kind}`];
    if (name) return { kind, namespace, name };
  }
  const owner = ownerReferences[0];
  if (!owner) return undefined;
  const kind = owner.kind.toLowerCase();
  const hash = labels["pod-template-hash"];
  if (kind === "replicaset" && hash && owner.name.endsWith(`-${hash}`)) {
    return { kind: "deployment", namespace, name: owner.name.slice(0, -hash.length - 1) };
  }
  return { kind, namespace, name: owner.name };
}

function imageTag(image: string | undefined): string {
  const at = image?.lastIndexOf(":") ?? -1;
  return at > 0 && !image!.slice(at).includes("/") ? image!.slice(at + 1) : "";
}

/** Whether a thing is what a selection wants; "" wants any. */
export function isWanted(thing: Named, wanted: { namespace: string; name: string }): boolean {
  const { namespace, name } = thing;
  return (
    (wanted.name === "" || wanted.name === name) &&
    (wanted.namespace === "" || thing.kind === "namespace" || wanted.namespace === namespace)
  );
}

/** Whether a pod lets its calls be seen; "missing" for one that was there before viz was. */
export function tapOf({ annotations }: MeshPod): "enabled" | "disabled" | "missing" {
  if (annotations["viz.linkerd.io/disable-tap"] === "true") return "disabled";
  return annotations["viz.linkerd.io/tap-enabled"] === "true" ? "enabled" : "missing";
}

/** The pods that belong to a thing: a pod itself, those of a workload, of a namespace, or behind a service. */
export function podsOf(world: World, thing: Named): readonly MeshPod[] {
  const found = (of: Named): readonly MeshPod[] => world.podsBy.get(idOf(of)) ?? [];
  if (thing.kind !== "service") return found(thing);
  const selector = world.services.get(`${thing.namespace}/${thing.name}`)?.spec.selector ?? {};
  if (Object.keys(selector).length === 0) return [];
  return found(namespaceOf(thing)).filter(({ labels }) => hasLabels(labels, selector));
}

/** All things of a kind, pods included. */
export function thingsOf(world: World, kind: string): readonly Thing[] {
  if (kind !== "pod") return world.things.get(kind) ?? [];
  return world.pods.map(({ namespace, name, labels }) => ({ kind, namespace, name, labels }));
}
