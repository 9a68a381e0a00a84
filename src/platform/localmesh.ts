// The running local mesh: keeps the store, the pods, the edge and the slices in line with each other, and
// does what commands ask.

import { Fault } from "../base/fault.ts";
import type { Scope } from "../base/scope.ts";
import type { Close, Watch } from "../base/watch.ts";
import { combine, Var } from "../base/watch.ts";
import { Admission, contentOf, resourcesToRun } from "./admission.ts";
import type { Control } from "./controlprocess.ts";
import { CONTROLLER } from "./controlprocess.ts";
import type { Edge } from "./edge.ts";
import type { Kind, Resource } from "./kinds.ts";
import { keyOf, kindOfResource, KINDS } from "./kinds.ts";
import type { LogLine } from "./logs.ts";
import type { Manifests } from "./manifests.ts";
import { resourceOf } from "./manifests.ts";
import type { LogQuery, Mesh, MeshStatus, RunRequest } from "./mesh.ts";
import type { Pod, PodOptions } from "./pod.ts";
import type { Resources } from "./resources.ts";
import { SIDECAR } from "./sidecar.ts";
import { sliceChanges } from "./slices.ts";
import { put } from "./store.ts";
import { preflight } from "./preflight.ts";
import type { Workloads } from "./workloads.ts";
import { WORKLOADS } from "./wanted.ts";

type Facts = Omit<MeshStatus, "published" | "exposed" | "notices" | "controllerReady">;

const SETTLE_MS = 10;
const TOKEN_REFRESH_MS = 12 * 3_600_000;
const NOTICES = 50;
// Changes of these may ask for other pods, slices or listeners.
const DRIVING = [...WORKLOADS, "Namespace", "Service", "ConfigMap", "Secret", "Pod"] as const;

export class LocalMesh implements Mesh {
  readonly resources: Resources;
  readonly status: Watch<MeshStatus>;
  /** Settles when the mesh has stopped and nothing of it is left. */
  readonly stopped: Promise<void>;
  readonly #options: PodOptions;
  readonly #admission: Admission;
  readonly #workloads: Workloads;
  readonly #edge: Edge;
  readonly #scope: Scope;
  readonly #exposed = new Var<readonly string[]>([]);
  readonly #notices = new Var<readonly string[]>([]);
  readonly #controllerReady = new Var(false);
  #control: Control | undefined;
  #settled!: () => void;
  #due = false;
  #fromFiles: ReadonlyMap<string, Resource> = new Map();

  constructor(
    options: PodOptions,
    workloads: (changed: () => void) => Workloads,
    edge: Edge,
    scope: Scope,
    facts: Facts,
  ) {
    const { store, tokens, network, clock } = options;
    this.#options = options;
    this.#admission = new Admission(store, network, clock);
    this.#workloads = workloads(() => this.#schedule());
    this.#edge = edge;
    this.#scope = scope;
    this.stopped = new Promise((resolve) => (this.#settled = resolve));
    this.resources = {
      watch: (kind) => store.watch(kind),
      reviewToken: async (token, audience) => tokens.review(token, audience),
      writeStatus: async (kind, key, status) => {
        const resource = store.get(kind, key);
        if (resource) store.put(resourceOf(kind, { ...resource, status }));
      },
    };
    this.status = combine([
      edge.published,
      this.#exposed,
      this.#notices,
      this.#controllerReady,
    ]).map(([published, exposed, notices, controllerReady]) => ({
      ...facts,
      published,
      exposed,
      notices,
      controllerReady,
    }));
  }

  /** Starts pods once `control` is ready, and tells of its readiness. */
  follow(control: Control): void {
    this.#control = control;
    this.#scope.defer(control.ready.each((ready) => this.#controllerReady.set(ready)));
  }

  /** Applies manifests, and again when they change; resolves when the first have been applied. */
  async start(manifests: Watch<Manifests>): Promise<void> {
    const { store, clock } = this.#options;
    await this.#control?.started;
    for (const kind of DRIVING) this.#scope.defer(store.watch(kind).each(() => this.#schedule()));
    const refresh = clock.every(TOKEN_REFRESH_MS, () => {
      for (const pod of this.#pods()) if (pod.identity.meshed) pod.refreshToken();
    });
    this.#scope.defer(() => refresh.cancel());
    this.#scope.defer(
      manifests.observe((state) => {
        if (state.kind === "ok") this.#replaceFiles(state.value);
        else if (state.kind === "failed") this.notice(state.fault.message);
      }),
    );
    await manifests.next();
  }

  /** Lets the machine reach an address ("127.0.0.1:8084") that this process listens on. */
  expose(address: string): void {
    this.#exposed.set([...this.#exposed.value!, address]);
  }

  /** Says something to the user: kept for `status`. */
  notice(sentence: string): void {
    this.#notices.set([...this.#notices.value!, sentence].slice(-NOTICES));
  }

  async apply(resources: readonly Resource[]): Promise<readonly string[]> {
    return this.#apply(resources);
  }

  async remove(kind: Kind, key: string): Promise<void> {
    const pod = kind === "Pod" ? this.#workloads.find(key) : undefined;
    if (!this.#options.store.get(kind, key)) throw missing(kind, key);
    if (kind === "Pod") this.#workloads.setBare(key, undefined);
    if (pod) void pod.stop();
    else this.#options.store.remove(kind, key);
  }

  async run(request: RunRequest): Promise<readonly string[]> {
    const resources = resourcesToRun(request);
    const { env, cwd } = this.#options;
    preflight(resources, { env, cwd, publish: {} });
    return this.#apply(resources);
  }

  async restart(kind: Kind, key: string): Promise<void> {
    if (!this.#options.store.get(kind, key)) throw missing(kind, key);
    this.#workloads.restart(`${kind} ${key}`);
  }

  async scale(kind: Kind, key: string, replicas: number): Promise<void> {
    const resource = this.#options.store.get(kind, key);
    if (!resource) throw missing(kind, key);
    if (kind !== "Deployment" && kind !== "StatefulSet" && kind !== "ReplicaSet") {
      throw new Fault("bad-input", `a ${kind} cannot be scaled; a Deployment or StatefulSet can`);
    }
    const workload = resource as Resource<"Deployment">;
    this.#options.store.put({ ...workload, spec: { ...workload.spec, replicas } });
  }

  async logs(
    { pod: key, container, tail }: LogQuery,
    line: (line: LogLine) => void,
  ): Promise<Close> {
    const log = this.#log(key, container);
    for (const each of log.recent(tail)) line(each);
    return log.follow(line);
  }

  async recent({ pod, container, tail }: LogQuery): Promise<readonly LogLine[]> {
    return this.#log(pod, container).recent(tail);
  }

  async stop(): Promise<void> {
    // Who calls over the socket shall still get an answer.
    void Promise.resolve().then(() => this.close());
  }

  /** Ends every process; settles when they are gone. */
  async close(): Promise<void> {
    if (this.#scope.closed) return this.stopped;
    await Promise.all([this.#workloads.close(), this.#edge.close()]);
    await this.#scope.close();
    this.#settled();
  }

  #log(key: string, container: string | undefined) {
    if (key.endsWith(`/${CONTROLLER}`) && this.#control) return this.#control.container.plan.log;
    const pod = this.#pods().find((each) => each.key === key);
    if (!pod) throw missing("Pod", key);
    const name = container ?? pod.identity.spec.containers[0]?.name ?? SIDECAR;
    const found = pod.container(name);
    if (!found)
      throw new Fault("not-found", `pod ${key} has no container ${name} that was started`);
    return found.plan.log;
  }

  #pods(): readonly Pod[] {
    return [...this.#workloads.pods, ...(this.#edge.pod ? [this.#edge.pod] : [])];
  }

  // Everything that follows from the store is worked out together, soon after it changed.
  #schedule(): void {
    if (this.#due || this.#scope.closed) return;
    this.#due = true;
    this.#options.clock.after(SETTLE_MS, () => {
      this.#due = false;
      if (this.#scope.closed) return;
      const { store } = this.#options;
      const slices = sliceChanges(store);
      const gone = slices.remove.map((key) => ({ kind: "EndpointSlice" as const, key }));
      store.apply([...slices.put.map(put), ...gone]);
      this.#workloads.reconcile();
      this.#edge.reconcile();
    });
  }

  // What changed in the files is applied, and what is not in them any more goes. What did not change is left
  // alone, so that a workload scaled by hand stays so while others are edited.
  #replaceFiles({ resources, skipped }: Manifests): void {
    const before = this.#fromFiles;
    const now = new Map(resources.map((each) => [idOf(each), each]));
    this.#fromFiles = now;
    this.#apply(
      resources.filter((each) => {
        const old = before.get(idOf(each));
        return old === undefined || contentOf(old) !== contentOf(each);
      }),
    );
    for (const [id, old] of before) {
      if (!now.has(id)) void this.remove(kindOfResource(old), keyOf(old)).catch(() => {});
    }
    if (skipped.length > 0) {
      this.notice(`left aside, since the local mesh has no use for them: ${skipped.join(", ")}`);
    }
  }

  #apply(resources: readonly Resource[]): readonly string[] {
    const { lines, changed } = this.#admission.admit(resources);
    // A pod that a manifest names is a wish; the store has pods as they are.
    for (const each of changed) {
      if (kindOfResource(each) === "Pod")
        this.#workloads.setBare(keyOf(each), each as Resource<"Pod">);
    }
    const stored = changed.filter((each) => kindOfResource(each) !== "Pod");
    this.#options.store.apply(stored.map(put));
    this.#schedule();
    return lines;
  }
}

function missing(kind: Kind, key: string): Fault {
  return new Fault("not-found", `the mesh has no ${KINDS[kind].kind} ${key}`);
}

const idOf = (resource: Resource): string => `${kindOfResource(resource)} ${keyOf(resource)}`;
