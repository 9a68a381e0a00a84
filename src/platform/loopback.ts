// The network without privileges: each pod has an address 127.80.x.y of its own, and for every port of a
// service that its manifest names an address 127.112.x.y:4140, at which its sidecar listens. Names in its
// environment and arguments are replaced by those addresses; it learns its own from HOST. A program that
// asks for a proxy itself finds one in LINKERD_HTTP_PROXY.

import { Addresses } from "./addresses.ts";
import { forward } from "./forward.ts";
import type { Target } from "./mentions.ts";
import { mentions, replaceMentions } from "./mentions.ts";
import type { Attachment, Listener, Network, Original, PodPlace } from "./network.ts";
import { NAMES } from "./network.ts";
import { isFree } from "./relay.ts";
import { PORTS } from "./sidecar.ts";
import { servicePorts } from "./slices.ts";
import type { Store } from "./store.ts";

export class Loopback implements Network {
  readonly #store: Store;
  readonly #pods: Addresses;
  readonly #services: Addresses;
  readonly #listeners: Addresses;

  constructor(store: Store, mesh: number) {
    this.#store = store;
    this.#pods = Addresses.loopback(80, mesh);
    this.#services = Addresses.loopback(96, mesh);
    this.#listeners = Addresses.loopback(112, mesh);
  }

  serviceIp(): string {
    return this.#services.take();
  }

  isFree(port: number): Promise<boolean> {
    return isFree(port);
  }

  async attach(pod: PodPlace): Promise<Attachment> {
    const services = servicePorts(this.#store.all("Service"));
    const ip = this.#pods.take();
    const listeners = mentions(pod.texts, pod.namespace, services).map((target): Listener => {
      return { listen: `${this.#listeners.take()}:${PORTS.outbound}`, target };
    });
    const forwards = pod.meshed
      ? []
      : await Promise.all(listeners.map((listener) => forward(this.#store, listener, ip)));
    const address = ({ service, port }: Target): string =>
      listeners.find(({ target }) => target.service === service && target.port === port)!.listen;
    const originals = listeners.map(({ listen, target }): Original => {
      const clusterIp = this.#store.get("Service", target.service)?.spec.clusterIP;
      return [listen, `${clusterIp ?? "0.0.0.0"}:${target.port}`];
    });
    return {
      ip,
      env: {
        HOST: ip,
        ...(pod.meshed && { LINKERD_HTTP_PROXY: `http://${ip}:${PORTS.outbound}` }),
      },
      annotations: { [NAMES]: listeners.map(printName).join(",") },
      sidecar: loopbackVariables(ip, [...originals, ...pod.entrances]),
      rewrite: (text) => replaceMentions(text, pod.namespace, services, address),
      within: (argv) => argv,
      beside: (argv) => argv,
      close: async () => {
        for (const close of forwards) close();
        for (const { listen } of listeners) this.#listeners.give(listen.split(":")[0]!);
        this.#pods.give(ip);
      },
    };
  }
}

// Clients leave out the port 80, as in the names that they are given.
function printName({ listen, target: { service, port } }: Listener): string {
  const [namespace, name] = service.split("/");
  return `${listen}=${name}.${namespace}${port === 80 ? "" : `:${port}`}`;
}

/** The variables of a sidecar to which nothing is redirected: every listener knows what it stands for. */
export function loopbackVariables(
  ip: string,
  originals: readonly Original[],
): Record<string, string> {
  return {
    LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${ip}:${PORTS.inbound}`,
    LINKERD2_PROXY_CONTROL_LISTEN_ADDR: `${ip}:${PORTS.tap}`,
    LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `${ip}:${PORTS.admin}`,
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: originals.map(([listen]) => listen).join(","),
    LINKERD_PROXY_OUTBOUND_ORIGINALS: originals.map((pair) => pair.join("=")).join(","),
    LINKERD_PROXY_INBOUND_ORIGINAL_IP: ip,
    LINKERD_PROXY_HTTP_PROXY_ADDR: `${ip}:${PORTS.outbound}`,
  };
}
