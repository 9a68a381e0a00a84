// What a bound name stands for at this moment: a set of addresses, or none.
// The other two answers of Linkerd 1, pending and failed, are the states of the watch around it.

import { known, type State } from "../base/watch.ts";

/** What a namer knows beside the address, such as `authority` (the Host to send) or `nodeName`. */
export type Meta = Readonly<Record<string, string>>;

/** One endpoint. `weight` is its share of the traffic relative to its siblings (1 unless a namer says so). */
export type Address = {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly meta: Meta;
};

/** A set, maybe empty; or `neg`: the name leads nowhere. Neither makes an alternation go on. */
export type Addr =
  | { readonly kind: "bound"; readonly addresses: readonly Address[]; readonly meta: Meta }
  | { readonly kind: "neg" };

/** The shape of an address set in Linkerd's admin and namerd APIs. */
export type AddrJson =
  | {
      type: "bound";
      addrs: { ip: string; port: number; meta: Record<string, string | number> }[];
      meta: Meta;
    }
  | { type: "failed"; cause: string }
  | { type: "neg" }
  | { type: "pending" };

export const absent: Addr = { kind: "neg" };

/** An address with nothing special about it. */
export function address(ip: string, port: number, weight = 1, meta: Meta = {}): Address {
  return { ip, port, weight, meta };
}

/** The set of these addresses. */
export function boundAddr(addresses: readonly Address[], meta: Meta = {}): Addr {
  return { kind: "bound", addresses, meta };
}

/** The same set with other addresses; `absent` stays. */
export function mapAddresses(
  addr: Addr,
  f: (addresses: readonly Address[]) => readonly Address[],
): Addr {
  return addr.kind === "neg" ? addr : { ...addr, addresses: f(addr.addresses) };
}

/** An address set as Linkerd's APIs show it; the last good set stands for a failed one. */
export function addrJson(state: State<Addr>): AddrJson {
  const addr = known(state);
  if (addr?.kind === "neg") return { type: "neg" };
  if (addr) {
    const addrs = addr.addresses.map(({ ip, port, weight, meta }) => ({
      ip,
      port,
      meta: weight === 1 ? meta : { ...meta, endpoint_addr_weight: weight },
    }));
    return { type: "bound", addrs, meta: addr.meta };
  }
  return state.kind === "failed"
    ? { type: "failed", cause: state.fault.message }
    : { type: "pending" };
}
