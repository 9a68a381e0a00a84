// The types that settings have: each turns the text of an environment variable into a value, or says what
// would have been right. They know no variable by name; the table in envtable.ts does.

import type { SocketAddr } from "../io/conn.ts";
import { ipFamily } from "../io/ip.ts";
import type { Network } from "../stack/authorize.ts";

/** Turns text into a value; a rejected text throws the sentence "expected …". */
export type SettingType<T> = (text: string) => T;

/** A host (name or IP literal) and a port, as addresses of the control plane are given. */
export type HostPort = { readonly host: string; readonly port: number };

/** A range of ports, both ends included. */
export type PortRange = { readonly from: number; readonly to: number };

/** The names of the default policies of an inbound port. */
export const DEFAULT_POLICIES = [
  "all-unauthenticated",
  "all-authenticated",
  "cluster-unauthenticated",
  "cluster-authenticated",
  "all-tls-unauthenticated",
  "cluster-tls-unauthenticated",
  "deny",
  "audit",
] as const;

export type DefaultPolicy = (typeof DEFAULT_POLICIES)[number];

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function reject(expected: string): never {
  throw new Error(`expected ${expected}`);
}

/** `10s`, `300ms`, `2m`, `1h`, `1d` or a bare 0, in milliseconds. */
export const duration: SettingType<number> = (text) => {
  const [, digits, unit] = /^(\d+)(ms|s|m|h|d)?$/.exec(text) ?? [];
  if (digits === undefined || (unit === undefined && Number(digits) !== 0)) {
    reject("a duration such as 300ms, 10s, 2m, 1h or 1d");
  }
  return Number(digits) * (UNIT_MS[unit ?? "ms"] ?? 1);
};

/** A whole number that is not negative. */
export const count: SettingType<number> = (text) =>
  /^\d{1,15}$/.test(text) ? Number(text) : reject("a whole number");

/** A number above 0 and at most 1. */
export const ratio: SettingType<number> = (text) => {
  const value = Number(text);
  return value > 0 && value <= 1 ? value : reject("a number above 0 and at most 1");
};

/** A number that is not negative, such as a jitter of 0.1. */
export const fraction: SettingType<number> = (text) => {
  const value = Number(text);
  return text !== "" && value >= 0 ? value : reject("a number such as 0.1");
};

export const text: SettingType<string> = (value) => value;

export const bool: SettingType<boolean> = (value) =>
  value === "true" ? true : value === "false" ? false : reject("true or false");

/** One of `names`. */
export const oneOf =
  <const T extends string>(...names: readonly T[]): SettingType<T> =>
  (value) =>
    names.find((name) => name === value) ?? reject(`one of ${names.join(", ")}`);

/** An IP address and a port: `127.0.0.1:4140`, `[::1]:4140`. */
export const socketAddr: SettingType<SocketAddr> = (value) => {
  const { host, port } = splitHostPort(value) ?? reject("an address such as 127.0.0.1:4140");
  if (ipFamily(host) === undefined) reject(`an IP address before the port, and ${host} is a name`);
  return { ip: host, port };
};

/** A name or IP address and a port: `linkerd-dst-headless.linkerd.svc.cluster.local.:8086`. */
export const hostPort: SettingType<HostPort> = (value) =>
  splitHostPort(value) ?? reject("a host and a port such as localhost:8086");

/** A list with commas; blanks around items and empty items do not count. */
export const listOf =
  <T>(item: SettingType<T>): SettingType<readonly T[]> =>
  (value) =>
    value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map(item);

/** A pair `a=b`. */
export const pairOf =
  <A, B>(left: SettingType<A>, right: SettingType<B>): SettingType<readonly [A, B]> =>
  (value) => {
    const at = value.indexOf("=");
    if (at < 0) reject("a pair such as 127.0.0.2:8080=10.0.0.1:8080");
    return [left(value.slice(0, at)), right(value.slice(at + 1))];
  };

/** A port or a range of ports: `80`, `100-200`. */
export const portRange: SettingType<PortRange> = (value) => {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(value) ?? [];
  const range = { from: Number(from), to: Number(to ?? from) };
  if (from === undefined || range.from < 1 || range.to > 65_535 || range.to < range.from) {
    reject("a port or a range of ports such as 80 or 100-200");
  }
  return range;
};

/** Whether one of `ranges` holds `port`. */
export function hasPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some((range) => port >= range.from && port <= range.to);
}

export const ipAddress: SettingType<string> = (value) =>
  ipFamily(value) ? value : reject("an IP address such as 10.0.0.1");

/** An IP network such as `10.0.0.0/8`. */
export const network: SettingType<Network> = (value) => {
  const [ip = "", prefix] = value.split("/");
  const family = ipFamily(ip);
  const bits = family === "ipv4" ? 32 : family === "ipv6" ? 128 : -1;
  const length = prefix === undefined ? bits : /^\d+$/.test(prefix) ? Number(prefix) : 999;
  return bits > 0 && length <= bits
    ? { ip, prefix: length }
    : reject("a network such as 10.0.0.0/8");
};

function splitHostPort(value: string): HostPort | undefined {
  const [, six, name, digits] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(value) ?? [];
  const port = Number(digits);
  const host = six ?? name;
  return host === undefined || port > 65_535 ? undefined : { host, port };
}
