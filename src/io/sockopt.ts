// Options of sockets for which Node has no call: read and set through the C library.

import type { Socket } from "node:net";
import { libcCall } from "./libc.ts";

type Args = [fd: number, level: number, name: number, value: Buffer, size: unknown];
type Call = (...args: Args) => number;
type Library = { readonly get: Call; readonly set: Call };

const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

const size = new Uint32Array(1);
let library: Library | undefined;

/** Whether socket options can be had: on Linux. */
export const hasSocketOptions: boolean = process.platform === "linux";

/** Loads the C library, which takes some milliseconds, before the first connection waits for it. */
export function readySocketOptions(): void {
  load();
}

/** Reads an option into `value`; false when the kernel has no answer. */
export function socketOption(socket: Socket, level: number, name: number, value: Buffer): boolean {
  const fd = fdOf(socket);
  size[0] = value.length;
  return fd >= 0 && load().get(fd, level, name, value, size) === 0;
}

/** How long what was sent may stay unacknowledged before the connection is given up (RFC 5482). Without effect where
 * the kernel has no such option; the kernel's own default is about 15 minutes. */
export function limitUnacknowledged(socket: Socket, timeoutMs: number): void {
  const fd = fdOf(socket);
  if (!hasSocketOptions || fd < 0) return;
  const value = Buffer.alloc(4);
  // The byte order of the machine, which is little-endian wherever Node runs on Linux but for s390x.
  new Uint32Array(value.buffer, value.byteOffset, 1)[0] = timeoutMs;
  load().set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value, value.length);
}

function load(): Library {
  return (library ??= {
    get: libcCall<Args>("int getsockopt(int, int, int, void *, uint32_t *)"),
    set: libcCall<Args>("int setsockopt(int, int, int, void *, uint32_t)"),
  });
}

function fdOf(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1;
}
