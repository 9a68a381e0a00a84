// How a sidecar dials: the times and socket options of its settings, and the address that its pod is known by.

import type { DialOptions } from "../io/dial.ts";
import { isLoopback } from "../stack/authorize.ts";
import type { SideSettings } from "./envtable.ts";
import type { Sidecar } from "./sidecar.ts";

/** The options for dialling `ip` on one side of a sidecar. */
export function dialOptions(
  { clock, settings }: Sidecar,
  { connectTimeoutMs, connectKeepaliveMs, connectUserTimeoutMs }: SideSettings,
  ip: string,
): DialOptions {
  // A loopback address, as pods have them without redirection, leads to no other machine.
  const from = isLoopback(ip) ? settings.own.inboundIp : undefined;
  return {
    clock,
    timeoutMs: connectTimeoutMs,
    ...(connectKeepaliveMs === undefined ? {} : { keepAliveMs: connectKeepaliveMs }),
    ...(connectUserTimeoutMs === undefined ? {} : { userTimeoutMs: connectUserTimeoutMs }),
    ...(from === undefined ? {} : { from }),
  };
}
