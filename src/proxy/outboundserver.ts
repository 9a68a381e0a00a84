// Where connections of the workload come in: each finds its destination, waits for what is known of it the first
// time, and is served by the protocol that the policy declares, or that its first bytes show.

import { Cache } from "../base/cache.ts";
import { Fault } from "../base/fault.ts";
import type { Conn } from "../io/conn.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { ERROR_LABELS } from "../stack/rescue.ts";
import type { HttpService } from "../stack/types.ts";
import { printAddr } from "../stack/normalize.ts";
import { header, removeHeader } from "../wire/headers.ts";
import { Memory } from "./memory.ts";
import { open, unread } from "./opening.ts";
import { bindOutbound } from "./outbound.ts";
import { OutboundMetrics } from "./outboundmetrics.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";
import { Target } from "./target.ts";
import { readHello } from "./terminate.ts";

/** What a destination was found to speak: `greets` when its servers speak first. */
type Habit = "http" | "greets";

const DEFAULT_PORT = 80;
const OVERRIDE = "l5d-dst-override";

export class OutboundServer {
  readonly #sidecar: Sidecar;
  readonly #metrics: OutboundMetrics;
  readonly #targets: Cache<string, Target>;
  readonly #habits = new Memory<Habit>(4096);

  constructor(sidecar: Sidecar) {
    const { clock, scope, settings, registry } = sidecar;
    const metrics = new OutboundMetrics(registry, settings.outbound.hostnameLabels);
    const bind = bindOutbound(sidecar, metrics);
    this.#sidecar = sidecar;
    this.#metrics = metrics;
    this.#targets = new Cache((key) => new Target(key, sidecar, metrics, bind), {
      clock,
      scope,
      idleMs: settings.outbound.discoveryIdleMs,
    });
  }

  /** Serves a connection whose destination is `conn.peer.original`. */
  readonly accept = (conn: Conn): Promise<void> => {
    const { original, local } = conn.peer;
    const name = printAddr(original);
    if (original.port !== local.port || original.ip !== local.ip) return this.acceptFor(conn, name);
    // Nobody redirected it: forwarding it to where it came would never end.
    this.#failed(conn, name, new Fault("gateway-loop", "a connection to the proxy itself"));
    return Promise.resolve();
  };

  /** Serves a connection to `name`: an address and port, or an authority. */
  async acceptFor(conn: Conn, name: string): Promise<void> {
    const target = this.#targets.at(name);
    try {
      await target.use(conn, () => this.#serve(conn, target));
    } catch (thrown) {
      this.#failed(conn, name, Fault.from(thrown));
    }
  }

  /** Serves requests by their authority, for HTTP_PROXY. */
  readonly byAuthority: HttpService = (req) => this.sendTo(req.authority, req);

  /** Sends a request to `authority`, whatever its own is; without a port that is 80. */
  sendTo(authority: string, req: HttpReq): Promise<HttpRsp> {
    const name = /:\d+$/.test(authority) ? authority : `${authority}:${DEFAULT_PORT}`;
    const target = this.#targets.at(name.toLowerCase());
    const send = (): Promise<HttpRsp> => (req.version === 20 ? http2 : http1)(target)(req);
    return target.settled ? send() : target.known.then(send);
  }

  /** What the admin page shows. */
  report(): unknown[] {
    return this.#targets.values().map((target) => ({
      target: target.name,
      policy: target.bound.policy.meta,
      protocol: target.bound.policy.protocol.kind,
      habit: this.#habits.recall(target.name),
      connections: target.users,
      backends: target.backends.report(),
    }));
  }

  #serve(conn: Conn, target: Target): Promise<void> {
    const { protocol } = target.bound.policy;
    target.counters.protocol(LABELS[protocol.kind]).inc();
    switch (protocol.kind) {
      case "opaque":
        return bytes(conn, target);
      case "tls":
        return this.#passTls(conn, target);
      case "http1":
        return this.#http(conn, target, "http/1");
      case "http2":
      case "grpc":
        return this.#http(conn, target, "http/2");
      case "detect":
        return this.#detect(conn, target, protocol.timeoutMs);
    }
  }

  async #detect(conn: Conn, target: Target, timeoutMs: number): Promise<void> {
    const habit = this.#habits.recall(target.name);
    if (habit === "greets") return bytes(conn, target);
    const ahead = habit === "http" ? undefined : () => bytes(conn, target);
    const opening = await open(conn, timeoutMs, this.#sidecar.clock, ahead, "all");
    const { protocol, first, forwarded } = opening;
    const result = opening.timedOut ? "read_timeout" : RESULTS[protocol];
    target.counters.detected(result).inc();
    if (opening.greeted) this.#habits.remember(target.name, "greets");
    if (forwarded) return forwarded;
    switch (protocol) {
      case "http/1":
      case "http/2":
        this.#habits.remember(target.name, "http");
        return this.#http(conn, target, protocol, first);
      case "tls":
      case "opaque":
        unread(conn, first);
        return bytes(conn, target);
      case "closed":
        return;
    }
  }

  async #passTls(conn: Conn, target: Target): Promise<void> {
    const { first, sni } = await readHello(this.#sidecar, conn);
    unread(conn, first);
    return bytes(conn, target, sni);
  }

  #http(conn: Conn, target: Target, protocol: "http/1" | "http/2", first?: Buffer): Promise<void> {
    const { clock, serving, settings } = this.#sidecar;
    const service = protocol === "http/1" ? http1(target) : http2(target);
    const routed = settings.outbound.ingressMode ? this.#byOverride(service) : service;
    const server =
      protocol === "http/1"
        ? serveH1(conn, routed, { clock }, first)
        : serveH2(conn, routed, h2Options(this.#sidecar, "outbound"), first);
    return serving.serve(server);
  }

  // An ingress says where a request goes; what it does not say goes where it was sent.
  #byOverride(service: HttpService): HttpService {
    return (req) => {
      const name = header(req.headers, OVERRIDE);
      if (name === undefined) return service(req);
      removeHeader(req.headers, OVERRIDE);
      return this.sendTo(name, req);
    };
  }

  #failed(conn: Conn, target: string, fault: Fault): void {
    const error = ERROR_LABELS[fault.code] || fault.code;
    this.#metrics.tcpErrors.with({ error, target_addr: target }).inc();
    this.#sidecar.logger.info("Connection failed", { error: fault, target });
    conn.reset(fault);
  }
}

const LABELS = {
  detect: "detect",
  opaque: "opaq",
  tls: "tls",
  http1: "http/1",
  http2: "http/2",
  grpc: "http/2",
} as const;

const RESULTS = {
  "http/1": "http/1",
  "http/2": "http/2",
  tls: "not_http",
  opaque: "not_http",
  closed: "error",
} as const;

// The services are asked for with each request, since the policy may change under an open connection.
function http1(target: Target): HttpService {
  return (req) => (target.bound.http1 ?? noLonger)(req);
}

function http2(target: Target): HttpService {
  return (req) => (target.bound.http2 ?? noLonger)(req);
}

const noLonger: HttpService = () =>
  Promise.reject(new Fault("unavailable", "the destination is no longer declared to speak HTTP"));

function bytes(conn: Conn, target: Target, sni?: string): Promise<void> {
  const service = target.bound.bytes?.(sni);
  if (service) return service(conn);
  return Promise.reject(new Fault("no-route", `${target.name} has no route for byte streams`));
}
