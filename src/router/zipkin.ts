// The telemeter `io.l5d.zipkin`: spans of sampled requests to Zipkin. Today's collectors take JSON over HTTP; port 9410
// is that of the Scribe collector of Linkerd 1's days, and is spoken to in Thrift. Spans are gathered for a second;
// what a collector does not take is dropped and counted.

import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Counter } from "../base/metrics.ts";
import { Body } from "../io/body.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { dial } from "../io/dial.ts";
import { H1Client } from "../io/h1client.ts";
import { HttpReq } from "../io/message.ts";
import type { Network } from "../name/inet.ts";
import type { Exchange } from "../stack/exchange.ts";
import { scribeFrame } from "./scribe.ts";
import { type Routed, selectedOf } from "./routed.ts";
import type { Linker } from "./routerparts.ts";
import { tagsOf, type Tags } from "./spantags.ts";
import type { Telemeter } from "./telemeter.ts";
import type { TraceId } from "./traceid.ts";

/** A span on its way to a collector; times in microseconds. */
export type ZipkinSpan = {
  readonly kind: "SERVER" | "CLIENT";
  readonly name: string;
  readonly trace: TraceId;
  readonly startUs: number;
  readonly durationUs: number;
  /** Whose span it is: the router. */
  readonly service: string;
  readonly local: SocketAddr;
  readonly remote: SocketAddr | undefined;
  readonly tags: Tags;
};

export type ZipkinConfig = {
  readonly host: string;
  readonly port: number;
  readonly sampleRate: number;
};

const SCRIBE_PORT = 9410;
const GATHER_MS = 1000;
const TIMEOUT_MS = 5000;
const MAX_SPANS = 1000;

export class Zipkin implements Telemeter {
  readonly sampleRate: number;
  readonly follows = true;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #collector: Collector;
  readonly #sent: Counter;
  readonly #dropped: Counter;
  #spans: ZipkinSpan[] = [];
  #sending = false;
  #closed = false;

  constructor(
    { host, port, sampleRate }: ZipkinConfig,
    { clock, logger, metrics, network }: Linker,
  ) {
    this.#collector = new Collector(host, port, network);
    this.sampleRate = sampleRate;
    this.#clock = clock;
    this.#logger = logger;
    const scope = metrics.at("zipkin");
    this.#sent = scope.counter("sent");
    this.#dropped = scope.counter("dropped");
  }

  server(x: Exchange, routed: Routed): void {
    const { local, remote } = x.req.peer;
    this.#add("SERVER", x, routed, routed.trace, local, remote);
  }

  client(x: Exchange, routed: Routed): void {
    const { clientTrace } = routed;
    const remote = selectedOf(x.req)?.target;
    if (clientTrace !== undefined)
      this.#add("CLIENT", x, routed, clientTrace, x.req.peer.local, remote);
  }

  /** Sends what is left. */
  close(): void {
    this.#closed = true;
    void this.#flush();
  }

  #add(
    kind: ZipkinSpan["kind"],
    x: Exchange,
    routed: Routed,
    trace: TraceId,
    local: SocketAddr,
    remote: SocketAddr | undefined,
  ): void {
    if (this.#spans.length >= MAX_SPANS) return this.#dropped.inc();
    const tookMs = x.endAt - x.at;
    this.#spans.push({
      kind,
      name: x.req.method.toLowerCase(),
      trace,
      startUs: Math.round((this.#clock.wall() - tookMs) * 1000),
      durationUs: Math.max(1, Math.round(tookMs * 1000)),
      service: routed.router,
      local,
      remote,
      tags: tagsOf(x, routed),
    });
    if (this.#spans.length === 1) this.#clock.after(GATHER_MS, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    const spans = this.#spans;
    this.#spans = [];
    try {
      if (spans.length > 0) await this.#collector.send(spans);
      this.#sent.add(spans.length);
    } catch (error) {
      this.#dropped.add(spans.length);
      this.#logger.debug("Zipkin does not take spans", { error });
    }
    this.#sending = false;
    if (this.#spans.length > 0) this.#clock.after(GATHER_MS, () => void this.#flush());
    else if (this.#closed) this.#collector.close();
  }
}

class Collector {
  readonly #host: string;
  readonly #port: number;
  readonly #network: Network;
  #conn: Conn | undefined;

  constructor(host: string, port: number, network: Network) {
    this.#host = host;
    this.#port = port;
    this.#network = network;
  }

  send(spans: readonly ZipkinSpan[]): Promise<void> {
    return this.#port === SCRIBE_PORT ? this.#scribe(spans) : this.#post(spans);
  }

  close(): void {
    this.#conn?.end();
  }

  // Zipkin's v2 API.
  async #post(spans: readonly ZipkinSpan[]): Promise<void> {
    const conn = await this.#dial();
    const client = new H1Client(conn);
    const headers = ["content-type", "application/json"];
    const body = Body.of(JSON.stringify(spans.map(jsonOf)));
    const now = this.#network.clock.now();
    const authority = `${this.#host}:${this.#port}`;
    const req = new HttpReq("POST", "/api/v2/spans", authority, 11, headers, body, conn.peer, now);
    const timer = this.#network.clock.after(TIMEOUT_MS, () => conn.destroy());
    try {
      const rsp = await client.request(req);
      rsp.body.discard();
      if (rsp.status >= 300) throw new Error(`it answered ${rsp.status}`);
    } finally {
      timer.cancel();
      client.close();
    }
  }

  // Thrift's Scribe, one message for all; its answer is not waited for.
  async #scribe(spans: readonly ZipkinSpan[]): Promise<void> {
    if (this.#conn === undefined || this.#conn.closed) {
      this.#conn = await this.#dial();
      this.#conn.start({ read() {}, end: () => this.#conn?.end(), closed() {}, drained() {} });
    }
    if (this.#conn.full) throw new Error("it does not read what it was sent");
    this.#conn.write(scribeFrame(spans));
  }

  async #dial(): Promise<Conn> {
    const [ip = this.#host] = await this.#network.dns.lookup(this.#host);
    const options = { clock: this.#network.clock, timeoutMs: TIMEOUT_MS };
    return dial({ ip, port: this.#port }, options);
  }
}

function jsonOf(span: ZipkinSpan): object {
  const { trace, kind, name, startUs, durationUs, service, local, remote, tags } = span;
  const isRoot = trace.parentId === trace.spanId;
  return {
    traceId: trace.traceId,
    id: trace.spanId,
    ...(isRoot ? {} : { parentId: trace.parentId }),
    kind,
    name,
    timestamp: startUs,
    duration: durationUs,
    localEndpoint: { serviceName: service, ...endpointOf(local) },
    ...(remote === undefined ? {} : { remoteEndpoint: endpointOf(remote) }),
    tags,
    ...(trace.debug ? { debug: true } : {}),
  };
}

function endpointOf({ ip, port }: SocketAddr): object {
  return ip.includes(":") ? { ipv6: ip, port } : { ipv4: ip, port };
}
