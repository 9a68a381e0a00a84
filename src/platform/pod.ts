// One pod of the local mesh: its place in the network, its sidecar, its containers, in the order in which a
// kubelet starts and stops them. Its resource (phase, conditions, container statuses) is computed from them.

import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Container } from "./container.ts";
import type { Env } from "./state.ts";
import type { Container as Spec, Metadata, Pod as PodResource, PodSpec } from "./kinds.ts";
import { Log } from "./logs.ts";
import type { Attachment, Network, Original } from "./network.ts";
import type { PodFacts } from "./podplan.ts";
import { commandOf, textsOf } from "./podplan.ts";
import type { SidecarOptions } from "./sidecar.ts";
import { NODE, podResource } from "./podresource.ts";
import { SIDECAR, sidecarEnv, sidecarSpec } from "./sidecar.ts";
import type { State } from "./state.ts";
import type { Store } from "./store.ts";
import type { Tokens } from "./tokens.ts";

/** What every pod of a mesh is made with. */
export type PodOptions = {
  readonly clock: Clock;
  readonly store: Store;
  readonly state: State;
  readonly tokens: Tokens;
  readonly network: Network;
  readonly sidecar: SidecarOptions;
  /** The environment of this process. */
  readonly env: Env;
  /** The folder in which containers run. */
  readonly cwd: string;
};

/** What one pod is. */
export type PodIdentity = {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly owners: Metadata["ownerReferences"];
  readonly spec: PodSpec;
  readonly meshed: boolean;
  /** Listeners of the sidecar through which the outside comes in; only the edge has any. */
  readonly entrances?: readonly Original[];
};

/** How long endpoints may be sent requests after their removal was announced. */
const LAME_DUCK_MS = 300;
const CONFIG_RETRY_MS = 5000;
const SIDECAR_GRACE_MS = 10_000;

export class Pod {
  readonly identity: PodIdentity;
  readonly uid = randomUUID();
  /** Reached its end of life, and leaves nothing behind. */
  readonly gone: Promise<void>;
  readonly #options: PodOptions;
  readonly #changed: (pod: Pod) => void;
  readonly #createdMs: number;
  #vanish!: () => void;
  #network: Attachment | undefined;
  #sidecar: Container | undefined;
  #init: Container[] = [];
  #apps: Container[] = [];
  #problem: { reason: string; message: string } | undefined;
  #deletedMs: number | undefined;
  #opening: Promise<void> | undefined;
  #opened = false;
  #wake: (() => void) | undefined;

  /** Calls `changed` whenever its resource would read differently. */
  constructor(identity: PodIdentity, options: PodOptions, changed: (pod: Pod) => void) {
    this.identity = identity;
    this.#options = options;
    this.#changed = changed;
    this.#createdMs = options.clock.wall();
    this.gone = new Promise((resolve) => (this.#vanish = resolve));
  }

  get key(): string {
    return `${this.identity.namespace}/${this.identity.name}`;
  }

  get deleted(): boolean {
    return this.#deletedMs !== undefined;
  }

  get ready(): boolean {
    return !this.deleted && this.#problem === undefined && this.#isReady();
  }

  /** The end of a pod that is not restarted for ever. */
  get phase(): "Pending" | "Running" | "Succeeded" | "Failed" {
    const ends = this.#apps.map((app) => app.ended);
    if (this.#init.some((c) => c.ended && c.ended.code !== 0)) return "Failed";
    if (ends.length > 0 && ends.every((end) => end !== undefined)) {
      return ends.every((end) => end.code === 0) ? "Succeeded" : "Failed";
    }
    return this.#opened ? "Running" : "Pending";
  }

  container(name: string): Container | undefined {
    return this.#all().find((each) => each.plan.spec.name === name);
  }

  /** Starts it. Mistakes in its template become its status, and are tried again. */
  start(): Promise<void> {
    this.#opening ??= this.#start();
    return this.#opening;
  }

  async #start(): Promise<void> {
    while (!this.deleted) {
      try {
        await this.#open();
        return;
      } catch (error) {
        if (this.deleted) return;
        this.#problem = {
          reason: "CreateContainerConfigError",
          message: Fault.from(error).message,
        };
        this.#changed(this);
        await this.#sleep(CONFIG_RETRY_MS);
      }
    }
  }

  /** Ends it in order: its endpoint goes first, then its containers, then its sidecar. */
  async stop(): Promise<void> {
    if (this.deleted) return this.gone;
    const wasReady = this.ready;
    this.#deletedMs = this.#options.clock.wall();
    this.#wake?.();
    this.#changed(this);
    const { namespace, name, spec } = this.identity;
    await this.#opening;
    if (wasReady) await this.#sleep(LAME_DUCK_MS);
    const graceMs = spec.terminationGracePeriodSeconds * 1000;
    await Promise.all([...this.#apps, ...this.#init].map((each) => each.stop(graceMs)));
    await this.#sidecar?.stop(SIDECAR_GRACE_MS);
    await this.#network?.close();
    rmSync(this.#options.state.pod(namespace, name), { recursive: true, force: true });
    this.#vanish();
    this.#changed(this);
  }

  /** Writes a fresh token for the sidecar. */
  refreshToken(): void {
    const { namespace, name, spec } = this.identity;
    const token = this.#options.tokens.issue({
      namespace,
      serviceAccount: spec.serviceAccountName,
    });
    this.#options.state.write(`${this.#options.state.pod(namespace, name)}/token`, token);
  }

  async #open(): Promise<void> {
    const { identity, facts } = this;
    const { network, store } = this.#options;
    const { namespace, name, meshed, spec } = identity;
    const texts = textsOf(spec, store, namespace);
    const { annotations, entrances = [] } = identity;
    const wanted = { namespace, name, meshed, texts, annotations, entrances };
    this.#network ??= await network.attach(wanted);
    const place = this.#network;
    if (this.deleted) return;
    // Every command is worked out before the first one runs.
    const plan = (each: Spec, restart: "Always" | "OnFailure" | "Never"): Container => {
      return this.#container(each, commandOf(each, facts, place, this.#options), restart);
    };
    const policy = spec.restartPolicy ?? "Always";
    const init = spec.initContainers.map((each) =>
      plan(each, each.restartPolicy ?? (policy === "Never" ? "Never" : "OnFailure")),
    );
    const apps = spec.containers
      .filter((each) => each.name !== SIDECAR)
      .map((each) => plan(each, each.restartPolicy ?? policy));
    const sidecar = meshed ? this.#planSidecar(place) : undefined;
    this.#problem = undefined;
    this.#init = init;
    this.#apps = apps;
    this.#sidecar = sidecar;
    sidecar?.start();
    if (sidecar) await this.#until(() => sidecar.ready);
    for (const each of this.#init) await this.#runInit(each);
    for (const app of this.#apps) app.start();
    this.#opened = true;
    this.#changed(this);
  }

  #planSidecar(place: Attachment): Container {
    const { state, sidecar } = this.#options;
    const { namespace, name } = this.identity;
    this.refreshToken();
    const dir = state.pod(namespace, name);
    state.write(`${dir}/identity/.keep`, "");
    const env = sidecarEnv(sidecar, this.facts, place, dir, this.#options.env);
    const argv = place.beside(sidecar.argv);
    return this.#container(sidecarSpec(), { argv, env, cwd: this.#options.cwd }, "Always");
  }

  // A native sidecar (restartPolicy Always) goes on beside the others; any other has to end well.
  async #runInit(container: Container): Promise<void> {
    container.start();
    const native = container.plan.spec.restartPolicy === "Always";
    await this.#until(() => (native ? container.started : container.ended?.code === 0));
  }

  #container(
    spec: Spec,
    command: { argv: readonly string[]; env: Readonly<Record<string, string>>; cwd: string },
    restart: "Always" | "OnFailure" | "Never",
  ): Container {
    const { clock, state } = this.#options;
    const { namespace, name } = this.identity;
    const log = new Log(state.log(namespace, name, spec.name));
    const { ip, listens } = this.#network!;
    const plan = { spec, ...command, ip, restart, log, ...(listens && { listens }) };
    return new Container(plan, clock, () => {
      this.#wake?.();
      this.#changed(this);
    });
  }

  get facts(): PodFacts {
    const { namespace, name, labels, spec } = this.identity;
    const annotations = { ...this.identity.annotations, ...this.#network?.annotations };
    return { namespace, name, uid: this.uid, nodeName: NODE, labels, annotations, spec };
  }

  /** The pod as Kubernetes would show it. */
  get resource(): PodResource {
    return podResource({
      facts: this.facts,
      owners: this.identity.owners,
      createdMs: this.#createdMs,
      deletedMs: this.#deletedMs,
      ip: this.#network?.ip,
      phase: this.phase,
      opened: this.#opened,
      ready: this.ready,
      problem: this.#problem,
      init: this.#init,
      apps: this.#apps,
      sidecar: this.#sidecar,
    });
  }

  #isReady(): boolean {
    const { meshed } = this.identity;
    if (meshed && this.#sidecar?.ready !== true) return false;
    return this.#opened && this.#apps.every((app) => app.ready);
  }

  #all(): Container[] {
    return [...this.#init, ...this.#apps, ...(this.#sidecar ? [this.#sidecar] : [])];
  }

  // Waits for a container to get somewhere; for ever, unless the pod is deleted.
  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.deleted) throw new Fault("closed", "the pod was deleted while it started");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      if (!this.deleted) {
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      }
    });
  }
}
