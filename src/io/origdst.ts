// Where a redirected connection was going before iptables sent it here (SO_ORIGINAL_DST).

import type { Socket } from "node:net";
import { Fault } from "../base/fault.ts";
import type { SocketAddr } from "./conn.ts";
import { hasSocketOptions, readySocketOptions, socketOption } from "./sockopt.ts";

const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;

/** Reads original destinations; undefined for a connection that was not redirected. */
export type OriginalDst = (socket: Socket) => SocketAddr | undefined;

/** Throws a Fault where the kernel keeps no original destinations (they exist on Linux). */
export function originalDst(): OriginalDst {
  if (!hasSocketOptions) {
    throw new Fault(
      "not-implemented",
      "Redirected connections exist on Linux only; give each listener its destination instead.",
    );
  }
  readySocketOptions();
  const address = Buffer.alloc(28);
  return (socket) => {
    const six = socket.remoteFamily === "IPv6" && !socket.remoteAddress?.startsWith("::ffff:");
    if (!socketOption(socket, six ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, address)) return undefined;
    const port = address.readUInt16BE(2);
    return {
      ip: six
        ? ipv6(address.subarray(8, 24))
        : `${address[4]}.${address[5]}.${address[6]}.${address[7]}`,
      port,
    };
  };
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::");
}
