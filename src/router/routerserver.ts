// One listening address of a router. It outlives changes of the file: what serves its connections is replaced under
// it, and requests on open connections meet the new services.

import type { Clock } from "../base/clock.ts";
import type { Watch } from "../base/watch.ts";
import type { CertServer } from "../io/certtls.ts";
import type { Conn, ConnService, SocketAddr } from "../io/conn.ts";
import { Detection } from "../io/detect.ts";
import { serveH1 } from "../io/h1server.ts";
import { listen, type Listening } from "../io/listen.ts";
import type { HttpService } from "../stack/types.ts";
import { HTTP1_LIMITS, type Http1Limits } from "../wire/limits.ts";
import { rememberClientCert } from "./clientcert.ts";
import { h2OptionsOf } from "./h2settings.ts";
import type { RequestRouterConfig, ServerConfig, TcpRouterConfig } from "./routerconfig.ts";
import type { Linker } from "./routerparts.ts";
import type { ScopeConns } from "./scopeconns.ts";
import { listenOptions, serveAccepted } from "./sockets.ts";
import { acceptTls } from "./tlsfiles.ts";

/** What serves the connections of an address at a time. */
export type Served = RequestServed | StreamServed;

type ServedBy<S> = {
  /** The router's. */
  readonly label: string;
  /** `rt/L/server/<name>` has its metrics. */
  readonly name: string;
  readonly settings: S;
  readonly tls: Watch<CertServer> | undefined;
  readonly conns: ScopeConns;
};

export type RequestServed = ServedBy<ServerConfig> & {
  readonly kind: "request";
  /** In which version it refuses what is of neither. */
  readonly protocol: RequestRouterConfig["protocol"];
  readonly limits: Http1Limits;
  readonly service: HttpService;
};

export type StreamServed = ServedBy<TcpRouterConfig["servers"][number]> & {
  readonly kind: "stream";
  readonly serve: ConnService;
};

const FIRST_BYTES_MS = 60_000;
const FOREVER_MS = 2 ** 31 - 1;
const ALPN = ["h2", "http/1.1"];

export class RouterServer {
  readonly addr: SocketAddr;
  served: Served;
  readonly #linker: Linker;
  readonly #listening: Listening;

  private constructor(served: Served, linker: Linker, listening: Listening) {
    this.served = served;
    this.#linker = linker;
    this.#listening = listening;
    this.addr = listening.addr;
  }

  /** Listens where the settings say. Rejects when that cannot be. */
  static async open(served: Served, linker: Linker): Promise<RouterServer> {
    const { ip, port, socketOptions } = served.settings;
    let server: RouterServer;
    const options = listenOptions(socketOptions);
    const listening = await listen({ ip, port }, options, (conn) => server.#accept(conn));
    server = new RouterServer(served, linker, listening);
    return server;
  }

  /** Stops accepting; open connections stay. */
  close(): void {
    this.#listening.close();
  }

  #accept(conn: Conn): void {
    const { served } = this;
    served.conns.opened(conn);
    const serve = (): Promise<void> => this.#serve(conn, served);
    serveAccepted(conn, served.settings.socketOptions, this.#linker, serve);
  }

  async #serve(accepted: Conn, served: Served): Promise<void> {
    const { clock } = this.#linker;
    const { tls } = served;
    if (served.kind === "request") return this.#serveRequests(accepted, served);
    return served.serve(tls === undefined ? accepted : await acceptTls(accepted, tls, clock));
  }

  async #serveRequests(accepted: Conn, served: RequestServed): Promise<void> {
    const { settings, protocol, limits, tls } = served;
    const { serving, clock } = this.#linker;
    let conn = accepted;
    let isH2: boolean;
    let first: Buffer | undefined;
    if (tls === undefined) {
      const detected = await new Detection(conn, FIRST_BYTES_MS, clock).result;
      if (detected.protocol === "closed") return;
      isH2 = protocol === "h2" ? detected.protocol !== "http/1" : detected.protocol === "http/2";
      first = detected.first;
    } else {
      conn = await acceptTls(accepted, tls, clock, ALPN);
      rememberClientCert(conn);
      isH2 = conn.peer.tls.kind === "true" && conn.peer.tls.alpn === "h2";
    }
    // Asked for with each request, since the file may change under an open connection; what it makes of the port may
    // be no service of requests.
    const service: HttpService = (req) => {
      const { served: now } = this;
      return (now.kind === "request" ? now : served).service(req);
    };
    const { idleTimeMs, lifeTimeMs } = settings.serverSession;
    const server = isH2
      ? (await import("../io/h2server.ts")).serveH2(
          conn,
          service,
          h2OptionsOf(settings, clock),
          first,
        )
      : serveH1(conn, service, { clock, limits, idleTimeoutMs: idleTimeMs || FOREVER_MS }, first);
    const age = lifeTimeMs ? clock.after(lifeTimeMs, () => server.drain()) : undefined;
    const idle = isH2 && idleTimeMs ? endIdle(conn, server, idleTimeMs, clock) : undefined;
    await serving.serve(server);
    age?.cancel();
    idle?.cancel();
  }
}

/** The name of a server in metrics: as the file has it, so port 0 where the kernel chooses. */
export function serverName({ ip, port }: Served["settings"]): string {
  return `${ip}/${port}`;
}

/** The limits of heads that a router's settings allow. */
export function limitsOf(config: RequestRouterConfig): Http1Limits {
  if (config.protocol !== "http") return HTTP1_LIMITS;
  const { maxHeadersKB, maxInitialLineKB } = config;
  return {
    lineBytes: maxInitialLineKB * 1024,
    // The head of ours includes its first line, that of Linkerd 1 does not.
    headBytes: (maxHeadersKB + maxInitialLineKB) * 1024,
    fields: HTTP1_LIMITS.fields,
  };
}

// Bytes tell whether anybody uses an HTTP/2 connection; its streams would not show what came and went between looks.
function endIdle(conn: Conn, server: { drain(): void }, idleMs: number, clock: Clock) {
  let seen = -1;
  return clock.every(idleMs, () => {
    const now = conn.readBytes + conn.writtenBytes;
    if (now === seen) server.drain();
    seen = now;
  });
}
