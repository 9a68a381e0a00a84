// A sidecar from its environment: binds every listener, asks for an identity, and only then lets traffic in.
// What it returns can be waited for, and told to drain.

import { systemClock as clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { systemRandom as random } from "../base/random.ts";
import { Scope } from "../base/scope.ts";
import type { Conn, ConnService } from "../io/conn.ts";
import { Taps } from "../stack/tap.ts";
import { admin } from "./admin.ts";
import { Discover } from "./discover.ts";
import { parseSettings, type Env } from "./env.ts";
import { gateway } from "./gateway.ts";
import { serveProxy } from "./httpproxy.ts";
import { identify } from "./identify.ts";
import { InboundServer } from "./inboundserver.ts";
import { bindListeners, type Addrs } from "./listeners.ts";
import { OutboundServer } from "./outboundserver.ts";
import { measureProcess } from "./processmetrics.ts";
import { Serving } from "./serving.ts";
import type { Sidecar } from "./sidecar.ts";
import { tapServer } from "./tapserver.ts";
import { spanSink } from "./tracing.ts";

export type RunningProxy = {
  readonly addrs: Addrs;
  /** Resolves when the identity is certified and traffic is let in. */
  readonly ready: Promise<void>;
  /** Stops accepting, lets what is under way finish within the grace period, then closes everything. */
  drain(): Promise<void>;
  /** Serves as before for the lame-duck time, in which others take this pod from their lists, and then drains. */
  retire(): Promise<void>;
  /** Resolves when it has stopped, whoever asked for that. */
  readonly stopped: Promise<void>;
};

const VERSION = "0.1.0";

/** Starts a sidecar. Throws `bad-input` for a wrong environment, `in-use` for a taken port. */
export async function startProxy(env: Env): Promise<RunningProxy> {
  const sidecar = await bindSidecar(env);
  const { settings, serving, scope, credentials } = sidecar;
  let isReady = false;
  // The first certificate, however often there was none before it: whoever issues them may start after us.
  const certified = Promise.withResolvers<void>();
  scope.defer(credentials.each(() => certified.resolve()));
  const ready = certified.promise.then(() => {
    isReady = true;
  });
  const stopped = Promise.withResolvers<void>();
  let draining: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    listeners?.close();
    await serving.drain(settings.admin.gracePeriodMs, clock);
    await scope.close();
    stopped.resolve();
  };
  const stop = (): Promise<void> => (draining ??= drain());
  const retire = async (): Promise<void> => {
    const { lameDuckMs } = settings.own;
    serving.leaving = true;
    if (lameDuckMs > 0) {
      sidecar.logger.info("Told to end; serving on until others know of it", { ms: lameDuckMs });
      await new Promise<void>((resolve) => clock.after(lameDuckMs, resolve));
    }
    await stop();
  };

  const outbound = new OutboundServer(sidecar);
  const pages = admin({
    env,
    registry: sidecar.registry,
    log,
    ready: () => isReady,
    shutdown: settings.admin.shutdownEnabled ? () => void stop() : undefined,
    state: () => ({
      ready: isReady,
      connections: serving.size,
      outbound: outbound.report(),
      inbound: inbound.report(),
      knowledge: sidecar.discover.report(),
    }),
  });
  const inbound = new InboundServer(sidecar, pages, gateway(sidecar, outbound));
  inbound.watchPorts();
  const { tapName } = settings.control;
  const servers = {
    inbound: inbound.accept,
    outbound: outbound.accept,
    httpProxy: serveProxy(sidecar, outbound),
    admin: inbound.acceptOwn,
    tap: tapName === undefined ? undefined : tapServer(sidecar, tapName),
  };
  // The kernel accepts from the start; what comes before we have an identity waits, but for the admin pages.
  const accept = (conn: Conn, serve: ConnService): void => {
    const now = isReady || serve === servers.admin;
    void serving.track(conn, now ? serve(conn) : ready.then(() => serve(conn)));
  };
  const listeners = await bindListeners(settings, servers, accept).catch(async (error) => {
    await scope.close();
    throw error;
  });
  return { addrs: listeners.addrs, ready, drain: stop, retire, stopped: stopped.promise };
}

async function bindSidecar(env: Env): Promise<Sidecar> {
  const settings = parseSettings(env);
  log.filter = settings.log.directive;
  log.format = settings.log.format.toLowerCase() === "json" ? "json" : "plain";
  const scope = new Scope();
  const registry = new Registry(clock, { retainMs: settings.metrics.retainIdleMs });
  measureProcess(registry, clock, VERSION);
  const parts = { settings, clock, random, registry, scope };
  const { credentials, destination, policy } = await identify(parts);
  return {
    ...parts,
    credentials,
    serverName: settings.identity.serverName ?? settings.identity.localName!,
    logger: log.logger("proxy"),
    discover: new Discover({ ...parts, destination, policy }),
    taps: new Taps(),
    spans: await spanSink({ ...parts, env, credentials: () => credentials.value }),
    serving: new Serving(),
  };
}
