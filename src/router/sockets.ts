// Connections as a file wants them: small packets, keep-alive, an end after silence in one direction; and those that
// were accepted, from their first byte to their last.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Conn, ConnService } from "../io/conn.ts";
import type { ListenOptions } from "../io/listen.ts";
import type { SocketOptions } from "./routerconfig.ts";
import type { Linker } from "./routerparts.ts";

// Looks for silence so often in the time that is allowed.
const LOOKS = 4;

/** What of `options` concerns a socket that listens. */
export function listenOptions({ backlog, reusePort }: SocketOptions): ListenOptions {
  return { reusePort, ...(backlog !== undefined && { backlog }) };
}

/** Serves a connection that was accepted. What fails ends it and is told to the log: nobody else hears of it. */
export function serveAccepted(
  conn: Conn,
  options: SocketOptions,
  { serving, clock, logger }: Linker,
  serve: ConnService,
): void {
  tuneSocket(conn, options, clock);
  const served = serve(conn).catch((thrown: unknown) => {
    const fault = Fault.from(thrown);
    logger.debug("Connection failed", { error: fault, client: conn.peer.remote.ip });
    conn.reset(fault);
  });
  void serving.track(conn, served);
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
