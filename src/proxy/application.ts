// The application behind a port, at the address that its clients meant: HTTP of both versions, and byte streams.
// There is one and no other to take its place, so nothing is balanced or broken here.

import type { Conn, SocketAddr } from "../io/conn.ts";
import { dial } from "../io/dial.ts";
import { H2Client } from "../io/h2client.ts";
import { H1Pool } from "../io/pool.ts";
import { Multiplexed } from "../stack/connect.ts";
import { HttpEndpoint } from "../stack/endpoint.ts";
import { ConnStats, TcpEndpoint } from "../stack/tcp.ts";
import { dialOptions } from "./dialoptions.ts";
import type { InboundMetrics } from "./inboundmetrics.ts";
import { spliceOpening } from "./opening.ts";
import type { Application } from "./port.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";

/** The application at `addr`. */
export function bindApplication(
  sidecar: Sidecar,
  metrics: InboundMetrics,
  addr: SocketAddr,
): Application {
  const { clock, settings, taps, registry } = sidecar;
  const { maxIdlePerEndpoint, poolIdleMs } = settings.inbound;
  const options = dialOptions(sidecar, settings.inbound, addr.ip);
  const target = { ...addr, weight: 1, labels: {} };
  const stats = new ConnStats(registry, metrics.conns, {
    direction: "inbound",
    peer: "dst",
    target_addr: `${addr.ip}:${addr.port}`,
    target_ip: addr.ip,
    target_port: String(addr.port),
    tls: "no_identity",
    no_tls_reason: "loopback",
  });
  const connect = async (): Promise<Conn> => {
    const conn = await dial(addr, options);
    stats.follow(conn);
    return conn;
  };

  const h1 = new H1Pool(connect, {
    clock,
    maxIdle: maxIdlePerEndpoint,
    idleTimeoutMs: poolIdleMs,
  });
  const streams = h2Options(sidecar, "inbound");
  const h2 = new Multiplexed(async () => new H2Client(await connect(), streams));
  const http = new HttpEndpoint(target, { clock, load: "outstanding" });
  http.service = (req) => (req.version === 20 ? h2.service(req) : h1.service(req));
  http.watchers.push(
    taps.watch({ direction: "inbound", destination: addr, labels: {}, serverId: undefined }),
  );
  const bytes = new TcpEndpoint(target, { clock, load: "outstanding", splice: spliceOpening });
  bytes.dial = connect;

  return {
    http: (req) => http.send(req, clock.now(), refuse),
    bytes,
    get busy() {
      return http.pending > 0 || bytes.pending > 0;
    },
    close() {
      h1.close();
      h2.close();
      stats.forget();
    },
  };
}

function refuse(_: unknown, fault: Error): Promise<never> {
  return Promise.reject(fault);
}
