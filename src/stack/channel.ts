// One plaintext HTTP/2 connection to a server, made when it is needed and made again when it broke. For tools that
// ask a few things of one address; whoever has many endpoints uses a balancer.

import type { Clock } from "../base/clock.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { dial } from "../io/dial.ts";
import { H2Client } from "../io/h2client.ts";
import type { HttpService } from "./types.ts";

export type Channel = { readonly service: HttpService; readonly close: () => void };

const CONNECT_MS = 3000;

/** The HTTP service of whoever listens on `addr`, in what `secure` makes of the connection; rejects with the dial's fault when nobody does. */
export function openChannel(
  addr: SocketAddr,
  clock: Clock,
  secure: (conn: Conn) => Promise<Conn> = async (conn) => conn,
): Channel {
  let client: Promise<H2Client> | undefined;
  let closed = false;
  const connect = (): Promise<H2Client> => {
    const dialled = dial(addr, { clock, timeoutMs: CONNECT_MS })
      .then(secure)
      .then((conn) => {
        const made = new H2Client(conn, { clock });
        if (closed) made.close();
        void made.done.then(() => {
          if (client === dialled) client = undefined;
        });
        return made;
      });
    dialled.catch(() => {
      if (client === dialled) client = undefined;
    });
    return dialled;
  };
  return {
    service: async (req) => (await (client ??= connect())).request(req),
    close: () => {
      closed = true;
      void client?.then(
        (open) => open.close(),
        () => {},
      );
    },
  };
}
