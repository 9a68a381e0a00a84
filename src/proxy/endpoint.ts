// An address as an endpoint of HTTP requests or of connections: its dial, its clients and what watches it.
// HTTP/1 goes over a pool and HTTP/2 over one connection; where the other side's proxy is known to take it,
// HTTP/1 rides on HTTP/2 too.

import type { Conn } from "../io/conn.ts";
import { H2Client } from "../io/h2client.ts";
import { H1Pool } from "../io/pool.ts";
import { Breaker, type Accrual } from "../stack/breaker.ts";
import { Connector, Multiplexed, type Dial } from "../stack/connect.ts";
import { HttpEndpoint } from "../stack/endpoint.ts";
import { requireId } from "../stack/identity.ts";
import type { Load } from "../stack/latency.ts";
import { Stats } from "../stack/stats.ts";
import { ConnStats, TcpEndpoint } from "../stack/tcp.ts";
import { trace } from "../stack/trace.ts";
import { stack, type HttpFilter, type HttpService } from "../stack/types.ts";
import { upgrade } from "../stack/upgrade.ts";
import { exponential } from "../base/backoff.ts";
import { addressLabels, type OutboundMetrics } from "./outboundmetrics.ts";
import { spliceOpening } from "./opening.ts";
import type { Address } from "./policy.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";
import { dialAddress } from "./upstream.ts";

export type EndpointParts = {
  readonly sidecar: Sidecar;
  readonly metrics: OutboundMetrics;
  readonly load: Load | "outstanding";
  readonly accrual: Accrual | undefined;
  /** Whether others can take its place: then it is left alone while it cannot be reached. */
  readonly balanced: boolean;
};

/** The endpoint of HTTP requests to `address`. */
export function bindHttpEndpoint(address: Address, parts: EndpointParts): HttpEndpoint<Address> {
  const { sidecar, metrics, load, accrual } = parts;
  const { clock, random, taps, spans, settings } = sidecar;
  const endpoint = new HttpEndpoint(address, { clock, load });
  const labels = addressLabels(address);
  const conns = new ConnStats(sidecar.registry, metrics.conns, { peer: "dst", ...labels });
  const dialFor = (session: "http/1" | "http/2"): Dial<Conn> =>
    counted(dialAddress(sidecar, address, session), conns);
  const dial1 = reconnecting(endpoint, dialFor("http/1"), parts, CONN);
  const h1 = new H1Pool(dial1, {
    clock,
    maxIdle: settings.outbound.maxIdlePerEndpoint,
    idleTimeoutMs: settings.outbound.poolIdleMs,
  });
  const { keepAlive } = address;
  const options = {
    ...h2Options(sidecar, "outbound"),
    ...(keepAlive && {
      keepAliveIntervalMs: keepAlive.intervalMs,
      keepAliveTimeoutMs: keepAlive.timeoutMs,
    }),
  };
  const raw2 = dialFor("http/2");
  const dial2 = async (): Promise<H2Client> => new H2Client(await raw2(), options);
  const h2 = new Multiplexed(reconnecting(endpoint, dial2, parts, CLIENT));
  const filters: HttpFilter[] = [
    requireId(address.tls?.id),
    trace({ kind: "client", sink: spans, clock, random, attributes: { direction: "outbound" } }),
    ...(address.authority === undefined ? [] : [withAuthority(address.authority)]),
  ];
  endpoint.service = stack(
    filters,
    address.hint === "h2" ? upgrade(h2.service, h1.service) : byVersion(h2.service, h1.service),
  );
  endpoint.watchers.push(
    new Stats(metrics.http, labels),
    taps.watch({
      direction: "outbound",
      destination: address,
      labels: address.labels,
      serverId: address.tls?.id,
    }),
  );
  if (accrual !== undefined) {
    const breaker = new Breaker(endpoint, accrual, { clock, random });
    endpoint.watchers.push(breaker);
    endpoint.onClose(() => breaker.close());
  }
  endpoint.onClose(() => {
    h1.close();
    h2.close();
    conns.forget();
  });
  return endpoint;
}

/** The endpoint of connections to `address`. */
export function bindTcpEndpoint(address: Address, parts: EndpointParts): TcpEndpoint<Address> {
  const { sidecar, metrics, load } = parts;
  const labels = { peer: "dst", ...addressLabels(address) };
  const stats = new ConnStats(sidecar.registry, metrics.conns, labels);
  const splice = spliceOpening;
  const endpoint = new TcpEndpoint(address, { clock: sidecar.clock, load, splice, stats });
  endpoint.dial = reconnecting(endpoint, dialAddress(sidecar, address, undefined), parts, CONN);
  endpoint.onClose(() => stats.forget());
  return endpoint;
}

type Kind<C> = { readonly isClosed: (c: C) => boolean; readonly close: (c: C) => void };

const CONN: Kind<Conn> = { isClosed: (conn) => conn.closed, close: (conn) => conn.destroy() };
const CLIENT: Kind<H2Client> = {
  isClosed: (client) => client.draining || client.fault !== undefined,
  close: (client) => client.close(),
};

function reconnecting<C>(
  endpoint: HttpEndpoint<Address> | TcpEndpoint<Address>,
  dial: Dial<C>,
  { sidecar, balanced }: EndpointParts,
  kind: Kind<C>,
): Dial<C> {
  if (!balanced) return dial;
  const { clock, random, settings } = sidecar;
  const { backoffMinMs, backoffMaxMs, backoffJitter } = settings.outbound;
  const backoff = exponential(backoffMinMs, backoffMaxMs, backoffJitter);
  return new Connector(endpoint, dial, { clock, random, backoff, ...kind }).dial;
}

function counted(dial: Dial<Conn>, stats: ConnStats): Dial<Conn> {
  return async () => {
    const conn = await dial();
    stats.follow(conn);
    return conn;
  };
}

function byVersion(h2: HttpService, h1: HttpService): HttpService {
  return function byVersion(req) {
    return req.version === 20 ? h2(req) : h1(req);
  };
}

// A gateway routes by this name, whatever the client called the service.
function withAuthority(authority: string): HttpFilter {
  return (next) =>
    function withAuthority(req) {
      req.authority = authority;
      return next(req);
    };
}
