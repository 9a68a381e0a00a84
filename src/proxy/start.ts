// A sidecar from its environment: binds every listener, asks for an identity, and only then lets traffic in.
// What it returns can be asked whether it is ready, and told to drain.

import { Registry } from "../base/metrics.ts";
import { log } from "../base/log.ts";
import { systemClock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { Scope } from "../base/scope.ts";
import { combine, constant, type Watch } from "../base/watch.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { listen, type ListenOptions } from "../io/listen.ts";
import type { Credentials } from "../io/tls.ts";
import { Taps } from "../stack/tap.ts";
import { admin } from "./admin.ts";
import { controlService, openCalls, type ControlOptions } from "./controlclient.ts";
import { Discover } from "./discover.ts";
import { parseSettings, type Env, type Settings } from "./env.ts";
import { Identity } from "./identity.ts";
import { InboundServer } from "./inboundserver.ts";
import { OutboundServer } from "./outboundserver.ts";
import { certifyBy } from "./certify.ts";
import { measureProcess } from "./processmetrics.ts";
import { serveProxy } from "./httpproxy.ts";
import { Serving } from "./serving.ts";
import type { Sidecar } from "./sidecar.ts";
import { watchAnchors } from "./anchors.ts";
import type { HostPort } from "./settingtypes.ts";

export type RunningProxy = {
  /** Bound addresses; ports are the real ones where 0 was asked for. */
  readonly addrs: {
    readonly inbound: SocketAddr;
    readonly outbound: readonly SocketAddr[];
    readonly admin: SocketAddr;
    readonly control: SocketAddr;
  };
  /** Resolves when the identity is certified and traffic is let in. */
  readonly ready: Promise<void>;
  /** Stops accepting, lets what is under way finish within the grace period, then closes everything. */
  drain(): Promise<void>;
  /** Resolves when it has stopped, whoever asked for that. */
  readonly stopped: Promise<void>;
};

const VERSION = "0.1.0";

/** Starts a sidecar. Throws `bad-input` for a wrong environment, `in-use` for a taken port. */
export async function startProxy(env: Env): Promise<RunningProxy> {
  const settings = parseSettings(env);
  const clock = systemClock;
  const random = systemRandom;
  const scope = new Scope();
  log.filter = settings.log.directive;
  log.format = settings.log.format.toLowerCase() === "json" ? "json" : "plain";
  const registry = new Registry(clock, { retainMs: settings.metrics.retainIdleMs });
  measureProcess(registry, clock, VERSION);

  const { credentials, control } = identify(settings, registry, scope);
  const serving = new Serving();
  const sidecar: Sidecar = {
    settings,
    clock,
    random,
    registry,
    scope,
    credentials,
    serverName: settings.identity.serverName ?? settings.identity.localName!,
    logger: log.logger("proxy"),
    discover: new Discover({ settings, clock, random, registry, scope, ...control }),
    taps: new Taps(),
    spans: undefined,
    serving,
  };
  const outbound = new OutboundServer(sidecar);
  let isReady = false;
  const stopped = Promise.withResolvers<void>();
  const pages = admin({
    env,
    registry,
    log,
    ready: () => isReady,
    shutdown: settings.admin.shutdownEnabled ? () => void running.drain() : undefined,
    state: () => ({
      ready: isReady,
      connections: serving.size,
      outbound: outbound.report(),
      inbound: inbound.report(),
      knowledge: sidecar.discover.report(),
    }),
  });
  const own = { http: pages, bytes: undefined, busy: false, close: () => {} };
  const inbound = new InboundServer(sidecar, (port) => (port === adminPort ? own : undefined));
  let adminPort = settings.admin.listen.port;

  const ready = credentials.next().then(() => {
    isReady = true;
  });
  // The kernel accepts from the start; what comes before we have an identity waits.
  const whenReady = (serve: (conn: Conn) => Promise<void>) => (conn: Conn) =>
    void serving.track(conn, isReady ? serve(conn) : ready.then(() => serve(conn)));
  const closers: (() => void)[] = [];
  const bind = async (
    addr: SocketAddr,
    options: ListenOptions,
    accept: (conn: Conn) => void,
  ): Promise<SocketAddr> => {
    const listening = await listen(addr, options, accept);
    closers.push(() => listening.close());
    return listening.addr;
  };
  const addrs = await bindAll();

  async function bindAll(): Promise<RunningProxy["addrs"]> {
    const { inbound: into, outbound: out, own: ours } = settings;
    const originals = new Map(
      ours.originals.map(([at, original]) => [`${at.ip}:${at.port}`, original]),
    );
    const adminAt = await bind(
      settings.admin.listen,
      {},
      (conn) => void serving.track(conn, inbound.acceptOwn(conn)),
    );
    adminPort = adminAt.port;
    const inboundAt = await bind(
      into.listen,
      {
        ...(ours.inboundIp === undefined ? { original: "kernel" as const } : {}),
        noTls: "no_tls_from_remote",
        backlog: into.backlog,
        ...keepAlive(into.acceptKeepaliveMs),
      },
      whenReady(inbound.accept),
    );
    const listens = out.listens.length > 0 ? out.listens : ours.inboundIp ? [] : [out.listen];
    const outboundAt = await Promise.all(
      listens.map((addr) => {
        const original = originals.get(`${addr.ip}:${addr.port}`) ?? "kernel";
        const options = {
          original,
          noTls: "loopback",
          backlog: out.backlog,
          ...keepAlive(out.acceptKeepaliveMs),
        } as const;
        return bind(addr, options, whenReady(outbound.accept));
      }),
    );
    if (ours.httpProxy)
      await bind(
        ours.httpProxy,
        { noTls: "loopback" },
        whenReady(serveProxy(sidecar, outbound.byAuthority)),
      );
    const control = settings.control.listen;
    return { inbound: inboundAt, outbound: outboundAt, admin: adminAt, control };
  }

  let draining: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    for (const close of closers) close();
    await serving.drain(settings.admin.gracePeriodMs, clock);
    await scope.close();
    stopped.resolve();
  };
  const running: RunningProxy = {
    addrs,
    ready,
    drain: () => (draining ??= drain()),
    stopped: stopped.promise,
  };
  return running;
}

// Our identity and the clients of the control plane, which need each other: the identity service is called before
// there is a certificate, all others with it.
function identify(settings: Settings, registry: Registry, scope: Scope) {
  const { identity } = settings;
  const clock = systemClock;
  const random = systemRandom;
  const name = identity.serverId ?? identity.localName!;
  const anchors: Watch<string> = watchAnchors(settings, clock);
  const logger = log.logger("proxy::identity");
  let current: Credentials | undefined;
  const options = (topic: string, addr: HostPort, svcName: string | undefined): ControlOptions => ({
    topic,
    addr,
    name: svcName,
    credentials: () => current ?? bootstrap(),
    clock,
    random,
    registry,
    scope,
  });
  // Enough to check the identity service, which knows us by our token.
  const bootstrap = (): Credentials | undefined => {
    const rootsPem = anchors.value;
    return rootsPem === undefined ? undefined : { name, certPem: "", keyPem: "", rootsPem };
  };
  const identityOptions = options("identity", identity.svcAddr!, identity.svcName);
  const source = new Identity({
    name,
    dir: identity.dir,
    tokenFile: identity.tokenFile!,
    certify: certifyBy(controlService(identityOptions), identityOptions),
    minRefreshMs: identity.minRefreshMs,
    maxRefreshMs: identity.maxRefreshMs,
    clock,
    random,
    registry,
    logger,
  });
  const credentials = combine<[string, { certPem: string; keyPem: string }]>([
    anchors,
    source.certificate,
  ]).map(([rootsPem, { certPem, keyPem }]): Credentials => ({ name, certPem, keyPem, rootsPem }));
  scope.defer(credentials.each((value) => (current = value)));
  scope.defer(() => source.close());
  const call = (
    topic: string,
    group: { svcAddr: HostPort | undefined; svcName: string | undefined },
  ) => {
    const own = options(topic, group.svcAddr!, group.svcName);
    return openCalls(controlService(own), own);
  };
  const control = {
    destination: call("destination", settings.destination),
    policy: call("policy", settings.policy),
  };
  return { credentials, control };
}

function keepAlive(keepAliveMs: number | undefined): { keepAliveMs?: number } {
  return keepAliveMs === undefined ? {} : { keepAliveMs };
}
