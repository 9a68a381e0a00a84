// The transport header of an accepted connection: the first bytes inside TLS, read before anything else.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Conn } from "../io/conn.ts";
import { decodeTransportHeader, type TransportHeader } from "../wire/transportheader.ts";

/** The header and the bytes that came with it. Rejects when there is none within `timeoutMs`. */
export function readTransportHeader(
  conn: Conn,
  timeoutMs: number,
  clock: Clock,
): Promise<{ header: TransportHeader; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const fail = (why: string): void => {
      timer.cancel();
      reject(new Fault("protocol", `no transport header: ${why}`, { side: "client" }));
    };
    const timer = clock.after(timeoutMs, () => fail(`nothing within ${timeoutMs} ms`));
    conn.start({
      read(chunk) {
        bytes = Buffer.concat([bytes, chunk]);
        try {
          const read = decodeTransportHeader(bytes);
          if (read === undefined) return;
          timer.cancel();
          conn.stop();
          resolve({ header: read.header, rest: bytes.subarray(read.size) });
        } catch (error) {
          timer.cancel();
          reject(Fault.from(error));
        }
      },
      end: () => fail("the client ended the connection"),
      closed: () => fail("the client went away"),
      drained: () => {},
    });
  });
}
