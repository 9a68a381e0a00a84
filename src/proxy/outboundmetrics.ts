// The metric families of the outbound side and the labels that its parts put on them, made once and handed to
// whatever is bound: looking a family up by its name is for start-up, not for endpoints that come and go.

import { byLabel } from "../base/bylabel.ts";
import {
  type Counter,
  type Family,
  type Labels,
  OVERFLOW,
  type Registry,
} from "../base/metrics.ts";
import { Apart } from "../stack/apart.ts";
import type { Watcher } from "../stack/exchange.ts";
import type { RetryCounters } from "../stack/retry.ts";
import { hostOf } from "../stack/route.ts";
import { backendStats, retryStats, routeStats, type Prefix } from "../stack/routestats.ts";
import { HttpFamilies, Stats } from "../stack/stats.ts";
import { ConnFamilies } from "../stack/tcp.ts";
import { printAddr } from "../stack/normalize.ts";
import type { Address, Meta, ProfileRule } from "./policy.ts";
import { noTlsReason } from "./upstream.ts";

/** Connections to a destination, by the protocol that its policy declares, and by what detection found. */
export type TargetCounters = {
  readonly protocol: (label: string) => Counter;
  readonly detected: (result: string) => Counter;
};

export class OutboundMetrics {
  readonly http: HttpFamilies;
  readonly route: HttpFamilies;
  readonly actualRoute: HttpFamilies;
  readonly conns: ConnFamilies;
  readonly httpErrors: Family<Counter>;
  readonly tcpErrors: Family<Counter>;
  readonly tcpRouteOpened: Family<Counter>;
  readonly tcpRouteClosed: Family<Counter>;
  readonly #protocols: Family<Counter>;
  readonly #detections: Family<Counter>;
  readonly #registry: Registry;
  readonly #hostnames: boolean;

  /** With `hostnames`, the requests of a route are counted apart for each host that they ask for. */
  constructor(registry: Registry, hostnames: boolean) {
    this.http = new HttpFamilies(registry);
    this.route = new HttpFamilies(registry, "route_");
    this.actualRoute = new HttpFamilies(registry, "route_actual_");
    this.conns = new ConnFamilies(registry);
    const counter = (name: string, help: string): Family<Counter> => registry.counter(name, help);
    this.httpErrors = counter(
      "outbound_http_errors_total",
      "Requests that the proxy answered itself",
    );
    this.tcpErrors = counter(
      "outbound_tcp_errors_total",
      "Connections that could not be forwarded",
    );
    this.#protocols = counter(
      "outbound_tcp_protocol_connections_total",
      "Connections by the protocol that was found",
    );
    this.#detections = counter(
      "outbound_tcp_detect_http_results_total",
      "What protocol detection found",
    );
    this.tcpRouteOpened = counter("outbound_tcp_route_open_total", "Connections that were routed");
    this.tcpRouteClosed = counter("outbound_tcp_route_close_total", "Connections that have ended");
    this.#registry = registry;
    this.#hostnames = hostnames;
  }

  /** What counts the connections to a destination. */
  ofTarget(meta: Meta): TargetCounters {
    const labels = metaLabels("parent", meta);
    return {
      protocol: byLabel(this.#protocols, "protocol", labels),
      detected: byLabel(this.#detections, "result", labels),
    };
  }

  /** What watches the requests of a route as the application sees them, retries included. */
  ofRoute(prefix: Prefix, labels: Labels, profile: ProfileRule | undefined): Watcher[] {
    const stats = this.#byHost(labels, (own) => routeStats(this.#registry, prefix, own));
    return profile ? [stats, new Stats(this.route, profileLabels(labels, profile))] : [stats];
  }

  /** What counts the retries of a route. */
  retries(prefix: Prefix, labels: Labels): RetryCounters {
    return retryStats(this.#registry, prefix, labels);
  }

  /** What watches each attempt to reach a backend of a route. */
  ofBackend(
    prefix: Prefix,
    labels: Labels,
    meta: Meta,
    profile: ProfileRule | undefined,
  ): Watcher[] {
    const all = { ...labels, ...metaLabels("backend", meta) };
    const stats = this.#byHost(all, (own) => backendStats(this.#registry, prefix, own));
    return profile ? [stats, new Stats(this.actualRoute, profileLabels(labels, profile))] : [stats];
  }

  #byHost(labels: Labels, bind: (labels: Labels) => Watcher): Watcher {
    if (!this.#hostnames) return bind(labels);
    return new Apart(
      ({ req }) => hostOf(req.authority),
      (x) => bind({ ...labels, ...(x ? { hostname: hostOf(x.req.authority) } : OVERFLOW) }),
    );
  }
}

/** The labels of metrics about an address. */
export function addressLabels(address: Address): Labels {
  const reason = noTlsReason(address);
  return {
    direction: "outbound",
    target_addr: printAddr(address),
    target_ip: address.ip,
    target_port: String(address.port),
    tls: reason === undefined ? "true" : "no_identity",
    ...(reason === undefined ? { server_id: address.tls!.id } : { no_tls_reason: reason }),
    ...Object.fromEntries(
      Object.entries(address.labels).map(([name, value]) => [`dst_${name}`, value]),
    ),
  };
}

/** The labels of the connections that the workload makes to the address `target`. */
export function acceptedLabels(target: string): Labels {
  const [, ip, port] = /^\[?(.*?)\]?:(\d+)$/.exec(target) ?? ["", target, ""];
  return {
    direction: "outbound",
    peer: "src",
    target_addr: target,
    target_ip: ip!,
    target_port: port!,
    tls: "no_identity",
    no_tls_reason: "loopback",
  };
}

/** `parent_group`, `parent_kind`, … of a policy, or `backend_group`, … of a backend. */
export function metaLabels(prefix: "parent" | "backend", meta: Meta): Labels {
  return {
    [`${prefix}_group`]: meta.group,
    [`${prefix}_kind`]: meta.kind,
    [`${prefix}_namespace`]: meta.namespace,
    [`${prefix}_name`]: meta.name,
    [`${prefix}_port`]: meta.port ? String(meta.port) : "",
    [`${prefix}_section_name`]: meta.section,
  };
}

/** `route_group`, `route_kind`, … of a route. */
export function routeLabels(meta: Meta): Labels {
  return {
    route_group: meta.group,
    route_kind: meta.kind,
    route_namespace: meta.namespace,
    route_name: meta.name,
  };
}

// `dst` is the name and port of the service; `rt_*` are what the ServiceProfile calls the route.
function profileLabels(labels: Labels, profile: ProfileRule): Labels {
  const { parent_name, parent_namespace, parent_port } = labels;
  const own = Object.entries(profile.labels).map(([name, value]) => [`rt_${name}`, value]);
  const dst = profile.dst || `${parent_name}.${parent_namespace}:${parent_port}`;
  return { direction: "outbound", dst, ...Object.fromEntries(own) };
}
