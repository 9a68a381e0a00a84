// Deployments and their kin made into pods: as many as wanted, of the newest template, replaced one at a time
// by pods that are ready. Level-triggered: whatever happened, `reconcile` looks at what is and what should be.

import type { Random } from "../base/random.ts";
import type { Kind, Resource } from "./kinds.ts";
import type { PodOptions } from "./pod.ts";
import { Pod } from "./pod.ts";
import type { Inject, Wanted } from "./wanted.ts";
import { podIdentityOf, replicaSetOf, statusOf, wantedOf } from "./wanted.ts";

export type WorkloadOptions = PodOptions & { readonly random: Random; readonly inject: Inject };

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
    const wanted = wantedOf(this.#options.store, this.#bare.values(), this.#restarts);
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
    const { store, random, inject } = this.#options;
    const identity = podIdentityOf(store, wanted, index, random, inject);
    if (wanted.kind === "Deployment") store.put(replicaSetOf(wanted));
    const pod = new Pod(identity, this.#options, (changed) => {
      // A pod that went away may have left its place to another of the same name already.
      if (this.#pods.get(wanted.id)?.includes(changed)) store.put(changed.resource);
      this.#changed();
    });
    this.#hashes.set(pod, wanted.hash);
    this.#pods.set(wanted.id, [...(this.#pods.get(wanted.id) ?? []), pod]);
    store.put(pod.resource);
    void pod.gone.then(() => {
      const left = (this.#pods.get(wanted.id) ?? []).filter((each) => each !== pod);
      if (left.length > 0) this.#pods.set(wanted.id, left);
      else this.#pods.delete(wanted.id);
      this.#hashes.delete(pod);
      store.remove("Pod", pod.key);
      this.#changed();
    });
    void pod.start();
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

  #writeStatus(wanted: Wanted, living: readonly Pod[]): void {
    const { store } = this.#options;
    const { kind, metadata, hash } = wanted;
    const resource = store.get(kind as Kind, `${metadata.namespace}/${metadata.name}`);
    if (kind === "Pod" || !resource) return;
    const updated = living.filter((pod) => this.#hashes.get(pod) === hash).length;
    const status = statusOf(wanted, living, updated);
    const before = (resource as { status?: unknown }).status;
    if (JSON.stringify(status) === JSON.stringify(before)) return;
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
