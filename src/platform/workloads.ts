// Deployments and their kin made into pods: as many as wanted, of the newest template, replaced one at a time
// by pods that are ready. Level-triggered: whatever happened, `reconcile` looks at what is and what should be.

import { createHash } from "node:crypto";
import type { Random } from "../base/random.ts";
import type { Kind, Metadata, PodSpec, PodTemplate, Resource } from "./kinds.ts";
import { apiVersionOf, keyOf } from "./kinds.ts";
import { mentions } from "./mentions.ts";
import type { PodOptions } from "./pod.ts";
import { meshLabels, Pod } from "./pod.ts";
import { textsOf } from "./podplan.ts";
import { servicePorts } from "./slices.ts";

/** Kinds that make pods. */
export const WORKLOADS = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"] as const;

export type WorkloadKind = (typeof WORKLOADS)[number];

/** What a workload wants; `id` is "Kind namespace/name". */
type Wanted = {
  readonly id: string;
  readonly kind: WorkloadKind | "Pod";
  readonly metadata: Metadata;
  readonly template: PodTemplate;
  readonly replicas: number;
  readonly recreate: boolean;
  readonly hash: string;
};

export type WorkloadOptions = PodOptions & {
  readonly random: Random;
  /** Which pods get a sidecar: none, those that ask for one, or those that do not refuse it. */
  readonly inject: "never" | "opt-in" | "opt-out";
};

export class Workloads {
  readonly #options: WorkloadOptions;
  readonly #changed: () => void;
  /** Pods by workload, oldest first, those that are being deleted included. */
  readonly #pods = new Map<string, Pod[]>();
  /** Templates of pods that stand alone in a manifest. */
  readonly #bare = new Map<string, Resource<"Pod">>();
  /** Counts how often a workload was restarted by hand. */
  readonly #restarts = new Map<string, number>();
  readonly #hashes = new Map<Pod, string>();
  #closing = false;

  /** Calls `changed` when `reconcile` may have something to do. */
  constructor(options: WorkloadOptions, changed: () => void) {
    this.#options = options;
    this.#changed = changed;
  }

  /** Pods that were started and are not gone yet. */
  get pods(): readonly Pod[] {
    return [...this.#pods.values()].flat();
  }

  find(key: string): Pod | undefined {
    return this.pods.find((pod) => pod.key === key);
  }

  setBare(key: string, pod: Resource<"Pod"> | undefined): void {
    if (pod) this.#bare.set(key, pod);
    else this.#bare.delete(key);
  }

  /** Replaces the pods of a workload one by one. */
  restart(id: string): void {
    this.#restarts.set(id, (this.#restarts.get(id) ?? 0) + 1);
    this.#changed();
  }

  /** Starts and stops what is needed, and writes the status of each workload. */
  reconcile(): void {
    if (this.#closing) return;
    const wanted = this.#wanted();
    for (const each of wanted) this.#reconcile(each);
    const ids = new Set(wanted.map(({ id }) => id));
    for (const [id, pods] of this.#pods) {
      if (!ids.has(id)) pods.forEach((pod) => void pod.stop());
    }
    this.#dropReplicaSets();
  }

  /** Stops every pod. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.pods.map((pod) => pod.stop()));
  }

  #reconcile(wanted: Wanted): void {
    const living = (this.#pods.get(wanted.id) ?? []).filter((pod) => !pod.deleted);
    if (wanted.kind === "Job" || wanted.kind === "Pod") {
      if (living.length === 0 && !this.#pods.get(wanted.id)?.length) this.#start(wanted, 0);
      else if (living.some((pod) => this.#hashes.get(pod) !== wanted.hash)) stopAll(living);
    } else if (wanted.kind === "StatefulSet") {
      this.#reconcileOrdinals(wanted, living);
    } else {
      this.#roll(wanted, living);
    }
    this.#writeStatus(wanted, living);
  }

  // One more than wanted may run, so that a new pod is ready before an old one goes.
  #roll(wanted: Wanted, living: readonly Pod[]): void {
    const fresh = living.filter((pod) => this.#hashes.get(pod) === wanted.hash);
    const old = living.filter((pod) => this.#hashes.get(pod) !== wanted.hash);
    if (wanted.recreate && old.length > 0) return stopAll(old);
    if (wanted.recreate && (this.#pods.get(wanted.id) ?? []).some((pod) => pod.deleted)) return;
    const surge = old.length > 0 ? wanted.replicas + 1 : wanted.replicas;
    for (
      let n = living.length;
      n < surge && fresh.length + (n - living.length) < wanted.replicas;
      n++
    ) {
      this.#start(wanted, n);
    }
    const ready = living.filter((pod) => pod.ready).length;
    // Old pods that are not ready serve nobody; of the others, as many as new ones have come up.
    const broken = old.filter((pod) => !pod.ready);
    const spare = old.filter((pod) => pod.ready).slice(0, Math.max(0, ready - wanted.replicas));
    stopAll([...broken, ...spare]);
    stopAll(surplus(fresh, fresh.length - wanted.replicas));
  }

  // A StatefulSet's pods have names, so an old one has to go before the new one can come.
  #reconcileOrdinals(wanted: Wanted, living: readonly Pod[]): void {
    const all = this.#pods.get(wanted.id) ?? [];
    stopAll(living.filter((pod) => ordinal(pod) >= wanted.replicas));
    for (let n = 0; n < wanted.replicas; n++) {
      const pod = all.find((each) => ordinal(each) === n);
      if (!pod) this.#start(wanted, n);
      else if (!pod.deleted && this.#hashes.get(pod) !== wanted.hash) void pod.stop();
      if (!pod?.ready) return;
    }
  }

  #start(wanted: Wanted, index: number): void {
    const pod = new Pod(this.#identity(wanted, index), this.#options, (changed) => {
      const { store } = this.#options;
      // A pod that went away may have left its place to another of the same name already.
      if (this.#pods.get(wanted.id)?.includes(changed)) store.put(changed.resource);
      this.#changed();
    });
    this.#hashes.set(pod, wanted.hash);
    this.#pods.set(wanted.id, [...(this.#pods.get(wanted.id) ?? []), pod]);
    this.#options.store.put(pod.resource);
    void pod.gone.then(() => {
      const left = (this.#pods.get(wanted.id) ?? []).filter((each) => each !== pod);
      if (left.length > 0) this.#pods.set(wanted.id, left);
      else this.#pods.delete(wanted.id);
      this.#hashes.delete(pod);
      this.#options.store.remove("Pod", pod.key);
      this.#changed();
    });
    void pod.start();
  }

  #identity(wanted: Wanted, index: number) {
    const { kind, metadata, template, hash } = wanted;
    const { namespace } = metadata;
    const annotations = {
      ...this.#inheritedAnnotations(namespace),
      ...template.metadata.annotations,
    };
    const meshed = this.#isMeshed(annotations);
    const owner = kind === "Pod" ? undefined : { kind, name: metadata.name };
    const name = this.#podName(wanted, index);
    return {
      namespace,
      name,
      labels: {
        ...template.metadata.labels,
        ...(kind === "Deployment" && { "pod-template-hash": hash }),
        ...(kind === "StatefulSet" && { "statefulset.kubernetes.io/pod-name": name }),
        ...(meshed && meshLabels(namespace, owner)),
      },
      annotations,
      owners: owner ? [this.#owner(wanted)] : [],
      spec: kind === "StatefulSet" ? { ...template.spec, hostname: name } : podSpecOf(wanted),
      meshed,
    };
  }

  // A Deployment's pods belong to its ReplicaSet, as tools that walk from pods to owners expect.
  #owner({
    kind,
    metadata,
    hash,
    template,
    replicas,
  }: Wanted): Metadata["ownerReferences"][number] {
    if (kind !== "Deployment") return { kind, name: metadata.name, uid: metadata.uid };
    const name = `${metadata.name}-${hash}`;
    this.#options.store.put({
      apiVersion: apiVersionOf("ReplicaSet"),
      kind: "ReplicaSet",
      metadata: {
        ...metadata,
        name,
        uid: `${metadata.uid}-${hash}`,
        ownerReferences: [{ kind, name: metadata.name, uid: metadata.uid }],
      },
      spec: { replicas, selector: { matchLabels: {}, matchExpressions: [] }, template },
    });
    return { kind: "ReplicaSet", name, uid: `${metadata.uid}-${hash}` };
  }

  // Those that were made for pods which are gone.
  #dropReplicaSets(): void {
    const { store } = this.#options;
    const needed = new Set(
      this.pods.flatMap(({ identity }) =>
        identity.owners.map(({ name }) => `${identity.namespace}/${name}`),
      ),
    );
    for (const [key, { metadata }] of store.all("ReplicaSet")) {
      if (metadata.ownerReferences.length > 0 && !needed.has(key)) store.remove("ReplicaSet", key);
    }
  }

  #podName({ kind, metadata, hash }: Wanted, index: number): string {
    if (kind === "Pod") return metadata.name;
    if (kind === "StatefulSet") return `${metadata.name}-${index}`;
    const letters = "bcdfghjklmnpqrstvwxz2456789";
    const random = Array.from(
      { length: 5 },
      () => letters[this.#options.random.below(letters.length)],
    );
    const middle = kind === "Deployment" ? `-${hash}` : "";
    return `${metadata.name}${middle}-${random.join("")}`;
  }

  #isMeshed(annotations: Readonly<Record<string, string>>): boolean {
    const { inject } = this.#options;
    if (inject === "never") return false;
    const asked = annotations["linkerd.io/inject"];
    return asked === undefined ? inject === "opt-out" : asked !== "disabled";
  }

  // The injector copies a namespace's annotations to pods that do not say otherwise.
  #inheritedAnnotations(namespace: string): Record<string, string> {
    const found = this.#options.store.get("Namespace", namespace)?.metadata.annotations ?? {};
    return Object.fromEntries(
      Object.entries(found).filter(([key]) =>
        /^(linkerd\.io\/inject|config\..*linkerd\.io\/)/.test(key),
      ),
    );
  }

  #wanted(): Wanted[] {
    const { store } = this.#options;
    const owned = (each: { metadata: Metadata }): boolean =>
      each.metadata.ownerReferences.length > 0;
    const workloads = WORKLOADS.flatMap((kind) =>
      [...store.all(kind).values()]
        .filter((each) => !owned(each))
        .map((each) => this.#want(kind, each)),
    );
    const bare = [...this.#bare.values()].map((pod) => this.#want("Pod", pod));
    return [...workloads, ...bare];
  }

  #want(kind: WorkloadKind | "Pod", resource: Resource<WorkloadKind | "Pod">): Wanted {
    const { metadata } = resource;
    const spec = resource.spec as Resource<"Deployment">["spec"] & PodSpec;
    const template =
      kind === "Pod"
        ? { metadata: { labels: metadata.labels, annotations: metadata.annotations }, spec }
        : spec.template;
    const id = `${kind} ${keyOf(resource)}`;
    return {
      id,
      kind,
      metadata,
      template,
      replicas: kind === "DaemonSet" ? 1 : (spec.replicas ?? 1),
      recreate: spec.strategy?.type === "Recreate",
      hash: this.#hash(id, template, metadata.namespace),
    };
  }

  // Besides its template, what a pod is started with depends on the services that it names.
  #hash(id: string, template: PodTemplate, namespace: string): string {
    const { store } = this.#options;
    const services = servicePorts(store.all("Service"));
    const found = mentions(safeTexts(template.spec, store, namespace), namespace, services);
    const annotations = this.#inheritedAnnotations(namespace);
    const all = [template, found, annotations, this.#restarts.get(id) ?? 0];
    return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 9);
  }

  #writeStatus({ kind, metadata, hash, replicas }: Wanted, living: readonly Pod[]): void {
    if (kind === "Pod") return;
    const { store } = this.#options;
    const resource = store.get(kind as Kind, `${metadata.namespace}/${metadata.name}`);
    if (!resource) return;
    const ready = living.filter((pod) => pod.ready).length;
    const status =
      kind === "Job"
        ? {
            active: living.filter((pod) => pod.phase === "Running" || pod.phase === "Pending")
              .length,
            succeeded: living.filter((pod) => pod.phase === "Succeeded").length,
            failed: living.filter((pod) => pod.phase === "Failed").length,
            conditions: [],
          }
        : {
            replicas: living.length,
            readyReplicas: ready,
            updatedReplicas: living.filter((pod) => this.#hashes.get(pod) === hash).length,
            availableReplicas: ready,
            conditions: [{ type: "Available", status: ready >= replicas ? "True" : "False" }],
          };
    if (JSON.stringify(status) === JSON.stringify((resource as { status?: unknown }).status))
      return;
    store.put({ ...resource, status } as Resource);
  }
}

const stopAll = (pods: readonly Pod[]): void => pods.forEach((pod) => void pod.stop());

// Those to remove when there are too many: what is not ready first, then the newest.
function surplus(pods: readonly Pod[], count: number): Pod[] {
  const order = [...pods.filter((pod) => pod.ready), ...pods.filter((pod) => !pod.ready)];
  return count > 0 ? order.slice(-count) : [];
}

const ordinal = (pod: Pod): number =>
  Number(pod.identity.name.slice(pod.identity.name.lastIndexOf("-") + 1));

// A Job's pods end for good unless it says how to go on.
function podSpecOf({ kind, template }: Wanted): PodSpec {
  if (kind !== "Job") return template.spec;
  return { ...template.spec, restartPolicy: template.spec.restartPolicy ?? "OnFailure" };
}

// A template that refers to what is missing still has a hash; its pods say what is wrong.
function safeTexts(spec: PodSpec, store: PodOptions["store"], namespace: string): string[] {
  try {
    return textsOf(spec, store, namespace);
  } catch {
    return [];
  }
}
