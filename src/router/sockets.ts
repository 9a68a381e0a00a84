// The options of sockets that a file may set, put on connections: small packets, keep-alive, silence in one direction.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Conn } from "../io/conn.ts";
import type { ListenOptions } from "../io/listen.ts";
import type { SocketOptions } from "./routerconfig.ts";

// Looks for silence so often in the time that is allowed.
const LOOKS = 4;

/** What of `options` concerns a socket that listens. */
export function listenOptions({ backlog, reusePort }: SocketOptions): ListenOptions {
  return { reusePort, ...(backlog !== undefined && { backlog }) };
}

/** Sets `options` on a connection. */
export function tuneSocket(conn: Conn, options: SocketOptions, clock: Clock): void {
  const { noDelay, keepAlive, readTimeoutMs, writeTimeoutMs } = options;
  if (!noDelay) conn.socket.setNoDelay(false);
  if (keepAlive !== undefined) conn.socket.setKeepAlive(keepAlive);
  if (readTimeoutMs) endSilence(conn, "readBytes", readTimeoutMs, clock);
  if (writeTimeoutMs) endSilence(conn, "writtenBytes", writeTimeoutMs, clock);
}

function endSilence(
  conn: Conn,
  bytes: "readBytes" | "writtenBytes",
  allowedMs: number,
  clock: Clock,
): void {
  let passed = conn[bytes];
  let still = 0;
  const look = clock.every(allowedMs / LOOKS, () => {
    if (conn.closed) return look.cancel();
    // Nothing to write is not a write that takes too long.
    const idle = conn[bytes] === passed && (bytes === "readBytes" || conn.full);
    still = idle ? still + 1 : 0;
    passed = conn[bytes];
    if (still < LOOKS) return;
    look.cancel();
    const what = bytes === "readBytes" ? "arrived" : "could be written";
    conn.destroy(new Fault("io", `nothing ${what} for ${allowedMs} ms`, { side: "upstream" }));
  });
}
