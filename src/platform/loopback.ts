// The network without privileges: each pod has an address 127.80.x.y of its own, and for every port of a
// service that its manifest names an address 127.112.x.y:4140, at which its sidecar listens. Names in its
// environment and arguments are replaced by those addresses; it learns its own from HOST.

import { Addresses } from "./addresses.ts";
import { forward } from "./forward.ts";
import type { Target } from "./mentions.ts";
import { mentions, replaceMentions } from "./mentions.ts";
import type { Attachment, Listener, Network, PodPlace } from "./network.ts";
import type { Store } from "./store.ts";
import { servicePorts } from "./slices.ts";

export const OUTBOUND_PORT = 4140;

export class Loopback implements Network {
  readonly #store: Store;
  readonly #pods: Addresses;
  readonly #services: Addresses;
  readonly #listeners: Addresses;

  constructor(store: Store, mesh: number) {
    this.#store = store;
    this.#pods = new Addresses(80, mesh);
    this.#services = new Addresses(96, mesh);
    this.#listeners = new Addresses(112, mesh);
  }

  serviceIp(): string {
    return this.#services.take();
  }

  async attach(pod: PodPlace): Promise<Attachment> {
    const services = servicePorts(this.#store.all("Service"));
    const ip = this.#pods.take();
    const listeners = mentions(pod.texts, pod.namespace, services).map((target): Listener => {
      return { listen: `${this.#listeners.take()}:${OUTBOUND_PORT}`, target };
    });
    const forwards = pod.meshed
      ? []
      : await Promise.all(listeners.map((listener) => forward(this.#store, listener, ip)));
    const address = ({ service, port }: Target): string =>
      listeners.find(({ target }) => target.service === service && target.port === port)!.listen;
    return {
      ip,
      listeners,
      env: {
        HOST: ip,
        ...(pod.meshed && { LINKERD_HTTP_PROXY: `http://${ip}:${OUTBOUND_PORT}` }),
      },
      rewrite: (text) => replaceMentions(text, pod.namespace, services, address),
      within: (argv) => argv,
      close: async () => {
        for (const close of forwards) close();
        for (const { listen } of listeners) this.#listeners.give(listen.split(":")[0]!);
        this.#pods.give(ip);
      },
    };
  }
}
