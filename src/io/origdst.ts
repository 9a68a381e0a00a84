// Where a redirected connection was going before iptables sent it here (SO_ORIGINAL_DST). Node has no call
// for it, so this asks the C library; the binding (2 MB) is loaded when the first listener needs it.

import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { Fault } from "../base/fault.ts";
import type { SocketAddr } from "./conn.ts";

type GetSockOpt = (
  fd: number,
  level: number,
  name: number,
  value: Buffer,
  size: Uint32Array,
) => number;

const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;

/** Reads original destinations; undefined for a connection that was not redirected. */
export type OriginalDst = (socket: Socket) => SocketAddr | undefined;

/** Loads the system call. Throws a Fault where there is none (it exists on Linux). */
export function originalDst(): OriginalDst {
  const getsockopt = load();
  return (socket) => {
    const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
    if (fd === undefined || fd < 0) return undefined;
    const address = Buffer.alloc(28);
    const size = new Uint32Array([address.length]);
    const six = socket.remoteFamily === "IPv6" && !socket.remoteAddress?.startsWith("::ffff:");
    if (getsockopt(fd, six ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, address, size) !== 0)
      return undefined;
    const port = address.readUInt16BE(2);
    return {
      ip: six ? ipv6(address.subarray(8, 24)) : [...address.subarray(4, 8)].join("."),
      port,
    };
  };
}

let loaded: GetSockOpt | undefined;

function load(): GetSockOpt {
  if (process.platform !== "linux") {
    throw new Fault(
      "not-implemented",
      "Redirected connections exist on Linux only; give each listener its destination instead.",
    );
  }
  if (loaded === undefined) {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    loaded = koffi
      .load(null)
      .func("int getsockopt(int, int, int, void *, uint32_t *)") as unknown as GetSockOpt;
  }
  return loaded;
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::");
}
