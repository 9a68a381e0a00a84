// Address ranges: what policies and egress networks are made of, for both address families.

import { isIPv4 } from "node:net";
import { ipFamily } from "../io/ip.ts";

/** A range of addresses of one family; `bits` is the length of its prefix. */
export type Cidr = {
  readonly family: "ipv4" | "ipv6";
  readonly first: bigint;
  readonly bits: number;
};

/** The range of "10.0.0.0/8" or of one address; undefined when it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const [ip = "", length, ...more] = text.split("/");
  const family = ipFamily(ip);
  if (family === undefined || more.length > 0) return undefined;
  const width = widthOf(family);
  const bits = length === undefined ? width : /^\d{1,3}$/.test(length) ? Number(length) : width + 1;
  if (bits > width) return undefined;
  return { family, first: addressNumber(ip) & mask(width, bits), bits };
}

/** Whether `ip` lies in the range. */
export function contains(range: Cidr, ip: string): boolean {
  const address = parseCidr(ip);
  return address !== undefined && covers(range, address);
}

/** Whether all of `inner` lies in `outer`. */
export function covers(outer: Cidr, inner: Cidr): boolean {
  if (inner.family !== outer.family || inner.bits < outer.bits) return false;
  return (inner.first & mask(widthOf(outer.family), outer.bits)) === outer.first;
}

/** An address as a number: 32 bits for IPv4, 128 for IPv6 (RFC 4291 §2.2). */
function addressNumber(ip: string): bigint {
  if (isIPv4(ip)) {
    return ip.split(".").reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
  }
  // An IPv4 tail counts as two groups.
  const text = ip.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    return `${((+a << 8) | +b).toString(16)}:${((+c << 8) | +d).toString(16)}`;
  });
  const [head = "", tail] = text.replace(/%.*$/, "").split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].reduce(
    (number, group) => (number << 16n) | BigInt(`0x${group}`),
    0n,
  );
}

const widthOf = (family: Cidr["family"]): number => (family === "ipv4" ? 32 : 128);

function mask(width: number, bits: number): bigint {
  return ((1n << BigInt(bits)) - 1n) << BigInt(width - bits);
}
