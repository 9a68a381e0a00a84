// Where connections to the workload come in: by the port that they were meant for, or directly from another
// proxy, which names the port in a transport header. TLS for our identity is terminated, all other TLS passes.

import { Cache } from "../base/cache.ts";
import { Fault } from "../base/fault.ts";
import type { Conn, Peer, SocketAddr } from "../io/conn.ts";
import type { Detected } from "../io/detect.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import { identityOf } from "../stack/authorize.ts";
import { printAddr } from "../stack/normalize.ts";
import type { HttpService } from "../stack/types.ts";
import { ERROR_LABELS } from "../stack/rescue.ts";
import { TRANSPORT_ALPN } from "../wire/transportheader.ts";
import { bindApplication } from "./application.ts";
import type { Gateway } from "./gateway.ts";
import { bindInbound } from "./inbound.ts";
import { InboundMetrics } from "./inboundmetrics.ts";
import { Memory } from "./memory.ts";
import { open, unread } from "./opening.ts";
import { Port, type Application } from "./port.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";
import { readHello, terminate } from "./terminate.ts";
import { readTransportHeader } from "./transport.ts";

type Habit = "http" | "greets";

// A range such as 1-65535 declares nothing.
const MAX_WATCHED_PORTS = 64;
// Each has a stream to the control plane, and whoever scans a pod asks for all there are.
const MAX_PORTS = 1000;
const NO_BYTES = Buffer.alloc(0);

export class InboundServer {
  readonly #sidecar: Sidecar;
  readonly #gateway: Gateway;
  readonly #metrics: InboundMetrics;
  readonly #ports: Cache<string, Port>;
  readonly #habits = new Memory<Habit>(4096);
  readonly #ownPorts: Cache<string, Port>;

  /** `pages` are the proxy's own, which connections of `acceptOwn` are for. */
  constructor(sidecar: Sidecar, pages: HttpService, gateway: Gateway) {
    const { clock, scope, settings, registry } = sidecar;
    const metrics = new InboundMetrics(registry, settings.inbound.authorityLabels === "unsafe");
    const bind = bindInbound(sidecar, metrics);
    const ports = (app: (addr: SocketAddr) => Application): Cache<string, Port> =>
      new Cache((key) => new Port(key, { sidecar, metrics, bind, app }), {
        clock,
        scope,
        idleMs: settings.inbound.discoveryIdleMs,
        max: MAX_PORTS,
      });
    this.#sidecar = sidecar;
    this.#gateway = gateway;
    this.#metrics = metrics;
    this.#ports = ports((addr) => bindApplication(sidecar, metrics, addr));
    const own = { http: pages, bytes: undefined, busy: false, close: () => {} };
    this.#ownPorts = ports(() => own);
  }

  /** Serves a connection that was meant for `conn.peer.original`. */
  readonly accept = (conn: Conn): Promise<void> =>
    this.#guard(conn, async ({ original }) => {
      const { listen, ips } = this.#sidecar.settings.inbound;
      if (ips.length > 0 && !ips.includes(original.ip)) {
        throw new Fault("forbidden", `${original.ip} is no address of this workload`);
      }
      await (original.port === listen.port
        ? this.#direct(conn)
        : this.#toPort(conn, this.#ports.at(printAddr(original))));
    });

  /** Serves a connection to a port of the proxy itself, at whichever address. */
  readonly acceptOwn = (conn: Conn): Promise<void> =>
    this.#guard(conn, ({ local }) => this.#toPort(conn, this.#ownPorts.at(printAddr(local))));

  async #guard(conn: Conn, serve: (peer: Peer) => Promise<void>): Promise<void> {
    const { original } = conn.peer;
    try {
      await serve(conn.peer);
    } catch (thrown) {
      this.#failed(conn, original, Fault.from(thrown));
    }
  }

  /** Asks for the policies of the ports that the workload declares, so that its first clients need not wait. */
  watchPorts(): void {
    const { settings, discover, scope } = this.#sidecar;
    const ports = settings.inbound.ports.flatMap(({ from, to }) =>
      Array.from({ length: to - from + 1 }, (_, i) => from + i),
    );
    for (const port of ports.slice(0, MAX_WATCHED_PORTS)) {
      scope.defer(discover.inboundPolicy(port).observe(() => {}));
    }
  }

  /** What the admin page shows. */
  report(): unknown[] {
    return this.#ports.values().map(({ addr, policy, users }) => ({
      addr: printAddr(addr),
      policy: policy.meta,
      protocol: policy.protocol.kind,
      connections: users,
    }));
  }

  // Another proxy, which says for which port the connection is. Nobody else may come this way.
  async #direct(conn: Conn): Promise<void> {
    const { settings, clock } = this.#sidecar;
    const hello = await readHello(this.#sidecar, conn);
    if (!hello.ours) throw new Fault("identity-required", "direct connections have to use our TLS");
    // Streams of bytes come on connections of their own, so that their clients are worth a ticket.
    const secure = await terminate(this.#sidecar, conn, hello.first, [TRANSPORT_ALPN], true);
    if (identityOf(secure.peer) === undefined || secure.peer.tls.kind !== "true") {
      throw new Fault("identity-required", "direct connections need a client identity");
    }
    if (secure.peer.tls.alpn !== TRANSPORT_ALPN) {
      throw new Fault("protocol", "direct connections need a transport header");
    }
    const { header, rest } = await readTransportHeader(
      secure,
      settings.inbound.detectTimeoutMs,
      clock,
    );
    this.#metrics.transportHeaders
      .with({
        session_protocol: header.protocol ?? "",
        target_port: String(header.port),
        target_name: header.name,
        client_id: secure.peer.tls.identity,
      })
      .inc();
    if (header.name !== "") {
      const door = this.#ports.at(printAddr(conn.peer.local));
      door.admit(secure.peer);
      return door.use(() => this.#gateway(secure, header, rest));
    }
    const original = { ip: settings.own.inboundIp ?? conn.peer.original.ip, port: header.port };
    if (original.port === settings.inbound.listen.port) {
      throw new Fault("gateway-loop", "a connection through this proxy to itself");
    }
    secure.peer = { ...secure.peer, original };
    const port = this.#ports.at(printAddr(original));
    await port.use(() =>
      header.protocol === undefined
        ? this.#bytes(secure, port, rest)
        : this.#http(secure, port, header.protocol, rest),
    );
  }

  async #toPort(conn: Conn, port: Port): Promise<void> {
    await port.use(async () => {
      const { kind } = port.policy.protocol;
      if (kind === "opaque") return this.#bytes(conn, port, NO_BYTES);
      const detected = await this.#open(conn, port, kind === "detect");
      if (detected === undefined) return;
      if (detected.protocol !== "tls") return this.#byProtocol(conn, port, detected);
      const hello = await readHello(this.#sidecar, conn, detected.first);
      if (!hello.ours) {
        conn.peer = { ...conn.peer, tls: { kind: "opaque", sni: hello.sni } };
        return this.#bytes(conn, port, hello.first);
      }
      const secure = await terminate(this.#sidecar, conn, hello.first);
      // A meshed client may carry HTTP/1 in HTTP/2 whatever the port declares, so its bytes tell.
      const inner = await this.#open(secure, port, kind === "detect");
      if (inner !== undefined) return this.#byProtocol(secure, port, inner);
    });
  }

  // What a connection begins with; undefined when it was over before, or forwarded since its server greeted.
  async #open(conn: Conn, port: Port, undeclared: boolean): Promise<Detected | undefined> {
    const { clock, settings } = this.#sidecar;
    const key = printAddr(port.addr);
    const habit = undeclared ? this.#habits.recall(key) : "http";
    if (habit === "greets" && conn.secure) {
      await this.#bytes(conn, port, NO_BYTES);
      return undefined;
    }
    const timeoutMs = port.policy.protocol.detectMs || settings.inbound.detectTimeoutMs;
    const ahead = habit === "http" ? undefined : port.bytes;
    const opening = await open(conn, timeoutMs, clock, ahead, conn.secure ? "all" : "opaque");
    const { protocol, timedOut, greeted, forwarded } = opening;
    const result = timedOut ? "read_timeout" : protocol === "opaque" ? "not_http" : protocol;
    port.detected(result).inc();
    if (greeted) this.#habits.remember(key, "greets");
    if (protocol === "http/1" || protocol === "http/2") this.#habits.remember(key, "http");
    if (forwarded) {
      await forwarded;
      return undefined;
    }
    return protocol === "closed" ? undefined : opening;
  }

  #byProtocol(conn: Conn, port: Port, { protocol, first }: Detected): Promise<void> {
    const { kind } = port.policy.protocol;
    if (protocol === "http/1" || protocol === "http/2") {
      if (kind === "tls") return this.#bytes(conn, port, first);
      return this.#http(conn, port, protocol, first);
    }
    if (kind === "detect" || kind === "tls") return this.#bytes(conn, port, first);
    // Declared to be HTTP, and is not: the server of that protocol says what is wrong.
    return this.#http(conn, port, kind === "http1" ? "http/1" : "http/2", first);
  }

  #bytes(conn: Conn, port: Port, first: Buffer): Promise<void> {
    unread(conn, first);
    return port.bytes(conn);
  }

  #http(conn: Conn, port: Port, protocol: "http/1" | "http/2", first: Buffer): Promise<void> {
    const { clock, serving } = this.#sidecar;
    port.count(conn);
    const service = (req: Parameters<Port["http"]>[0]) => port.http(req);
    const server =
      protocol === "http/1"
        ? serveH1(conn, service, { clock }, first)
        : serveH2(conn, service, h2Options(this.#sidecar, "inbound"), first);
    return serving.serve(server);
  }

  #failed(conn: Conn, original: SocketAddr, fault: Fault): void {
    const error = ERROR_LABELS[fault.code] || fault.code;
    this.#metrics.tcpErrors.with({ error, target_addr: printAddr(original) }).inc();
    const client = printAddr(conn.peer.remote);
    this.#sidecar.logger.info("Connection refused", {
      error: fault,
      client,
      target: printAddr(original),
    });
    conn.reset(fault);
  }
}
