// Dialling an address for a router: TCP, the options of the socket, and TLS where the client's settings want it.

import type { Clock } from "../base/clock.ts";
import type { Watch } from "../base/watch.ts";
import type { CertClient } from "../io/certtls.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { dial } from "../io/dial.ts";
import type { Dial } from "../stack/connect.ts";
import type { SocketOptions } from "./routerconfig.ts";
import { tuneSocket } from "./sockets.ts";
import { loadCerts } from "./tlsfiles.ts";

export type RouterDialOptions = {
  /** Somebody observes it for as long as is dialled. */
  readonly tls: Watch<CertClient> | undefined;
  readonly socketOptions: SocketOptions;
  readonly clock: Clock;
  /** Protocols to negotiate in TLS. */
  readonly alpn: readonly string[] | undefined;
};

const CONNECT_TIMEOUT_MS = 1000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** The dial of an address. Rejects with the fault of whatever failed. */
export function dialAddress({ ip, port }: SocketAddr, options: RouterDialOptions): Dial<Conn> {
  const { tls, socketOptions, clock, alpn } = options;
  const plain: Dial<Conn> = async () => {
    const conn = await dial({ ip, port }, { clock, timeoutMs: CONNECT_TIMEOUT_MS });
    tuneSocket(conn, socketOptions, clock);
    return conn;
  };
  if (tls === undefined) return plain;
  const tlsOptions = { clock, timeoutMs: HANDSHAKE_TIMEOUT_MS, ...(alpn ? { alpn } : {}) };
  return async () => {
    const [conn, secure, { startCerts }] = await Promise.all([plain(), tls.next(), loadCerts()]);
    return startCerts(conn, secure, tlsOptions);
  };
}
