// A port of the workload: the policy that holds there, as services, and the byte streams that are open. The
// built-in default holds until the control plane has answered; each change is applied to what is open, too:
// requests meet the new services, byte streams that would no longer be admitted are ended.

import type { Closable } from "../base/cache.ts";
import { Fault } from "../base/fault.ts";
import type { Counter } from "../base/metrics.ts";
import { known, type Close } from "../base/watch.ts";
import type { Conn, Peer, SocketAddr } from "../io/conn.ts";
import { compileAuthorizations, isLoopback } from "../stack/authorize.ts";
import type { Endpoint } from "../stack/endpoint.ts";
import type { HttpService } from "../stack/types.ts";
import { parseAddr } from "./address.ts";
import type { BindPort } from "./inbound.ts";
import { defaultInboundPolicy, LOOPBACK } from "./inboundpolicy.ts";
import {
  clientLabels,
  ConnsByClient,
  metaLabels,
  serverLabels,
  type InboundMetrics,
} from "./inboundmetrics.ts";
import type { Authz, InboundPolicy } from "./policy.ts";
import { hasPort } from "./settingtypes.ts";
import type { Sidecar } from "./sidecar.ts";

export type PortParts = {
  readonly sidecar: Sidecar;
  readonly metrics: InboundMetrics;
  readonly bind: BindPort;
  /** The application at an address. */
  readonly app: (addr: SocketAddr) => Application;
};

/** What stands behind a port. */
export type Application = {
  readonly http: HttpService;
  /** Absent for the proxy's own pages. */
  readonly bytes: Endpoint<Conn, void> | undefined;
  readonly busy: boolean;
  close(): void;
};

export class Port implements Closable {
  readonly addr: SocketAddr;
  policy: InboundPolicy;
  http: HttpService;
  /** Counts a connection by what detection found. */
  detected: (result: string) => Counter;
  users: number;
  /** What admits clients on this machine whatever the policy. */
  readonly loopback: Authz | undefined;
  readonly #parts: PortParts;
  readonly #app: Application;
  readonly #streams = new Map<Conn, Authz>();
  readonly #stop: Close;
  #find: (peer: Peer) => Authz | undefined;
  #accepted: ConnsByClient;

  constructor(key: string, parts: PortParts) {
    const { sidecar, app } = parts;
    this.addr = parseAddr(key)!;
    this.users = 0;
    this.#parts = parts;
    this.#app = app(this.addr);
    // Where the whole mesh lives on loopback addresses, they say nothing about a client.
    const isTrusted = sidecar.settings.own.inboundIp === undefined || this.#app.bytes === undefined;
    this.loopback = isTrusted ? LOOPBACK : undefined;
    this.policy = initialPolicy(this.addr.port, sidecar);
    this.#find = () => undefined;
    this.#accepted = new ConnsByClient(sidecar.registry, parts.metrics, {});
    this.http = () => Promise.reject(new Fault("unavailable", "not bound"));
    this.detected = parts.metrics.detected({});
    this.#use(this.policy);
    this.#stop = sidecar.discover.inboundPolicy(this.addr.port).observe((state) => {
      const answer = known(state);
      if (answer?.exists && answer.value !== this.policy) this.#use(answer.value);
    });
  }

  get busy(): boolean {
    return this.users > 0 || this.#app.busy;
  }

  /** Counts an accepted connection of which it is known by now who its client is. */
  count(conn: Conn): void {
    if (this.#app.bytes !== undefined) this.#accepted.at(conn.peer).follow(conn);
  }

  /** Forwards a byte stream, if its client may; rejects with `forbidden` if not. */
  readonly bytes = async (conn: Conn): Promise<void> => {
    this.count(conn);
    this.#streams.set(conn, this.admit(conn.peer));
    try {
      const refuse = (_: Conn, fault: Fault): Promise<never> => Promise.reject(fault);
      const { bytes } = this.#app;
      if (bytes === undefined) {
        throw new Fault("protocol", "only HTTP is spoken here", { side: "client" });
      }
      await bytes.send(conn, this.#parts.sidecar.clock.now(), refuse);
    } finally {
      this.#streams.delete(conn);
    }
  };

  /** What admits connections of a client; throws `forbidden` when nothing does. Counts both. */
  admit(peer: Peer): Authz {
    const { metrics } = this.#parts;
    const labels = { ...serverLabels(this.addr, this.policy), ...clientLabels(peer) };
    const authz = this.#authorizes(peer);
    if (authz === undefined) {
      metrics.tcpDenied.with(labels).inc();
      const { name } = this.policy.meta;
      const message = `unauthorized connection from ${peer.remote.ip} on server ${name}`;
      throw new Fault("forbidden", message);
    }
    metrics.tcpAllowed.with({ ...labels, ...metaLabels("authz", authz.meta) }).inc();
    return authz;
  }

  /** Calls `service` while counting as used. */
  async use(service: () => Promise<void>): Promise<void> {
    this.users += 1;
    try {
      await service();
    } finally {
      this.users -= 1;
    }
  }

  close(): void {
    this.#stop();
    this.#app.close();
    this.#accepted.forget();
  }

  #authorizes(peer: Peer): Authz | undefined {
    return this.loopback && isLoopback(peer.remote.ip) ? this.loopback : this.#find(peer);
  }

  #use(policy: InboundPolicy): void {
    const { bind, metrics, sidecar } = this.#parts;
    this.policy = policy;
    this.#find = compileAuthorizations(policy.authorizations);
    this.#accepted.forget();
    const labels = serverLabels(this.addr, policy);
    this.#accepted = new ConnsByClient(sidecar.registry, metrics, labels);
    this.detected = metrics.detected(labels);
    this.http = bind(this, this.#app.http);
    for (const conn of this.#streams.keys()) {
      if (this.#authorizes(conn.peer) !== undefined) continue;
      const ended = { ...labels, ...clientLabels(conn.peer) };
      metrics.tcpTerminated.with(ended).inc();
      sidecar.logger.info("Connection terminated by a change of policy", ended);
      conn.reset(new Fault("forbidden", "the policy no longer admits this client"));
    }
  }
}

function initialPolicy(port: number, { settings }: Sidecar): InboundPolicy {
  const { defaultPolicy, portsNoDetect, portsRequireIdentity, portsRequireTls, detectTimeoutMs } =
    settings.inbound;
  const protocol = hasPort(portsNoDetect, port) ? "opaque" : "detect";
  const name = hasPort(portsRequireIdentity, port)
    ? "all-authenticated"
    : hasPort(portsRequireTls, port)
      ? "all-tls-unauthenticated"
      : defaultPolicy;
  return defaultInboundPolicy(name, protocol, detectTimeoutMs, settings.policy.clusterNetworks);
}
