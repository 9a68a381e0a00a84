// The kube-proxy of a mesh that has a network of its own: every service's address answers, for pods that have
// no sidecar to balance for them.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { Close } from "../base/watch.ts";
import { forward } from "./forward.ts";
import type { Store } from "./store.ts";

export class ServiceProxy {
  readonly #store: Store;
  readonly #sourceIp: string;
  readonly #shell: (script: string) => Promise<void>;
  readonly #open = new Map<string, Close>();
  readonly #observation: Close;
  #turn: Promise<void> = Promise.resolve();

  /** Follows the services of `store`; calls leave from `sourceIp`. */
  constructor(store: Store, sourceIp: string, shell: (script: string) => Promise<void>) {
    this.#store = store;
    this.#sourceIp = sourceIp;
    this.#shell = shell;
    this.#observation = store.watch("Service").each(() => {
      this.#turn = this.#turn
        .then(() => this.#follow())
        .catch((thrown: unknown) => {
          // The next change of a service tries again.
          const error = Fault.from(thrown);
          log.logger("platform::services").warn("cannot serve addresses of services", { error });
        });
    });
  }

  async close(): Promise<void> {
    this.#observation();
    await this.#turn;
    for (const close of this.#open.values()) close();
  }

  // One address for a service, one listener for each of its ports.
  async #follow(): Promise<void> {
    const wanted = new Set<string>();
    for (const [service, { spec }] of this.#store.all("Service")) {
      if (!spec.clusterIP || spec.clusterIP === "None") continue;
      for (const { port, protocol } of spec.ports) {
        const listen = `${spec.clusterIP}:${port}`;
        if (protocol !== "TCP") continue;
        wanted.add(listen);
        if (this.#open.has(listen)) continue;
        await this.#shell(`ip addr replace ${spec.clusterIP}/32 dev lo`);
        const target = { service, port };
        this.#open.set(listen, await forward(this.#store, { listen, target }, this.#sourceIp));
      }
    }
    for (const [listen, close] of this.#open) {
      if (wanted.has(listen)) continue;
      close();
      this.#open.delete(listen);
    }
  }
}
