// Dialling: a TCP connection to an address, within a time.

import { connect } from "node:net";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Conn, type SocketAddr } from "./conn.ts";
import { limitUnacknowledged } from "./sockopt.ts";

export type DialOptions = {
  readonly clock: Clock;
  /** For the handshake of TCP. */
  readonly timeoutMs: number;
  /** Idle time before the kernel probes; no probes when absent. */
  readonly keepAliveMs?: number;
  /** How long what was sent may stay unacknowledged, in milliseconds (TCP_USER_TIMEOUT); the kernel decides when absent. */
  readonly userTimeoutMs?: number;
  /** The address to dial from; the kernel chooses when absent. */
  readonly from?: string;
};

/** Connects to `addr`. Rejects with `connect-timeout` or `connect-failed`, naming the address. */
export function dial(addr: SocketAddr, options: DialOptions): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const { keepAliveMs, userTimeoutMs, from } = options;
    const socket = connect({
      host: addr.ip,
      port: addr.port,
      noDelay: true,
      allowHalfOpen: true,
      ...(from === undefined ? {} : { localAddress: from }),
      ...(keepAliveMs === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAliveMs }),
    });
    const timer = options.clock.after(options.timeoutMs, () => {
      socket.destroy();
      const message = `connecting to ${addr.ip}:${addr.port} took longer than ${options.timeoutMs} ms`;
      reject(new Fault("connect-timeout", message, { side: "upstream" }));
    });
    const failed = (error: NodeJS.ErrnoException): void => {
      timer.cancel();
      const why = error.code === "ECONNREFUSED" ? "connection refused" : error.message;
      const message = `connecting to ${addr.ip}:${addr.port} failed: ${why}`;
      reject(new Fault("connect-failed", message, { side: "upstream", cause: error }));
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      timer.cancel();
      socket.off("error", failed);
      if (userTimeoutMs !== undefined) limitUnacknowledged(socket, userTimeoutMs);
      const local = { ip: socket.localAddress ?? "", port: socket.localPort ?? 0 };
      const tls = { kind: "no_identity", reason: "disabled" } as const;
      resolve(new Conn(socket, { remote: addr, local, original: addr, tls }));
    });
  });
}
