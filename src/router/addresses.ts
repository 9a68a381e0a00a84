// The addresses of a bound name as targets of a balancer. An address that stays as it was keeps its object, and so its
// endpoint with all connections.

import type { Watch } from "../base/watch.ts";
import type { Addr, Address, Meta } from "../name/addr.ts";
import type { Target } from "../stack/endpoint.ts";

export type EndpointAddress = Target & {
  /** The Host to send in place of the client's; a namer may ask for it (Consul's `setHost`). */
  readonly authority: string | undefined;
};

/** The targets by `ip:port`; none when the name leads nowhere. */
export function watchAddresses(addr: Watch<Addr>): Watch<ReadonlyMap<string, EndpointAddress>> {
  let before: ReadonlyMap<string, EndpointAddress> = new Map();
  return addr.map((found) => {
    const now = new Map<string, EndpointAddress>();
    if (found.kind === "bound") {
      for (const one of found.addresses) {
        const key = `${one.ip}:${one.port}`;
        const next = targetOf(one, found.meta);
        const old = before.get(key);
        now.set(key, old !== undefined && isSame(old, next) ? old : next);
      }
    }
    return (before = now);
  });
}

function targetOf({ ip, port, weight, meta }: Address, setMeta: Meta): EndpointAddress {
  const { authority } = { ...setMeta, ...meta };
  return { ip, port, weight, labels: meta, authority };
}

function isSame(a: EndpointAddress, b: EndpointAddress): boolean {
  return (
    a.weight === b.weight &&
    a.authority === b.authority &&
    JSON.stringify(a.labels) === JSON.stringify(b.labels)
  );
}
