// The edge: one more sidecar, with an identity of its own, through which browsers and curl enter the mesh.
// For every service that is to be published it listens on 127.0.0.1, on the wanted port or the next free one.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { Close } from "../base/watch.ts";
import { Var } from "../base/watch.ts";
import { forward } from "./forward.ts";
import type { Service } from "./kinds.ts";
import { keyOf } from "./kinds.ts";
import type { Published } from "./mesh.ts";
import type { PodOptions } from "./pod.ts";
import { Pod } from "./pod.ts";
import { CONTROL_NAMESPACE, meshLabels } from "./sidecar.ts";

const PUBLISH = "local.linkerd.io/publish";
const HOST = "127.0.0.1";
const NAME = "ingress";

export type EdgeOptions = PodOptions & {
  readonly meshed: boolean;
  /** Ports to publish besides what the services themselves ask for, by "namespace/name". */
  readonly publish: Readonly<Record<string, number>>;
};

export class Edge {
  readonly published = new Var<readonly Published[]>([]);
  readonly #options: EdgeOptions;
  #pod: Pod | undefined;
  #forwards: Close[] = [];
  #key = "";
  #turn: Promise<void> = Promise.resolve();
  #count = 0;
  #closed = false;

  constructor(options: EdgeOptions) {
    this.#options = options;
  }

  /** Brings what is published in line with the services; restarts the sidecar only when that changes. */
  reconcile(): void {
    const wanted = [...this.#options.store.all("Service").values()].flatMap((service) =>
      this.#wantedPorts(service),
    );
    const key = JSON.stringify(wanted);
    if (key === this.#key || this.#closed) return;
    this.#key = key;
    this.#turn = this.#turn
      .then(() => this.#open(wanted))
      .catch((thrown: unknown) => {
        // The next change of a service tries again.
        if (this.#key === key) this.#key = "";
        const error = Fault.from(thrown);
        log.logger("platform::edge").warn("cannot publish services", { error });
      });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    await this.#halt();
  }

  // The pod of the edge, for logs and tokens.
  get pod(): Pod | undefined {
    return this.#pod;
  }

  async #open(wanted: readonly Wanted[]): Promise<void> {
    await this.#halt();
    if (this.#closed || wanted.length === 0) return this.published.set([]);
    const published: (Published & { readonly original: string })[] = [];
    const taken = new Set<number>();
    for (const { service, port, publish, clusterIP } of wanted) {
      const free = await freePort(publish, taken, (each) => this.#options.network.isFree(each));
      taken.add(free);
      const address = `${HOST}:${free}`;
      published.push({ service, port, address, original: `${clusterIP}:${port}` });
    }
    if (this.#options.meshed) this.#startPod(published);
    else {
      for (const { service, port, address } of published) {
        const way = { listen: address, target: { service, port } };
        this.#forwards.push(await forward(this.#options.store, way, HOST));
      }
    }
    this.published.set(published.map(({ service, port, address }) => ({ service, port, address })));
  }

  #startPod(published: readonly (Published & { readonly original: string })[]): void {
    const { store } = this.#options;
    const owner = { kind: "Deployment", name: NAME };
    this.#pod = new Pod(
      {
        namespace: CONTROL_NAMESPACE,
        name: `${NAME}-${++this.#count}`,
        labels: { app: NAME, ...meshLabels(CONTROL_NAMESPACE, owner) },
        annotations: {},
        owners: [{ ...owner, uid: "" }],
        spec: {
          containers: [],
          initContainers: [],
          serviceAccountName: NAME,
          terminationGracePeriodSeconds: 5,
        },
        meshed: true,
        entrances: published.map(({ address, original }) => [address, original] as const),
      },
      this.#options,
      (pod) => {
        if (pod === this.#pod) store.put(pod.resource);
      },
    );
    store.put(this.#pod.resource);
    void this.#pod.start();
  }

  async #halt(): Promise<void> {
    for (const close of this.#forwards.splice(0)) close();
    const pod = this.#pod;
    await pod?.stop();
    this.#pod = undefined;
    if (pod) this.#options.store.remove("Pod", pod.key);
  }

  #wantedPorts(service: Service): Wanted[] {
    const { metadata, spec } = service;
    const asked = this.#options.publish[keyOf(service)] ?? metadata.annotations[PUBLISH];
    const exposed = spec.type === "LoadBalancer" || spec.type === "NodePort";
    if (asked === undefined && !exposed) return [];
    if (spec.clusterIP === undefined || spec.clusterIP === "None") return [];
    const { clusterIP } = spec;
    const first = Number(asked);
    return spec.ports
      .filter(({ protocol }) => protocol === "TCP")
      .map(({ port, nodePort }, i) => {
        const publish = first > 0 ? first + i : (nodePort ?? unprivileged(port));
        return { service: keyOf(service), port, publish, clusterIP };
      });
  }
}

type Wanted = {
  readonly service: string;
  readonly port: number;
  readonly publish: number;
  readonly clusterIP: string;
};

// 80 becomes 8080 and 443 becomes 8443.
const unprivileged = (port: number): number => (port < 1024 ? 8000 + port : port);

async function freePort(
  wanted: number,
  taken: ReadonlySet<number>,
  isFree: (port: number) => Promise<boolean>,
): Promise<number> {
  for (let port = wanted; port < wanted + 1000 && port < 65_536; port++) {
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  return wanted;
}
