// IP addresses as text. Node's isIPv6 compiles a regular expression the first time, which takes 6 ms of each start.

import { isIPv4, SocketAddress } from "node:net";

/** The kind of an IP address, in the words of BlockList and SocketAddress; undefined for any other text. */
export function ipFamily(text: string): "ipv4" | "ipv6" | undefined {
  if (!text.includes(":")) return isIPv4(text) ? "ipv4" : undefined;
  try {
    new SocketAddress({ address: text, family: "ipv6" });
    return "ipv6";
  } catch {
    return undefined;
  }
}
