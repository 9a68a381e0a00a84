// Addresses of a destination: one WeightedAddr translated, and the set that a stream of updates adds up to.
// The first message of a stream is the whole truth, so whatever an earlier stream left behind is gone then.

import type { Update, WeightedAddr } from "../../proto/gen/destination_pb.js";
import type { SocketAddr } from "../io/conn.ts";
import { printAddr } from "../stack/normalize.ts";
import { isAuthority } from "../wire/authority.ts";
import { durationMs, invalid, parseTcpAddress } from "./fromproto.ts";
import type { Address, AddressSet } from "./policy.ts";

const NO_LABELS = {};
const DEFAULT_KEEP_ALIVE_TIMEOUT_MS = 3000;

/** An address with its labels and those of its set. */
export function parseAddress(
  wire: WeightedAddr,
  setLabels: Readonly<Record<string, string>> = NO_LABELS,
): Address {
  const { ip, port } = parseTcpAddress(wire.addr, "addr");
  const identity = wire.tlsIdentity;
  const strategy = identity?.strategy;
  const { interval, timeout } = wire.http2?.keepAlive ?? {};
  const authority = wire.authorityOverride?.authorityOverride || undefined;
  if (authority !== undefined && !isAuthority(authority))
    throw invalid("authority_override", `is ${JSON.stringify(authority)}, which is no host`);
  const id = strategy?.case === "dnsLikeIdentity" ? strategy.value.name : strategy?.value?.uri;
  return {
    ip,
    port,
    weight: wire.weight,
    labels: { ...setLabels, ...wire.metricLabels },
    tls: id ? { id, serverName: identity?.serverName?.name || id } : undefined,
    hint: wire.protocolHint?.protocol.case,
    transportPort: wire.protocolHint?.opaqueTransport?.inboundPort || undefined,
    authority,
    keepAlive: interval && {
      intervalMs: durationMs(interval),
      timeoutMs: timeout ? durationMs(timeout) : DEFAULT_KEEP_ALIVE_TIMEOUT_MS,
    },
  };
}

/** The address that `printAddr` printed; undefined for anything else. */
export function parseAddr(key: string): SocketAddr | undefined {
  const [, six, four, port] = /^(?:\[([\da-f:.]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d+)$/.exec(key) ?? [];
  return port === undefined ? undefined : { ip: (six ?? four)!, port: Number(port) };
}

/** Adds up the updates of one stream; `apply` returns the set after the update, a new one each time. */
export class AddressBook {
  #addresses = new Map<string, Address>();

  apply({ update }: Update): AddressSet {
    const next = new Map(this.#addresses);
    if (update.case === "add") {
      for (const wire of update.value.addrs) {
        const address = parseAddress(wire, update.value.metricLabels);
        const key = printAddr(address);
        const known = next.get(key);
        // An address that did not change keeps its value, and with it its connections.
        if (known === undefined || !sameAddress(known, address)) next.set(key, address);
      }
    } else if (update.case === "remove") {
      for (const addr of update.value.addrs) {
        next.delete(printAddr(parseTcpAddress(addr, "remove")));
      }
    } else if (update.case === "noEndpoints") {
      next.clear();
    }
    this.#addresses = next;
    return { exists: update.case !== "noEndpoints" || update.value.exists, addresses: next };
  }
}

// Whether two addresses would be dialled, named and weighed alike.
function sameAddress(a: Address, b: Address): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
