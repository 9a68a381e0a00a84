// Listening: a bound address whose connections come as Conns that know where they were meant to go.

import { createServer, type Server, type Socket } from "node:net";
import { Fault } from "../base/fault.ts";
import { Conn, type NoTlsReason, type Peer, type SocketAddr } from "./conn.ts";
import { originalDst, type OriginalDst } from "./origdst.ts";
import { limitUnacknowledged } from "./sockopt.ts";

export type ListenOptions = {
  /** What connections were meant for: a fixed address, or `kernel` for what iptables redirected. Default: the listener itself. */
  readonly original?: SocketAddr | "kernel";
  /** The address that clients are known by, for a listener of a workload whose own address they do not use. */
  readonly client?: string;
  /** Why these connections have no TLS until somebody terminates it. Default `disabled`. */
  readonly noTls?: NoTlsReason;
  readonly backlog?: number;
  /** Lets other processes listen on the same port; the kernel spreads connections among them. */
  readonly reusePort?: boolean;
  /** Idle time in milliseconds before the kernel probes; no probes when absent. */
  readonly keepAliveMs?: number;
  /** How long what was sent may stay unacknowledged, in milliseconds (TCP_USER_TIMEOUT); the kernel decides when absent. */
  readonly userTimeoutMs?: number;
  /** What to do about a port that is taken, for the error's sentence. */
  readonly hint?: string;
};

export interface Listening {
  /** The bound address; its port is the real one when 0 was asked for. */
  readonly addr: SocketAddr;
  /** Stops accepting; open connections stay. */
  close(): void;
}

/** Binds `addr` and calls `accept` for each connection. Rejects with a Fault that says what is in the way. */
export function listen(
  addr: SocketAddr,
  options: ListenOptions,
  accept: (conn: Conn) => void,
): Promise<Listening> {
  const original = options.original === "kernel" ? originalDst() : undefined;
  // Connections need not be asked for the address that all of them have.
  let only: SocketAddr | undefined;
  const server = createServer({ allowHalfOpen: true, noDelay: true, ...keepAlive(options) });
  server.on("connection", (socket) => {
    const peer = peerOf(socket, only, options, original);
    if (peer === undefined) {
      socket.destroy(); // The client was gone before it was accepted.
      return;
    }
    if (options.userTimeoutMs !== undefined) limitUnacknowledged(socket, options.userTimeoutMs);
    accept(new Conn(socket, peer));
  });
  return bind(server, addr, options).then((bound) => {
    if (bound.ip !== "0.0.0.0" && bound.ip !== "::") only = bound;
    return {
      addr: bound,
      close: () => {
        server.close();
      },
    };
  });
}

function bind(server: Server, addr: SocketAddr, options: ListenOptions): Promise<SocketAddr> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(explained(error, addr, options)));
    const where = { host: addr.ip, port: addr.port };
    const backlog = options.backlog ? { backlog: options.backlog } : {};
    const reusePort = options.reusePort ? { reusePort: true } : {};
    server.listen({ ...where, ...backlog, ...reusePort }, () => {
      const bound = server.address() as { address: string; port: number };
      resolve({ ip: bound.address, port: bound.port });
    });
  });
}

function peerOf(
  socket: Socket,
  only: SocketAddr | undefined,
  options: ListenOptions,
  original: OriginalDst | undefined,
): Peer | undefined {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined) return undefined;
  const local = only ?? { ip: unmapped(socket.localAddress ?? ""), port: socket.localPort ?? 0 };
  const fixed = options.original === "kernel" ? undefined : options.original;
  return {
    remote: { ip: options.client ?? unmapped(remoteAddress), port: remotePort! },
    local,
    original: fixed ?? original?.(socket) ?? local,
    tls: { kind: "no_identity", reason: options.noTls ?? "disabled" },
  };
}

// An IPv4 client of a listener on all addresses appears as ::ffff:a.b.c.d.
function unmapped(ip: string): string {
  return ip.startsWith("::ffff:") ? ip.slice(7) : ip;
}

function keepAlive({ keepAliveMs }: ListenOptions): object {
  return keepAliveMs === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAliveMs };
}

function explained(
  error: NodeJS.ErrnoException,
  { ip, port }: SocketAddr,
  { hint }: ListenOptions,
): Fault {
  const more = hint === undefined ? "" : ` ${hint}`;
  switch (error.code) {
    case "EADDRINUSE":
      return new Fault("in-use", `${ip}:${port} is in use by another program.${more}`, {
        cause: error,
      });
    case "EACCES":
      return new Fault(
        "no-permission",
        `Listening on ${ip}:${port} needs privileges; choose a port from 1024 up.${more}`,
        { cause: error },
      );
    case "EADDRNOTAVAIL":
      return new Fault("bad-input", `${ip} is not an address of this machine.${more}`, {
        cause: error,
      });
    default:
      return Fault.from(error);
  }
}
