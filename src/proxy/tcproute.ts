// Byte streams of the workload: which route they take, by server name where they are TLS, and to which backend.
// The bytes are copied as they are; what connects to the endpoint may wrap them in the mesh's own TLS.

import { Fault } from "../base/fault.ts";
import type { Labels } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Conn, ConnService } from "../io/conn.ts";
import { distribute } from "../stack/distribute.ts";
import type { HostMatch } from "../stack/route.ts";
import type { Filter } from "../stack/types.ts";
import type { Backends } from "./backends.ts";
import { metaLabels, routeLabels, type OutboundMetrics } from "./outboundmetrics.ts";
import type { Meta, OutboundProtocol, TcpRoute } from "./policy.ts";

export type TcpParts = {
  readonly meta: Meta;
  readonly backends: Backends;
  readonly metrics: OutboundMetrics;
  readonly random: Random;
};

/** The service of byte streams of a protocol, for a server name; undefined when it has no routes for them. */
export function bindBytes(
  protocol: OutboundProtocol,
  parts: TcpParts,
): ((sni: string | undefined) => ConnService) | undefined {
  const routes =
    protocol.kind === "tls" ? protocol.tls : "opaque" in protocol ? protocol.opaque : [];
  if (routes.length === 0) return undefined;
  const choices = routes
    .map((route) => ({ route, service: bindRoute(route, parts) }))
    .sort((a, b) => rank(b.route) - rank(a.route));
  return (sni) => choices.find(({ route }) => wants(route, sni))?.service ?? noRoute(sni);
}

function bindRoute({ meta, filters, to }: TcpRoute, parts: TcpParts): ConnService {
  const { metrics, random, backends } = parts;
  const labels = { ...metaLabels("parent", parts.meta), ...routeLabels(meta) };
  const shares = to.backends.map(({ backend: wanted, weight }) => {
    const backend = backends.tcp(parts.meta, wanted);
    return { weight, backend, service: backend.service };
  });
  const [filter] = filters;
  const service: ConnService =
    filter === undefined
      ? distribute<Conn, void>(to.kind, shares, random)
      : () => Promise.reject(refusal(filter));
  return count(metrics, labels)(service);
}

function refusal(filter: TcpRoute["filters"][number]): Fault {
  return filter.kind === "invalid"
    ? new Fault("invalid-policy", filter.message)
    : new Fault("forbidden", "traffic not allowed");
}

const ERRORS: Partial<Record<Fault["code"], string>> = {
  forbidden: "forbidden",
  "invalid-policy": "invalid_policy",
  "no-route": "invalid_backend",
};

function count(metrics: OutboundMetrics, labels: Labels): Filter<Conn, void> {
  const opened = metrics.tcpRouteOpened.with(labels);
  const closed = (error: string): void => metrics.tcpRouteClosed.with({ ...labels, error }).inc();
  return (next) =>
    async function count(conn) {
      opened.inc();
      try {
        await next(conn);
        closed("");
      } catch (thrown) {
        const fault = Fault.from(thrown);
        closed(ERRORS[fault.code] ?? "unexpected");
        throw fault;
      }
    };
}

function noRoute(sni: string | undefined): ConnService {
  const message = sni === undefined ? "no route without a server name" : `no route for ${sni}`;
  return () => Promise.reject(new Fault("no-route", message));
}

function wants({ snis }: TcpRoute, sni: string | undefined): boolean {
  if (snis.length === 0) return true;
  return sni !== undefined && snis.some((match) => matchesName(match, sni));
}

function matchesName({ kind, value }: HostMatch, name: string): boolean {
  return kind === "exact" ? name === value : name.endsWith(value) && name.length > value.length;
}

// Exact names before suffixes, longer ones before shorter ones; sorting is stable for the rest.
function rank({ snis }: TcpRoute): number {
  return Math.max(0, ...snis.map(({ kind, value }) => value.length + (kind === "exact" ? 1e6 : 0)));
}
