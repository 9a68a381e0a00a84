// One plaintext HTTP/2 connection to a server, made when it is needed and made again when it broke. For tools that
// ask a few things of one address; whoever has many endpoints uses a balancer.

import type { Clock } from "../base/clock.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { dial } from "../io/dial.ts";
import { H2Client } from "../io/h2client.ts";
import { Multiplexed } from "./connect.ts";
import type { HttpService } from "./types.ts";

export type Channel = { readonly service: HttpService; readonly close: () => void };

const CONNECT_MS = 3000;

/** The HTTP service of whoever listens on `addr`, in what `secure` makes of the connection; rejects with the dial's fault when nobody does. */
export function openChannel(
  addr: SocketAddr,
  clock: Clock,
  secure: (conn: Conn) => Promise<Conn> = async (conn) => conn,
): Channel {
  const channel = new Multiplexed(async () => {
    const conn = await secure(await dial(addr, { clock, timeoutMs: CONNECT_MS }));
    return new H2Client(conn, { clock });
  });
  return { service: channel.service, close: () => channel.close() };
}
