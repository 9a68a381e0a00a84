// Hosts: names and numbers of machines as watched address sets, looked up by the system's resolver.
// An unknown host is an absent set; a resolver that does not answer keeps the last good one.

import { lookup, Resolver } from "node:dns/promises";
import type { Clock } from "../base/clock.ts";
import { combine, constant, type Watch } from "../base/watch.ts";
import { ipFamily } from "../io/ip.ts";
import { absent, address, type Addr, boundAddr, type Meta } from "./addr.ts";
import { type Knowledge, remembered } from "./knowledge.ts";
import { poll } from "./poll.ts";

/** How often hosts are looked up again, in milliseconds. */
const refreshMs = 5000;

/** Questions to DNS; both reject with Node's error codes. */
export interface Dns {
  /** All addresses of a host. */
  lookup(host: string): Promise<string[]>;
  /** The SRV records of a name, asked of `servers` or else of the system's. */
  srv(name: string, servers: readonly string[]): Promise<{ name: string; port: number }[]>;
}

/** What namers need of the outside world. */
export type Network = {
  readonly clock: Clock;
  readonly dns: Dns;
  /** Keeps what DNS said, where it is. */
  readonly knowledge?: Knowledge;
};

/** One endpoint whose host may still be a name. */
export type Endpoint = {
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly meta?: Meta;
};

/** The resolver of the machine. */
export const systemDns: Dns = {
  lookup: async (host) => (await lookup(host, { all: true })).map((found) => found.address),
  srv(name, servers) {
    const resolver = new Resolver();
    if (servers.length > 0) resolver.setServers(servers);
    return resolver.resolveSrv(name);
  },
};

/** The numeric form of an address, if it is one; `127.1` is `127.0.0.1`, as in all of Linkerd's examples. */
export function numericIp(host: string): string | undefined {
  if (ipFamily(host)) return host;
  if (!/^\d{1,10}(\.\d{1,10}){0,3}$/.test(host)) return undefined;
  const parts = host.split(".").map(Number);
  const last = parts.pop()!;
  const room = 4 - parts.length;
  if (parts.some((part) => part > 255) || last >= 256 ** room) return undefined;
  const tail = Array.from(
    { length: room },
    (_, i) => Math.floor(last / 256 ** (room - 1 - i)) % 256,
  );
  return [...parts, ...tail].join(".");
}

/** The addresses of a host, sorted; none when DNS says that there is no such host. */
function watchHost(host: string, network: Network): Watch<readonly string[]> {
  const ip = numericIp(host);
  if (ip !== undefined) return constant([ip]);
  const { clock, dns } = network;
  const found = poll(clock, refreshMs, () => resolveHost(host, dns));
  return remembered(
    network,
    `host ${host}`,
    found.distinct((a, b) => a.join() === b.join()),
  );
}

/** The addresses of a host as they are now, sorted. */
export async function resolveHost(host: string, dns: Dns): Promise<readonly string[]> {
  try {
    return (await dns.lookup(host)).sort();
  } catch (error) {
    if (isUnknownHost(error)) return [];
    throw error;
  }
}

/** Whether a resolver's error says that the name does not exist, and not that it could not be asked. */
export function isUnknownHost(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOTFOUND" || code === "ENODATA";
}

/** The address set of one host and port; absent when the host is unknown. */
export function watchInet(host: string, port: number, network: Network): Watch<Addr> {
  return watchHost(host, network).map((ips) => inetAddr(ips, port));
}

/** The set of these addresses at one port; absent when there are none. */
export function inetAddr(ips: readonly string[], port: number): Addr {
  return ips.length === 0 ? absent : boundAddr(ips.map((ip) => address(ip, port)));
}

/** The address set of many endpoints, hosts looked up; an unknown host among them has no address. */
export function watchEndpoints(endpoints: readonly Endpoint[], network: Network): Watch<Addr> {
  const hosts = [...new Set(endpoints.map((endpoint) => endpoint.host))];
  return combine(hosts.map((host) => watchHost(host, network))).map((found) => {
    const ips = new Map(hosts.map((host, i) => [host, found[i]!]));
    return boundAddr(
      endpoints.flatMap(({ host, port, weight, meta }) =>
        ips.get(host)!.map((ip) => address(ip, port, weight, meta)),
      ),
    );
  });
}
