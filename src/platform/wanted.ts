// What the workloads of a mesh want: their templates, how many pods, and what each of these pods shall be.
// Pure functions of the store; workloads.ts makes it so.

import { createHash } from "node:crypto";
import type { Random } from "../base/random.ts";
import type { Metadata, PodSpec, PodTemplate, Resource } from "./kinds.ts";
import { apiVersionOf, keyOf } from "./kinds.ts";
import { mentions } from "./mentions.ts";
import type { Pod, PodIdentity } from "./pod.ts";
import { textsOf } from "./podplan.ts";
import { meshLabels } from "./sidecar.ts";
import { servicePorts } from "./slices.ts";
import type { Store } from "./store.ts";

/** Kinds that make pods. */
export const WORKLOADS = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"] as const;

export type WorkloadKind = (typeof WORKLOADS)[number];

/** What a workload, or a pod that stands alone in a manifest, wants. */
export type Wanted = {
  /** "Kind namespace/name". */
  readonly id: string;
  readonly kind: WorkloadKind | "Pod";
  readonly metadata: Metadata;
  readonly template: PodTemplate;
  readonly replicas: number;
  /** Whether old pods go before new ones come. */
  readonly recreate: boolean;
  /** Differs when running pods are not what is wanted any more. */
  readonly hash: string;
};

/** Which pods get a sidecar: none, those that ask for one, or those that do not refuse it. */
export type Inject = "never" | "opt-in" | "opt-out";

/** What all workloads want; `restarts` counts how often one was restarted by hand. */
export function wantedOf(
  store: Store,
  bare: Iterable<Resource<"Pod">>,
  restarts: ReadonlyMap<string, number>,
): Wanted[] {
  const want = (kind: WorkloadKind | "Pod", resource: Resource<WorkloadKind | "Pod">): Wanted => {
    const { metadata } = resource;
    const spec = resource.spec as Resource<"Deployment">["spec"] & PodSpec;
    const { labels, annotations } = metadata;
    const template = kind === "Pod" ? { metadata: { labels, annotations }, spec } : spec.template;
    const id = `${kind} ${keyOf(resource)}`;
    return {
      id,
      kind,
      metadata,
      template,
      replicas: kind === "DaemonSet" ? 1 : (spec.replicas ?? 1),
      recreate: spec.strategy?.type === "Recreate",
      hash: hashOf(store, template, metadata.namespace, restarts.get(id) ?? 0),
    };
  };
  const workloads = WORKLOADS.flatMap((kind) =>
    [...store.all(kind).values()]
      .filter(({ metadata }) => metadata.ownerReferences.length === 0)
      .map((each) => want(kind, each)),
  );
  return [...workloads, ...Array.from(bare, (pod) => want("Pod", pod))];
}

/** What a new pod of a workload is; `index` is its place in a StatefulSet. */
export function podIdentityOf(
  store: Store,
  wanted: Wanted,
  index: number,
  random: Random,
  inject: Inject,
): PodIdentity {
  const { kind, metadata, template, hash } = wanted;
  const { namespace } = metadata;
  const annotations = { ...inherited(store, namespace), ...template.metadata.annotations };
  const meshed = isMeshed(annotations, inject);
  const name = nameOf(wanted, index, random);
  const owner = kind === "Pod" ? undefined : { kind, name: metadata.name };
  return {
    namespace,
    name,
    labels: {
      ...template.metadata.labels,
      ...(kind === "Deployment" && { "pod-template-hash": hash }),
      ...(kind === "StatefulSet" && { "statefulset.kubernetes.io/pod-name": name }),
      ...(meshed && meshLabels(namespace, owner)),
    },
    annotations: { ...annotations, ...(meshed && { "viz.linkerd.io/tap-enabled": "true" }) },
    owners: ownersOf(wanted),
    spec: specOf(wanted, name),
    meshed,
  };
}

/** The ReplicaSet that stands between a Deployment and its pods, for tools that walk from pods to owners. */
export function replicaSetOf({
  metadata,
  hash,
  template,
  replicas,
}: Wanted): Resource<"ReplicaSet"> {
  return {
    apiVersion: apiVersionOf("ReplicaSet"),
    kind: "ReplicaSet",
    metadata: {
      ...metadata,
      name: `${metadata.name}-${hash}`,
      uid: `${metadata.uid}-${hash}`,
      ownerReferences: [{ kind: "Deployment", name: metadata.name, uid: metadata.uid }],
    },
    spec: { replicas, selector: { matchLabels: {}, matchExpressions: [] }, template },
  };
}

/** The status of a workload with these living pods, of which `updated` are of its newest template. */
export function statusOf({ kind, replicas }: Wanted, living: readonly Pod[], updated: number) {
  const count = (...phases: string[]): number =>
    living.filter((pod) => phases.includes(pod.phase)).length;
  if (kind === "Job") {
    return {
      active: count("Running", "Pending"),
      succeeded: count("Succeeded"),
      failed: count("Failed"),
      conditions: [],
    };
  }
  const ready = living.filter((pod) => pod.ready).length;
  return {
    replicas: living.length,
    readyReplicas: ready,
    updatedReplicas: updated,
    availableReplicas: ready,
    conditions: [{ type: "Available", status: ready >= replicas ? "True" : "False" }],
  };
}

// Besides its template, what a pod is started with depends on the services that it names and its namespace.
function hashOf(store: Store, template: PodTemplate, namespace: string, restarts: number): string {
  const services = servicePorts(store.all("Service"));
  const found = mentions(safeTexts(template.spec, store, namespace), namespace, services);
  const all = [template, found, inherited(store, namespace), restarts];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 9);
}

// A template that refers to what is missing still has a hash; its pods say what is wrong.
function safeTexts(spec: PodSpec, store: Store, namespace: string): string[] {
  try {
    return textsOf(spec, store, namespace);
  } catch {
    return [];
  }
}

function ownersOf({ kind, metadata, hash }: Wanted): Metadata["ownerReferences"] {
  const { name, uid } = metadata;
  if (kind === "Pod") return [];
  if (kind !== "Deployment") return [{ kind, name, uid }];
  return [{ kind: "ReplicaSet", name: `${name}-${hash}`, uid: `${uid}-${hash}` }];
}

function specOf({ kind, template }: Wanted, name: string): PodSpec {
  const { spec } = template;
  if (kind === "StatefulSet") return { ...spec, hostname: name };
  // A Job's pods end for good unless it says how to go on.
  return kind === "Job" ? { ...spec, restartPolicy: spec.restartPolicy ?? "OnFailure" } : spec;
}

const LETTERS = "bcdfghjklmnpqrstvwxz2456789";

function nameOf({ kind, metadata, hash }: Wanted, index: number, random: Random): string {
  if (kind === "Pod") return metadata.name;
  if (kind === "StatefulSet") return `${metadata.name}-${index}`;
  const tail = Array.from({ length: 5 }, () => LETTERS[random.below(LETTERS.length)]).join("");
  return kind === "Deployment" ? `${metadata.name}-${hash}-${tail}` : `${metadata.name}-${tail}`;
}

function isMeshed(annotations: Readonly<Record<string, string>>, inject: Inject): boolean {
  if (inject === "never") return false;
  const asked = annotations["linkerd.io/inject"];
  return asked === undefined ? inject === "opt-out" : asked !== "disabled";
}

// The injector copies a namespace's annotations to pods that do not say otherwise.
function inherited(store: Store, namespace: string): Record<string, string> {
  const found = store.get("Namespace", namespace)?.metadata.annotations ?? {};
  return Object.fromEntries(
    Object.entries(found).filter(([key]) =>
      /^(linkerd\.io\/inject|config\..*linkerd\.io\/)/.test(key),
    ),
  );
}
