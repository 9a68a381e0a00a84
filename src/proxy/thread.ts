// A thread of a sidecar other than the first: it serves traffic on the listeners of the first and asks that one for all
// that it has to know. What it counts, it tells when it is asked.

import { bindShared } from "../base/buckets.ts";
import { systemClock as clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log, type LogFormat } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { systemRandom as random } from "../base/random.ts";
import { Scope } from "../base/scope.ts";
import type { Close } from "../base/watch.ts";
import type { Credentials } from "../io/tls.ts";
import { Taps } from "../stack/tap.ts";
import type { Env, Settings } from "./env.ts";
import { hear, Link, type Told } from "./link.ts";
import { outliveErrors } from "./longlived.ts";
import { RelayedDiscovery, type DiscoveryTopics } from "./relay.ts";
import { Serving } from "./serving.ts";
import type { Sidecar } from "./sidecar.ts";
import { watchTaps, type WatchTaps } from "./tapevents.ts";
import { Traffic, type TrafficReport } from "./traffic.ts";
import { spanSink } from "./tracing.ts";

/** What a thread begins with. */
export type ThreadStart = {
  /** From 2 on. */
  readonly number: number;
  readonly settings: Settings;
  /** Where threads share the buckets of rate limits. */
  readonly buckets: SharedArrayBuffer;
  readonly logFilter: string;
  readonly logFormat: LogFormat;
};

/** What the first thread tells. */
export type FirstThread = DiscoveryTopics & {
  readonly credentials: (about: undefined, answer: (told: Told<Credentials>) => void) => Close;
};

type Question<T, About = undefined> = (about: About, answer: (value: T) => void) => void;

/** What any other thread tells. */
export type OtherThread = {
  /** Answers when traffic is let in. */
  readonly ready: Question<boolean>;
  /** Answers at once, unless this thread hangs. */
  readonly alive: Question<boolean>;
  /** Its page of metrics. */
  readonly metrics: Question<string>;
  readonly report: Question<TrafficReport>;
  /** This process has been told to end; it may serve on for a while. */
  readonly leave: Question<boolean>;
  /** Answers when all is over. */
  readonly drain: Question<boolean>;
  readonly log: Question<string, string>;
  readonly tap: WatchTaps;
};

/** Runs this thread until it is ended from outside. */
export async function proxyThread(env: Env): Promise<never> {
  // Loaded here, for it is 2 MB that a sidecar on one core need not pay.
  const { parentPort, workerData } = await import("node:worker_threads");
  if (parentPort === null)
    throw new Fault("bad-input", "`linkerd proxy` starts its threads itself");
  const { number, settings, buckets, logFilter, logFormat } = workerData as ThreadStart;
  log.thread = String(number).padStart(2, "0");
  log.filter = logFilter;
  log.format = logFormat;
  const parts = { settings, clock, random, scope: new Scope() };
  const { scope } = parts;
  const registry = new Registry(clock, { retainMs: settings.metrics.retainIdleMs });
  const serving = new Serving();
  const taps = new Taps();
  const admitted = Promise.withResolvers<void>();
  let current: Credentials | undefined;
  const spans = await spanSink({ ...parts, registry, env, credentials: () => current });

  const isReady = (): Promise<unknown> => Promise.all([open, admitted.promise]);
  const own = topicsOf({ registry, serving, taps, scope, random }, () => traffic, isReady);
  const link = new Link<FirstThread>(parentPort, own);
  const credentials = hear<Credentials, Credentials>(
    (answer) => link.ask("credentials", undefined, answer),
    (value) => value,
  );
  scope.defer(
    credentials.each((value) => {
      current = value;
      admitted.resolve();
    }),
  );
  const idleMs = settings.outbound.discoveryIdleMs;
  const sidecar: Sidecar = {
    ...parts,
    registry,
    credentials,
    serverName: settings.identity.serverName ?? settings.identity.localName!,
    logger: log.logger("proxy"),
    discover: new RelayedDiscovery(link, { clock, scope, idleMs }),
    buckets: bindShared(buckets, clock),
    taps,
    spans,
    serving,
  };
  const options = { pages: undefined, tap: undefined, admitted: admitted.promise, shared: true };
  const traffic = new Traffic(sidecar, options);
  const open = traffic.open();
  // A rejection stays uncaught, so that the first thread hears why this one ends.
  void open.then(() => outliveErrors(sidecar.logger));
  return new Promise(() => {});
}

type Parts = Pick<Sidecar, "registry" | "serving" | "taps" | "scope" | "random">;

// What this thread tells the first one.
function topicsOf(
  { registry, serving, taps, scope, random }: Parts,
  traffic: () => Traffic,
  isReady: () => Promise<unknown>,
): OtherThread {
  return {
    ready: (_, answer) => void isReady().then(() => answer(true)),
    alive: (_, answer) => answer(true),
    metrics: (_, answer) => answer(registry.print()),
    report: (_, answer) => answer(traffic().report()),
    leave: (_, answer) => answer((serving.leaving = true)),
    drain: (_, answer) =>
      void traffic()
        .drain()
        .then(() => scope.close())
        .then(() => answer(true)),
    log: (filter, answer) => answer((log.filter = filter)),
    tap: watchTaps(taps, random),
  };
}
