// A sidecar from its environment: binds every listener, asks for an identity, and only then lets traffic in, on as many
// threads as it may use. What it returns can be waited for, and told to drain.

import { availableParallelism } from "node:os";
import { bindShared, bucketMemory } from "../base/buckets.ts";
import { systemClock as clock, pause } from "../base/clock.ts";
import { log, type Log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { systemRandom as random } from "../base/random.ts";
import { Scope } from "../base/scope.ts";
import { sumPages } from "../base/sumpages.ts";
import type { ConnService } from "../io/conn.ts";
import { Taps } from "../stack/tap.ts";
import type { HttpService } from "../stack/types.ts";
import { admin } from "./admin.ts";
import { coresOf } from "./cores.ts";
import { Discover } from "./discover.ts";
import { parseSettings, type Env, type Settings } from "./env.ts";
import { identify } from "./identify.ts";
import type { Addrs } from "./listeners.ts";
import { measureProcess, nameBuild } from "./processmetrics.ts";
import { Serving } from "./serving.ts";
import type { Sidecar } from "./sidecar.ts";
import type { Threads } from "./threads.ts";
import { spanSink } from "./tracing.ts";
import { Traffic } from "./traffic.ts";
import { reportTrust } from "./trust.ts";
import { VERSION } from "./version.ts";

export type RunningProxy = {
  readonly addrs: Addrs;
  /** Resolves when the identity is certified and traffic is let in, on all threads. */
  readonly ready: Promise<void>;
  /** Stops accepting, lets what is under way finish within the grace period, then closes everything. */
  drain(): Promise<void>;
  /** Serves as before for the lame-duck time, in which others take this pod from their lists, and then drains. */
  retire(): Promise<void>;
  /** Resolves to the exit code when it has stopped, whoever asked for that: 70 when a thread ended by itself. */
  readonly stopped: Promise<number>;
};

const BROKEN = 70;
// What all threads know alike: of the endpoints that each of them has, and of moments, the largest is the one to show.
const isCommon = (family: string): boolean => /_balancer_endpoints$|_time_seconds$/.test(family);

/** Starts a sidecar. Throws `bad-input` for a wrong environment, `in-use` for a taken port. */
export async function startProxy(env: Env): Promise<RunningProxy> {
  const { sidecar, discover, cores, memory } = await bindSidecar(env);
  const { settings, serving, scope, credentials, logger } = sidecar;
  let threads: Threads = ALONE;
  let isReady = false;
  // The first certificate, however often there was none before it: whoever issues them may start after us.
  const certified = Promise.withResolvers<void>();
  scope.defer(credentials.each(() => certified.resolve()));
  const stopped = Promise.withResolvers<number>();
  let draining: Promise<void> | undefined;
  const drain = async (code: number): Promise<void> => {
    try {
      await Promise.all([traffic.drain(), threads.drain()]);
      await scope.close();
    } finally {
      // What could not be closed ends with the process.
      stopped.resolve(code);
    }
  };
  const stop = (code = 0): Promise<void> => (draining ??= drain(code));
  const retire = async (): Promise<void> => {
    const { lameDuckMs } = settings.own;
    serving.leaving = true;
    void threads.ask("leave", undefined);
    if (lameDuckMs > 0) {
      logger.info("Told to end; serving on until others know of it", { ms: lameDuckMs });
      await pause(clock, lameDuckMs);
    }
    await stop();
  };

  const { tapName } = settings.control;
  const all: AllThreads = {
    own: () => traffic,
    others: () => threads,
    isReady: () => isReady,
    stop: () => void stop(),
  };
  const traffic: Traffic = new Traffic(sidecar, {
    pages: pages(env, sidecar, discover, all),
    tap: tapName === undefined ? undefined : tapLater(sidecar, tapName, all),
    admitted: certified.promise,
    shared: memory !== undefined,
  });
  const addrs = await traffic.open();
  if (memory !== undefined) {
    const { startThreads } = await import("./threads.ts");
    threads = startThreads(cores - 1, sidecar, addrs, memory);
    threads.failed.catch((error: Error) => {
      logger.error("The proxy ends, since it has lost a thread", { error });
      void stop(BROKEN);
    });
  }
  const ready = Promise.all([certified.promise, threads.ready]).then(() => {
    isReady = true;
  });
  return { addrs, ready, drain: () => stop(), retire, stopped: stopped.promise };
}

/** What the first thread's servers ask of all threads. */
type AllThreads = {
  readonly own: () => Traffic;
  readonly others: () => Threads;
  readonly isReady: () => boolean;
  readonly stop: () => void;
};

function pages(
  env: Env,
  { registry, settings, credentials }: Sidecar,
  discover: Discover,
  { own, others, isReady, stop }: AllThreads,
): HttpService {
  const print = async (): Promise<string> =>
    sumPages([registry.print(), ...(await others().ask("metrics", undefined))], isCommon);
  const state = async (): Promise<unknown> => {
    const reports = [own().report(), ...(await others().ask("report", undefined))];
    return {
      ready: isReady(),
      identity: reportTrust(credentials.value),
      threads: reports.length,
      connections: reports.reduce((sum, { connections }) => sum + connections, 0),
      outbound: reports.flatMap(({ outbound }) => outbound),
      inbound: reports.flatMap(({ inbound }) => inbound),
      knowledge: discover.report(),
    };
  };
  return admin({
    env,
    registry: { print },
    log: filterOf((filter) => void others().ask("log", filter)),
    ready: isReady,
    alive: () => others().ask("alive", undefined),
    shutdown: settings.admin.shutdownEnabled ? stop : undefined,
    state,
  });
}

// Loaded for the first who taps.
function tapLater(sidecar: Sidecar, allowed: string, { others }: AllThreads): ConnService {
  let server: Promise<ConnService> | undefined;
  const load = async (): Promise<ConnService> => {
    const { tapServer } = await import("./tapserver.ts");
    return tapServer(sidecar, allowed, (request, tell) => others().listen("tap", request, tell));
  };
  return async (conn) => (await (server ??= load()))(conn);
}

const ALONE: Threads = {
  ask: () => Promise.resolve([]),
  listen: () => () => {},
  ready: Promise.resolve(),
  failed: new Promise(() => {}),
  drain: async () => {},
};

// A change of what is logged, which holds for all threads.
function filterOf(tell: (filter: string) => void): Pick<Log, "filter"> {
  return {
    get filter() {
      return log.filter;
    },
    set filter(text) {
      log.filter = text;
      tell(text);
    },
  };
}

type First = {
  readonly sidecar: Sidecar;
  readonly discover: Discover;
  readonly cores: number;
  /** What threads share; undefined for a single one. */
  readonly memory: SharedArrayBuffer | undefined;
};

async function bindSidecar(env: Env): Promise<First> {
  const given = parseSettings(env);
  log.filter = given.log.directive;
  log.format = given.log.format.toLowerCase() === "json" ? "json" : "plain";
  const cores = coresOf(given.runtime, availableParallelism());
  const settings = shareOf(given, cores);
  const scope = new Scope();
  const registry = new Registry(clock, { retainMs: settings.metrics.retainIdleMs });
  measureProcess(registry, clock);
  nameBuild(registry, VERSION);
  const parts = { settings, clock, random, registry, scope };
  const { credentials, destination, policy } = await identify(parts);
  const discover = new Discover({ ...parts, destination, policy });
  const memory = cores > 1 ? bucketMemory() : undefined;
  const sidecar = {
    ...parts,
    credentials,
    serverName: settings.identity.serverName ?? settings.identity.localName!,
    logger: log.logger("proxy"),
    discover,
    buckets: memory && bindShared(memory, clock),
    taps: new Taps(),
    spans: await spanSink({ ...parts, env, credentials: () => credentials.value }),
    serving: new Serving(),
  };
  return { sidecar, discover, cores, memory };
}

// What each of the threads gets of what is limited for all of them.
function shareOf(settings: Settings, threads: number): Settings {
  const { inbound, outbound } = settings;
  const share = <Side extends { readonly maxInFlight: number }>(side: Side): Side => ({
    ...side,
    maxInFlight: Math.ceil(side.maxInFlight / threads),
  });
  return { ...settings, inbound: share(inbound), outbound: share(outbound) };
}
