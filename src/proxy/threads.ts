// The threads of a sidecar beside the first: workers of this process that accept on the same ports, among which the
// kernel spreads connections. The first thread is the only one that talks to the control plane, holds the admin and tap
// servers, and asks for a certificate; the others ask it (see thread.ts), and it asks them when somebody asks it.
// A thread that ends by itself ends the proxy: what it counted is lost, and whoever runs us starts us again.

import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { Close } from "../base/watch.ts";
import { discoveryTopics } from "./relay.ts";
import type { Addrs } from "./listeners.ts";
import { Link, tell, type About, type Answer } from "./link.ts";
import type { Settings } from "./env.ts";
import type { FirstThread, OtherThread, ThreadStart } from "./thread.ts";
import type { Sidecar } from "./sidecar.ts";

// As deep in what is built as in the sources.
const MAIN = join(import.meta.dirname, `../main${extname(import.meta.filename)}`);
/** Three times a nursery's half, as V8 counts: what PROXY_ENV says for the first thread. */
const YOUNG_MB = 12;

export type Threads = {
  /** Asks each of them for one answer. */
  ask<K extends keyof OtherThread>(
    topic: K,
    about: About<OtherThread[K]>,
  ): Promise<Answer<OtherThread[K]>[]>;
  /** Asks all of them for answers until closed. */
  listen<K extends keyof OtherThread>(
    topic: K,
    about: About<OtherThread[K]>,
    answer: (value: Answer<OtherThread[K]>) => void,
  ): Close;
  /** Resolves when all of them serve. */
  readonly ready: Promise<unknown>;
  /** Rejects when one ends that was not told to. */
  readonly failed: Promise<never>;
  /** Drains all; resolves when they have ended. */
  drain(): Promise<void>;
};

/** Starts `count` threads more, which listen at `addrs`. */
export function startThreads(
  count: number,
  sidecar: Sidecar,
  addrs: Addrs,
  buckets: SharedArrayBuffer,
): Threads {
  const { discover, credentials } = sidecar;
  const own: FirstThread = {
    ...discoveryTopics(discover),
    credentials: (_, answer) => tell(credentials, answer, (value) => value),
  };
  const start = {
    settings: boundAt(sidecar.settings, addrs),
    buckets,
    logFilter: log.filter,
    logFormat: log.format,
  };
  const failed = Promise.withResolvers<never>();
  let isEnding = false;
  const workers = Array.from({ length: count }, (_, i) => {
    const number = i + 2;
    const worker = new Worker(MAIN, {
      argv: ["proxy-thread"],
      execArgv: [],
      workerData: { ...start, number } satisfies ThreadStart,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    let why: Error | undefined;
    worker.on("error", (error) => (why = Fault.from(error)));
    const ended = new Promise((resolve) => worker.on("exit", resolve));
    const link = new Link<OtherThread>(worker, own);
    worker.on("exit", (code) => {
      link.close();
      const message = `thread ${number} has ended: ${why === undefined ? `exit code ${code}` : why.message}`;
      if (!isEnding) failed.reject(new Fault("closed", message, { cause: why }));
    });
    return { worker, ended, link };
  });
  const ask: Threads["ask"] = (topic, about) =>
    Promise.all(workers.map(({ link }) => link.once(topic, about)));
  return {
    ask,
    listen: (topic, about, answer) => {
      const closers = workers.map(({ link }) => link.ask(topic, about, answer));
      return () => closers.forEach((close) => close());
    },
    ready: ask("ready", undefined),
    failed: failed.promise,
    drain: async () => {
      isEnding = true;
      await Promise.all(
        workers.map(async ({ worker, link, ended }) => {
          await Promise.race([link.once("drain", undefined), ended]);
          await worker.terminate();
        }),
      );
    },
  };
}

// Where the first thread listens, with the real ports where 0 was asked for.
function boundAt(settings: Settings, { inbound, outbound, httpProxy }: Addrs): Settings {
  return {
    ...settings,
    inbound: { ...settings.inbound, listen: inbound },
    outbound: { ...settings.outbound, listens: outbound },
    own: { ...settings.own, httpProxy },
  };
}
