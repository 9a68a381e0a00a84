// Network namespaces: a program that sets something up in another's network enters it first, so that what it starts
// (iptables) is in it too. Node has no call for this.

import { Fault } from "../base/fault.ts";
import { libcCall } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;

/** Moves this process, and what it starts from then on, into the namespace of an open file (setns(2)). Needs CAP_SYS_ADMIN. */
export function enterNetwork(fd: number): void {
  const setns = libcCall<[fd: number, kind: number]>("int setns(int, int)");
  if (setns(fd, CLONE_NEWNET) !== 0)
    throw new Fault("no-permission", "the network namespace cannot be entered");
}
