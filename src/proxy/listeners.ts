// The listeners of a sidecar: which address leads to which server, and what connections there were meant for.

import type { Conn, ConnService, SocketAddr } from "../io/conn.ts";
import { listen, type ListenOptions } from "../io/listen.ts";
import { printAddr } from "../stack/normalize.ts";
import type { Settings } from "./env.ts";
import type { SideSettings } from "./envtable.ts";

/** Bound addresses; ports are the real ones where 0 was asked for. */
export type Addrs = {
  readonly inbound: SocketAddr;
  readonly outbound: readonly SocketAddr[];
  readonly admin: SocketAddr;
  readonly tap: SocketAddr | undefined;
  readonly httpProxy: SocketAddr | undefined;
};

/** What serves the connections of each kind of listener. */
export type Servers = {
  readonly inbound: ConnService;
  readonly outbound: ConnService;
  readonly httpProxy: ConnService;
  readonly admin: ConnService | undefined;
  readonly tap: ConnService | undefined;
};

export type Listeners = {
  readonly addrs: Addrs;
  /** Stops accepting. */
  close(): void;
};

/**
 * Binds the listeners of all that is served; `accept` gets each connection with what serves it. Those of traffic are
 * shared with other threads if `reusePort`; the others tell whoever starts a second proxy that its place is taken.
 * Rejects when one cannot be had.
 */
export async function bindListeners(
  { inbound, outbound, admin, control, own }: Settings,
  servers: Servers,
  accept: (conn: Conn, serve: ConnService) => void,
  reusePort: boolean,
): Promise<Listeners> {
  const closers: (() => void)[] = [];
  const close = (): void => closers.splice(0).forEach((closer) => closer());
  const bind = async (
    addr: SocketAddr,
    options: ListenOptions,
    serve: ConnService,
  ): Promise<SocketAddr> => {
    const listening = await listen(addr, options, (conn) => accept(conn, serve));
    closers.push(() => listening.close());
    return listening.addr;
  };
  // Nobody but the workload dials its outbound side, from whichever loopback address.
  const client = own.inboundIp === undefined ? {} : { client: own.inboundIp };
  // With an address of its own for each listener nothing is redirected; then the kernel need not be asked.
  const redirected = own.inboundIp === undefined ? { original: "kernel" as const } : {};
  const originals = new Map(own.originals.map(([at, original]) => [printAddr(at), original]));
  const listens =
    outbound.listens.length > 0 ? outbound.listens : own.inboundIp ? [] : [outbound.listen];
  try {
    const addrs = {
      admin: servers.admin ? await bind(admin.listen, {}, servers.admin) : admin.listen,
      tap: servers.tap && (await bind(control.listen, {}, servers.tap)),
      inbound: await bind(
        inbound.listen,
        { ...redirected, reusePort, noTls: "no_tls_from_remote", ...socketOptions(inbound) },
        servers.inbound,
      ),
      outbound: await Promise.all(
        listens.map((addr) => {
          const original = originals.get(printAddr(addr)) ?? "kernel";
          const options = {
            original,
            reusePort,
            noTls: "loopback",
            ...client,
            ...socketOptions(outbound),
          } as const;
          return bind(addr, options, servers.outbound);
        }),
      ),
      httpProxy:
        own.httpProxy &&
        (await bind(own.httpProxy, { noTls: "loopback", reusePort }, servers.httpProxy)),
    };
    return { addrs, close };
  } catch (error) {
    close();
    throw error;
  }
}

function socketOptions({
  backlog,
  acceptKeepaliveMs: keepAliveMs,
  acceptUserTimeoutMs: userTimeoutMs,
}: SideSettings) {
  return {
    backlog,
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    ...(userTimeoutMs === undefined ? {} : { userTimeoutMs }),
  };
}
