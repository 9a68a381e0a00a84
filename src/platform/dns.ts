// Names of services for pods with a network of their own: a DNS server (RFC 1035) that knows the services and
// pods of the mesh, and asks somebody else for all other names. UDP only; an answer that does not fit is cut.

import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import type { Close } from "../base/watch.ts";
import { endpointsOf, sliceOf } from "./slices.ts";
import type { Store } from "./store.ts";

export const CLUSTER_DOMAIN = "cluster.local";

const TTL_SECONDS = 5;
const MAX_BYTES = 1232;
const A = 1;
const AAAA = 28;
const NXDOMAIN = 3;

/** Addresses of a name outside the mesh; none when there is no such name. */
export type ResolveOutside = (name: string) => Promise<readonly string[]>;

/** Serves names at `ip`, port 53, until closed. */
export function serveDns(store: Store, ip: string, outside: ResolveOutside): Promise<Close> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    void answer(store, query, outside).then((reply) => {
      if (reply) socket.send(reply, from.port, from.address);
    });
  });
  return bind(socket, ip).then(() => () => void socket.close());
}

/** The addresses of "svc.ns.svc.cluster.local" or "pod.svc.ns.svc.cluster.local"; undefined when it is no name of the mesh. */
function resolveService(store: Store, name: string): string[] | undefined {
  const suffix = `.svc.${CLUSTER_DOMAIN}`;
  if (!name.endsWith(suffix)) return name.endsWith(`.${CLUSTER_DOMAIN}`) ? [] : undefined;
  const labels = name.slice(0, -suffix.length).split(".");
  const [service, namespace] = labels.slice(-2);
  const found = store.get("Service", `${namespace}/${service}`);
  if (!found || labels.length > 3) return [];
  const { clusterIP, ports } = found.spec;
  if (labels.length === 2 && clusterIP !== undefined && clusterIP !== "None") return [clusterIP];
  if (labels.length === 3) {
    const endpoints = [...store.all("EndpointSlice").values()]
      .filter((slice) => sliceOf(slice) === `${namespace}/${service}`)
      .flatMap((slice) => slice.endpoints);
    return [...(endpoints.find(({ hostname }) => hostname === labels[0])?.addresses ?? [])];
  }
  const target = { service: `${namespace}/${service}`, port: ports[0]?.port ?? 0 };
  return [...new Set(endpointsOf(store, target).map(({ host }) => host))];
}

async function answer(
  store: Store,
  query: Buffer,
  outside: ResolveOutside,
): Promise<Buffer | undefined> {
  const question = parseQuestion(query);
  if (!question) return undefined;
  const { name, type, end } = question;
  const own = resolveService(store, name);
  const addresses = own ?? (type === A ? await outside(name).catch(() => []) : []);
  const ipv4 = type === A ? addresses.filter((ip) => ip.includes(".")) : [];
  // A name that exists for another type has an empty answer, not none.
  const missing = own !== undefined ? own.length === 0 : type === A && ipv4.length === 0;
  return printAnswer(query, end, ipv4, missing && type !== AAAA ? NXDOMAIN : 0);
}

/** The one question of a query; undefined for what is none. */
function parseQuestion(query: Buffer): { name: string; type: number; end: number } | undefined {
  if (query.length < 17 || query.readUInt16BE(4) !== 1 || query.readUInt8(2) & 0x80)
    return undefined;
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    if (length > 63 || at + length + 5 >= query.length) return undefined;
    labels.push(query.toString("latin1", at + 1, at + 1 + length).toLowerCase());
    at += length + 1;
  }
  return { name: labels.join("."), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function printAnswer(query: Buffer, end: number, ips: readonly string[], code: number): Buffer {
  const head = Buffer.from(query.subarray(0, end));
  const fitting = ips.slice(0, Math.floor((MAX_BYTES - end) / 16));
  head.writeUInt16BE(0x8480 | (query.readUInt16BE(2) & 0x0100) | code, 2);
  head.writeUInt16BE(fitting.length, 6);
  head.writeUInt32BE(0, 8);
  const records = fitting.map((ip) => {
    const record = Buffer.alloc(16);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(A, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(TTL_SECONDS, 6);
    record.writeUInt16BE(4, 10);
    Buffer.from(ip.split(".").map(Number)).copy(record, 12);
    return record;
  });
  return Buffer.concat([head, ...records]);
}

function bind(socket: Socket, ip: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Later ones too: a pod may be gone before its answer.
    socket.on("error", reject);
    socket.bind(53, ip, resolve);
  });
}
