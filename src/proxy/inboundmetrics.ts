// The metric families of the inbound side and the labels of servers, routes, authorizations and clients. What
// differs between clients is looked up once for each identity, and kept at hand for the connection.

import { byLabel } from "../base/bylabel.ts";
import {
  type Counter,
  type Family,
  type Labels,
  OVERFLOW,
  type Registry,
} from "../base/metrics.ts";
import type { Peer, SocketAddr } from "../io/conn.ts";
import type { HttpReq } from "../io/message.ts";
import { Apart } from "../stack/apart.ts";
import { identityOf } from "../stack/authorize.ts";
import type { Exchange, Watcher } from "../stack/exchange.ts";
import { printAddr } from "../stack/normalize.ts";
import { inboundRouteStats, type Prefix } from "../stack/routestats.ts";
import { HttpFamilies, Stats } from "../stack/stats.ts";
import { ConnFamilies, ConnStats } from "../stack/tcp.ts";
import type { InboundPolicy, Meta } from "./policy.ts";

export class InboundMetrics {
  readonly http: HttpFamilies;
  readonly conns: ConnFamilies;
  readonly httpErrors: Family<Counter>;
  readonly tcpErrors: Family<Counter>;
  readonly httpAllowed: Family<Counter>;
  readonly httpDenied: Family<Counter>;
  readonly notFound: Family<Counter>;
  readonly rateLimited: Family<Counter>;
  readonly tcpAllowed: Family<Counter>;
  readonly tcpDenied: Family<Counter>;
  readonly tcpTerminated: Family<Counter>;
  readonly transportHeaders: Family<Counter>;
  readonly #detections: Family<Counter>;
  readonly #registry: Registry;
  readonly #authorities: boolean;

  /** With `authorities`, requests are counted apart for each authority that clients name. */
  constructor(registry: Registry, authorities: boolean) {
    const counter = (name: string, help: string): Family<Counter> => registry.counter(name, help);
    this.http = new HttpFamilies(registry);
    this.conns = new ConnFamilies(registry);
    this.httpErrors = counter(
      "inbound_http_errors_total",
      "Requests that the proxy answered itself",
    );
    this.tcpErrors = counter("inbound_tcp_errors_total", "Connections that could not be forwarded");
    this.httpAllowed = counter("inbound_http_authz_allow_total", "Requests that were authorized");
    this.httpDenied = counter("inbound_http_authz_deny_total", "Requests that were denied");
    this.notFound = counter("inbound_http_route_not_found_total", "Requests without a route");
    this.rateLimited = counter(
      "inbound_http_local_ratelimit_total",
      "Requests that exceeded a rate limit",
    );
    this.tcpAllowed = counter("inbound_tcp_authz_allow_total", "Connections that were authorized");
    this.tcpDenied = counter("inbound_tcp_authz_deny_total", "Connections that were denied");
    this.tcpTerminated = counter(
      "inbound_tcp_authz_terminate_total",
      "Connections that a change of policy ended",
    );
    this.#detections = counter("inbound_tcp_detect_http_results_total", "What detection found");
    this.transportHeaders = counter(
      "inbound_tcp_transport_header_connections_total",
      "Connections that came with a transport header",
    );
    this.#registry = registry;
    this.#authorities = authorities;
  }

  /** What counts connections by what detection found. */
  detected({ target_addr: _, ...labels }: Labels): (result: string) => Counter {
    return byLabel(this.#detections, "result", labels);
  }

  /** What watches the requests of a route that an authorization let in. */
  ofRoute(prefix: Prefix, labels: Labels, authz: Meta): Watcher[] {
    const authorized = { ...labels, ...metaLabels("authz", authz) };
    const authorities = this.#authorities;
    const client = ({ peer }: HttpReq): string => identityOf(peer) ?? peer.tls.kind;
    const keyOf = ({ req }: Exchange): string =>
      authorities ? `${client(req)} ${req.authority}` : client(req);
    const byClient = new Apart(keyOf, (x) => {
      if (x === undefined) return new Admitted(this, { ...authorized, ...OVERFLOW });
      const authority = authorities && { authority: x.req.authority };
      return new Admitted(this, { ...authorized, ...clientLabels(x.req.peer), ...authority });
    });
    return [byClient, inboundRouteStats(this.#registry, prefix, labels)];
  }

  /** Counts the requests that no route of a server is for. */
  onMiss(labels: Labels): (req: HttpReq) => void {
    return ({ peer }) => this.notFound.with({ ...labels, ...clientLabels(peer) }).inc();
  }

  /** Counts the requests that are denied. */
  onDeny(labels: Labels): (peer: Peer) => void {
    return (peer) => this.httpDenied.with({ ...labels, ...clientLabels(peer) }).inc();
  }

  /** Counts the requests that exceed a rate limit. */
  onLimit(labels: Labels, { group, kind, name }: Meta): (scope: string) => void {
    const limit = { ratelimit_group: group, ratelimit_kind: kind, ratelimit_name: name };
    return (scope) => this.rateLimited.with({ ...labels, ...limit, scope }).inc();
  }
}

/** The labels of a port of the workload and the policy that is in force there. */
export function serverLabels(addr: SocketAddr, { meta }: InboundPolicy): Labels {
  return {
    target_addr: printAddr(addr),
    target_ip: addr.ip,
    target_port: String(addr.port),
    srv_group: meta.group,
    srv_kind: meta.kind,
    srv_name: meta.name,
    srv_port: String(addr.port),
  };
}

/** `route_*` or `authz_*`. */
export function metaLabels(prefix: "route" | "authz", meta: Meta): Labels {
  return {
    [`${prefix}_group`]: meta.group,
    [`${prefix}_kind`]: meta.kind,
    [`${prefix}_name`]: meta.name,
  };
}

/** What is known of a client: `tls`, and its identity or why there is none. */
export function clientLabels({ tls }: Peer): Labels {
  if (tls.kind === "true") return { tls: "true", client_id: tls.identity };
  if (tls.kind === "opaque") return { tls: "opaque" };
  return { tls: "no_identity", no_tls_reason: tls.reason };
}

/** Whether the client of a request has proved an identity. */
export function isMeshed({ peer }: HttpReq): boolean {
  return identityOf(peer) !== undefined;
}

// Requests that were let in, and what became of them.
class Admitted implements Watcher {
  readonly #stats: Stats;
  readonly #allowed: Counter;

  constructor({ http, httpAllowed }: InboundMetrics, labels: Labels) {
    this.#stats = new Stats(http, { direction: "inbound", ...labels });
    this.#allowed = httpAllowed.with(labels);
  }

  begin(): void {
    this.#allowed.value += 1;
    this.#stats.begin();
  }

  head(x: Exchange): void {
    this.#stats.head(x);
  }

  end(x: Exchange): void {
    this.#stats.end(x);
  }
}

// Clients beyond this many identities share the last label.
const MAX_CLIENTS = 500;

/** Counts accepted connections apart for each client identity. */
export class ConnsByClient {
  readonly #registry: Registry;
  readonly #families: ConnFamilies;
  readonly #labels: Labels;
  readonly #clients = new Map<string, ConnStats>();

  constructor(registry: Registry, { conns }: InboundMetrics, labels: Labels) {
    this.#registry = registry;
    this.#families = conns;
    this.#labels = { direction: "inbound", peer: "src", ...labels };
  }

  /** What counts the connections of a client. */
  at(peer: Peer): ConnStats {
    const own = identityOf(peer) ?? peer.tls.kind;
    const isApart = this.#clients.has(own) || this.#clients.size < MAX_CLIENTS;
    const key = isApart ? own : `other ${peer.tls.kind}`;
    let stats = this.#clients.get(key);
    if (stats === undefined) {
      const labels = isApart ? clientLabels(peer) : { tls: peer.tls.kind };
      stats = new ConnStats(this.#registry, this.#families, { ...this.#labels, ...labels });
      this.#clients.set(key, stats);
    }
    return stats;
  }

  /** Stops counting; what is open is counted once more when it ends. */
  forget(): void {
    for (const stats of this.#clients.values()) stats.forget();
  }
}
