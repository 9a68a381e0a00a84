// The small wire types (addresses, durations, metadata, text matches) as our plain values, and back.
// What a real proxy would reject is rejected here too, with the place in the message.

import { SocketAddress } from "node:net";
import { create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { HttpMethod, Scheme } from "../../proto/gen/http_types_pb.js";
import type { Metadata } from "../../proto/gen/meta_pb.js";
import {
  IPAddressSchema,
  IPv6Schema,
  TcpAddressSchema,
  type IPAddress,
  type IPNetwork,
  type TcpAddress,
} from "../../proto/gen/net_pb.js";
import { Fault } from "../base/fault.ts";
import type { SocketAddr } from "../io/conn.ts";
import { ipFamily } from "../io/ip.ts";
import { type Cidr, parseCidr } from "../platform/cidr.ts";
import type { HostMatch } from "../stack/route.ts";
import { builtIn, type Meta } from "./policy.ts";
import type { Network } from "../stack/authorize.ts";

/** A message that cannot be used: `place` is the path of the field. */
export function invalid(place: string, why: string): Fault {
  return new Fault(
    "invalid-policy",
    `the control plane sent a policy that cannot be used: ${place} ${why}`,
  );
}

/** The value, or a fault that names the missing field. */
export function present<T>(value: T | undefined, place: string): T {
  if (value === undefined) throw invalid(place, "is missing");
  return value;
}

export function durationMs(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** A duration in whole nanoseconds, for our clock has fractions of milliseconds. */
export function duration(ms: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.floor((ms - seconds * 1000) * 1e6) };
}

/** A duration that may be absent; 0 means none. */
export function optionalMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : durationMs(duration) || undefined;
}

export function parseIp(ip: IPAddress | undefined, place: string): string {
  const { ip: value } = present(ip, place);
  if (value.case === "ipv4") {
    const n = value.value;
    return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
  }
  if (value.case === undefined) throw invalid(place, "is empty");
  const hex = (half: bigint): string => half.toString(16).padStart(16, "0");
  const groups = (hex(value.value.first) + hex(value.value.last)).match(/.{4}/g)!;
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}

export function parseTcpAddress(addr: TcpAddress | undefined, place: string): SocketAddr {
  const { ip, port } = present(addr, place);
  if (port > 65_535) throw invalid(`${place}.port`, `is ${port}, and ports end at 65535`);
  return { ip: parseIp(ip, place), port };
}

export function parseNetwork(network: IPNetwork | undefined, place: string): Network {
  const { ip, prefixLen } = present(network, place);
  return parsePrefix(ip, prefixLen, place);
}

/** An address with the length of its prefix. */
export function parsePrefix(ip: IPAddress | undefined, prefix: number, place: string): Network {
  const parsed = parseIp(ip, place);
  const most = ipFamily(parsed) === "ipv6" ? 128 : 32;
  if (prefix > most) throw invalid(place, `has a prefix of ${prefix} bits, and ${most} are all`);
  return { ip: parsed, prefix };
}

/** An address as the wire has it. */
export function printTcpAddress({ ip, port }: SocketAddr): TcpAddress {
  return create(TcpAddressSchema, { ip: printIp(parseCidr(ip)!), port });
}

/** The first address of a range as the wire has it. */
export function printIp({ family, first }: Cidr): IPAddress {
  if (family === "ipv4") {
    return create(IPAddressSchema, { ip: { case: "ipv4", value: Number(first) } });
  }
  const value = create(IPv6Schema, { first: first >> 64n, last: BigInt.asUintN(64, first) });
  return create(IPAddressSchema, { ip: { case: "ipv6", value } });
}

export function parseMeta(meta: Metadata | undefined, place: string): Meta {
  const { kind } = present(meta, place);
  if (kind.case === "default") return builtIn(kind.value);
  const { group, kind: type, namespace, name, section, port } = present(kind.value, place);
  return { group, kind: type, namespace, name, section, port };
}

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "HEAD", "TRACE"];

/** The method, or undefined when the message leaves it open. */
export function parseMethod(method: HttpMethod | undefined): string | undefined {
  const type = method?.type;
  return type?.case === "registered" ? METHODS[type.value] : type?.value;
}

export function printMethod(method: string): HttpMethod["type"] {
  const registered = METHODS.indexOf(method);
  return registered < 0
    ? { case: "unregistered", value: method }
    : { case: "registered", value: registered };
}

export function parseScheme(scheme: Scheme | undefined): string | undefined {
  const type = scheme?.type;
  return type?.case === "registered" ? ["http", "https"][type.value] : type?.value;
}

/** A regular expression that has to match the whole text, as Linkerd means all of its expressions. */
export function parseRegex(text: string, place: string): RegExp {
  try {
    return new RegExp(`^(?:${text})$`, "s");
  } catch (error) {
    throw invalid(place, `is no regular expression: ${(error as Error).message}`);
  }
}

type WireHost =
  | { case: "exact"; value: string }
  | { case: "suffix"; value: { reverseLabels: string[] } }
  | { case: undefined; value?: undefined };

/** A host or server name; the wire has the labels of a suffix in reverse (`*.a.b` is [b, a]). */
export function parseHost(match: WireHost, place: string): HostMatch {
  if (match.case === "exact") return { kind: "exact", value: match.value.toLowerCase() };
  const labels = present(match.value, place).reverseLabels.toReversed();
  return { kind: "suffix", value: `.${labels.join(".").toLowerCase()}` };
}
