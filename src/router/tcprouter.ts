// The router of byte streams: names a connection by its port, or by the server name of its TLS, and splices it to an
// endpoint that the name is bound to. Linkerd 1 had none; redis and TLS that is passed through needed another proxy.

import { exponential } from "../base/backoff.ts";
import { Fault } from "../base/fault.ts";
import { type Close, known, type Watch } from "../base/watch.ts";
import type { CertServer } from "../io/certtls.ts";
import type { Conn } from "../io/conn.ts";
import { Detection } from "../io/detect.ts";
import type { Bound } from "../name/bind.ts";
import { type NameTree, pickLeaf } from "../name/nametree.ts";
import { type Path, printPath } from "../name/path.ts";
import { Balancer } from "../stack/balance.ts";
import { Connector } from "../stack/connect.ts";
import { Queue } from "../stack/queue.ts";
import { TcpEndpoint } from "../stack/tcp.ts";
import { parseClientHello } from "../wire/clienthello.ts";
import type { Verdict } from "../wire/preface.ts";
import { balancingOf } from "./accruals.ts";
import { type EndpointAddress, watchAddresses } from "./addresses.ts";
import { BindCache, type Bindable } from "./bindcache.ts";
import { printDuration } from "./duration.ts";
import { bindInterpreter } from "./interpreters.ts";
import { spliceOpening, unread } from "../proxy/opening.ts";
import type { ServerTls, TcpRouterConfig } from "./routerconfig.ts";
import { dialAddress } from "./routerdial.ts";
import type { FileParts, RouterParts } from "./routerparts.ts";
import { serverName, type StreamServed } from "./routerserver.ts";
import { ScopeConns } from "./scopeconns.ts";
import { watchClientTls, watchServerTls } from "./tlsfiles.ts";
import { policyFor, type Policy } from "./yamlpolicy.ts";

const HELLO_MS = 10_000;
const RECONNECT = exponential(100, 30_000, 0.1);
const MAX_WAITERS = 10_000;

export class TcpRouter {
  readonly config: TcpRouterConfig;
  readonly servers: readonly StreamServed[];
  readonly #parts: RouterParts<TcpRouterConfig>;
  readonly #names: BindCache<BoundName>;
  readonly #clients: BindCache<TcpClient>;
  readonly #closers: Close[];

  constructor(config: TcpRouterConfig, file: FileParts) {
    const { clock, metrics } = file;
    const scope = metrics.at("rt", config.label);
    const { paths, clients, idleTtlSecs } = config.bindingCache;
    const cache = (name: string, max: number) => ({
      clock,
      max,
      idleMs: idleTtlSecs * 1000,
      scope: scope.at("bindcache", name),
    });
    this.config = config;
    this.#closers = [scope.hold()];
    this.#parts = {
      ...file,
      config,
      scope,
      interpreter: bindInterpreter(config.interpreter, file),
    };
    this.#names = new BindCache(cache("path", paths));
    this.#clients = new BindCache(cache("client", clients));
    this.servers = config.servers.map((settings) => {
      const name = serverName(settings);
      const server = scope.at("server", name);
      this.#closers.push(server.hold());
      return {
        kind: "stream",
        label: config.label,
        name,
        settings,
        tls: this.#watchTls(settings.tls),
        conns: ScopeConns.of(server, clock),
        serve: (conn) => this.#serve(conn),
      };
    });
  }

  close(): void {
    this.#names.close();
    this.#clients.close();
    for (const close of this.#closers.splice(0)) close();
  }

  #watchTls(tls: ServerTls | undefined): Watch<CertServer> | undefined {
    const watch = tls && watchServerTls(tls, this.#parts.clock);
    if (watch) this.#closers.push(watch.observe(() => {}));
    return watch;
  }

  async #serve(conn: Conn): Promise<void> {
    const { clock, config } = this.#parts;
    const now = clock.now();
    const path = [...config.dstPrefix, ...(await this.#identify(conn))];
    const text = printPath(path);
    const name =
      this.#names.use(text, now) ?? this.#names.add(text, now, new BoundName(path, this.#parts));
    const bound = await name.pick();
    const id = printPath(bound.id);
    const client =
      this.#clients.use(id, now) ?? this.#clients.add(id, now, new TcpClient(bound, this.#parts));
    await client.queue.service(conn);
  }

  async #identify(conn: Conn): Promise<Path> {
    const { identifier } = this.config;
    if (identifier.kind === "io.l5d.static") return identifier.path;
    if (identifier.kind === "io.l5d.port") return [String(conn.peer.local.port)];
    const { clock } = this.#parts;
    const { first } = await new Detection(conn, HELLO_MS, clock, undefined, askHello).result;
    const hello = parseClientHello(first);
    unread(conn, first);
    if (hello.kind === "hello" && hello.sni !== undefined) return [hello.sni];
    throw new Fault("bad-request", "the client's TLS names no server", { side: "client" });
  }
}

// What a name is bound to, watched for as long as it is used.
class BoundName implements Bindable {
  readonly #tree: Watch<NameTree<Bound>>;
  readonly #stop: Close;
  readonly #parts: RouterParts<TcpRouterConfig>;
  readonly #text: string;
  #waiting = 0;

  constructor(path: Path, parts: RouterParts<TcpRouterConfig>) {
    this.#parts = parts;
    this.#text = printPath(path);
    this.#tree = parts.interpreter.bind(parts.config.dtab, path);
    this.#stop = this.#tree.observe(() => {});
  }

  /** Connections wait for its binding. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  async pick(): Promise<Bound> {
    const tree = known(this.#tree.state) ?? (await this.#answered());
    const bound = pickLeaf(tree, this.#parts.random);
    if (bound === undefined) throw new Fault("no-route", `${this.#text} is bound to nothing`);
    return bound;
  }

  async #answered(): Promise<NameTree<Bound>> {
    const { clock, config } = this.#parts;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = clock.after(config.bindingTimeoutMs, () => {
      const limit = printDuration(config.bindingTimeoutMs);
      reject(new Fault("unavailable", `${this.#text} is not bound after ${limit}`));
    });
    this.#waiting += 1;
    try {
      return await Promise.race([this.#tree.next(), promise]);
    } finally {
      this.#waiting -= 1;
      timer.cancel();
    }
  }

  close(): void {
    this.#stop();
  }
}

class TcpClient implements Bindable {
  readonly queue: Queue<Conn, void, EndpointAddress>;
  readonly #release: Close;
  readonly #stopTls: Close | undefined;

  constructor(
    bound: Bound,
    { clock, random, plugins, config, scope }: RouterParts<TcpRouterConfig>,
  ) {
    const name = printPath(bound.id);
    const client = scope.at("client", name.slice(1));
    const { settings, captures } = policyFor(config.client as Policy<TcpClientPolicy>, bound.id);
    const { chooser, load } = balancingOf(settings.loadBalancer, { random, plugins });
    const conns = ScopeConns.of(client, clock);
    const tls = watchClientTls(settings.tls, captures, clock);
    this.#stopTls = tls?.observe(() => {});
    const balancer = new Balancer<Conn, void, EndpointAddress>({
      name,
      targets: watchAddresses(bound.addr),
      endpoint: (address) => {
        const endpoint = new TcpEndpoint(address, { clock, load, splice: spliceOpening });
        const dial = conns.dial(dialAddress(address, { ...settings, tls, clock, alpn: undefined }));
        endpoint.dial = new Connector(endpoint, dial, {
          clock,
          random,
          backoff: RECONNECT,
          isClosed: (conn) => conn.closed,
          close: (conn) => conn.destroy(),
        }).dial;
        return endpoint;
      },
      probation: settings.loadBalancer.enableProbation,
      clock,
      random,
      chooser: chooser as never,
    });
    const failfastMs = config.bindingTimeoutMs;
    this.#release = client.hold();
    this.queue = new Queue(balancer, { clock, capacity: MAX_WAITERS, failfastMs });
    client.gauge(() => balancer.endpoints.size, "loadbalancer", "size");
    client.gauge(() => balancer.readyCount, "loadbalancer", "available");
  }

  get busy(): boolean {
    return this.queue.busy;
  }

  close(): void {
    this.queue.close();
    this.#release();
    this.#stopTls?.();
  }
}

type TcpClientPolicy = Omit<Extract<TcpRouterConfig["client"], { kind: "io.l5d.global" }>, "kind">;

function askHello(bytes: Buffer): Verdict {
  const { kind } = parseClientHello(bytes);
  return kind === "incomplete" ? "undecided" : kind === "hello" ? "tls" : "opaque";
}
