// Linkerd 1 as a process: a file that is read, its routers and their listeners, the admin server, and what happens when
// the file changes. A change is applied whole or not at all: listeners that stay keep their connections, and a file
// with mistakes leaves everything as it was and says why.

import { type Clock, systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import type { SocketAddr } from "../io/conn.ts";
import { systemDns } from "../name/inet.ts";
import { Knowledge } from "../name/knowledge.ts";
import { printAddr } from "../stack/normalize.ts";
import { AdminServer } from "./adminserver.ts";
import type { Env } from "../proxy/env.ts";
import { closeGeneration, type Generation, makeGeneration } from "./generation.ts";
import { measureKnowledge } from "./knowledgepage.ts";
import { metricTree } from "./metrictree.ts";
import { measureRuntime } from "./runtimemetrics.ts";
import type { Linker } from "./routerparts.ts";
import { RouterServer, type Served } from "./routerserver.ts";
import { Serving } from "../proxy/serving.ts";
import { printDiagnostic } from "./yamlsource.ts";

export type LinkerdOptions = {
  /** The name of the file in messages. */
  readonly file: string;
  /** Reads the file, again each time. */
  readonly read: () => Promise<string>;
  readonly env: Env;
  readonly clock?: Clock;
};

/** What became of the last try to apply the file. */
export type Applied = {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Why the file could not be applied; undefined when it was. */
  readonly error: string | undefined;
};

// What is replaced may still have requests under way.
const REPLACED_MS = 30_000;

export class Linkerd {
  readonly linker: Linker;
  readonly options: LinkerdOptions;
  /** When it was started, in milliseconds since 1970. */
  readonly startedAt: number;
  /** What is known from others, and how old it is. */
  readonly knowledge: Knowledge;
  generation!: Generation;
  applied: Applied;
  /** Resolves when it has stopped, whoever asked for that. */
  readonly stopped: Promise<void>;
  readonly #servers = new Map<string, RouterServer>();
  #admin: AdminServer | undefined;
  #applying: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #resolveStopped!: () => void;

  private constructor(options: LinkerdOptions) {
    const clock = options.clock ?? systemClock;
    this.options = options;
    this.knowledge = new Knowledge(clock);
    this.linker = {
      clock,
      random: systemRandom,
      log,
      logger: log.logger("router"),
      metrics: metricTree(clock),
      network: { clock, dns: systemDns, knowledge: this.knowledge },
      serving: new Serving(),
      env: options.env,
    };
    this.startedAt = clock.wall();
    this.applied = { at: this.startedAt, error: undefined };
    this.stopped = new Promise((resolve) => (this.#resolveStopped = resolve));
    measureRuntime(this.linker.metrics, clock);
    measureKnowledge(this.linker.metrics.at("watches"), this.knowledge, clock);
  }

  /** Starts what the file describes. Rejects with all its mistakes, or with what is in the way. */
  static async start(options: LinkerdOptions): Promise<Linkerd> {
    const linkerd = new Linkerd(options);
    try {
      await linkerd.#apply(await options.read());
    } catch (error) {
      linkerd.#closeAll();
      throw error;
    }
    return linkerd;
  }

  /** The listeners of routers. */
  get servers(): readonly RouterServer[] {
    return [...this.#servers.values()];
  }

  /** Where it listens: the admin server and each router's servers, with real ports. */
  get addrs(): { admin: SocketAddr; routers: Readonly<Record<string, readonly SocketAddr[]>> } {
    const routers: Record<string, SocketAddr[]> = {};
    for (const { served, addr } of this.servers) (routers[served.label] ??= []).push(addr);
    return { admin: this.#admin!.addr, routers };
  }

  /** Reads the file again and applies it if it has changed. Resolves in any case; `applied` tells how it went. */
  reload(): Promise<void> {
    this.#applying = this.#applying.then(async () => {
      const { linker, options } = this;
      const at = linker.clock.wall();
      try {
        const text = await options.read();
        if (text === this.generation.text && this.applied.error === undefined) return;
        await this.#apply(text);
        this.applied = { at, error: undefined };
        linker.logger.info("Configuration applied", { file: options.file });
      } catch (thrown) {
        const error = Fault.from(thrown).message;
        if (error !== this.applied.error) {
          linker.logger.error(`Configuration not applied, the old one stays: ${error}`);
        }
        this.applied = { at, error };
      }
    });
    return this.#applying;
  }

  /** Stops accepting, lets what is under way finish, then closes everything. */
  stop(graceMs: number = this.generation.config.admin.shutdownGraceMs): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #apply(text: string): Promise<void> {
    const { linker, options } = this;
    const before = this.generation as Generation | undefined;
    const next = await makeGeneration(text, options.file, linker, before);
    const served = next.all.flatMap(({ servers }): readonly Served[] => servers);
    const wanted = new Map(served.map((one) => [keyOf(one), one]));
    const opened: [string, RouterServer][] = [];
    try {
      for (const [key, served] of wanted) {
        if (this.#servers.has(key)) continue;
        opened.push([key, await RouterServer.open(served, linker)]);
      }
      await this.#openAdmin(next);
    } catch (error) {
      for (const [, server] of opened) server.close();
      closeGeneration(next, before);
      throw error;
    }
    this.generation = next;
    for (const diagnostic of next.diagnostics) linker.logger.warn(printDiagnostic(diagnostic));
    for (const [key, server] of this.#servers) {
      const served = wanted.get(key);
      if (served !== undefined) server.served = served;
      else {
        server.close();
        this.#servers.delete(key);
      }
    }
    for (const [key, server] of opened) {
      this.#servers.set(key, server);
      linker.logger.info(`serving ${server.served.label} on /${printAddr(server.addr)}`);
    }
    if (before !== undefined) linker.clock.after(REPLACED_MS, () => closeGeneration(before, next));
  }

  // The admin server moves only when its settings change.
  async #openAdmin(next: Generation): Promise<void> {
    const { admin } = next.config;
    const key = JSON.stringify(admin);
    const old = this.#admin;
    if (old?.key === key) return;
    // One address cannot be bound twice, so the old one goes first; its connections stay.
    this.#admin = undefined;
    old?.close();
    try {
      this.#admin = await AdminServer.open(this, admin, key);
    } catch (error) {
      const same = old && { ...old.settings, port: old.addr.port };
      this.#admin = same && (await AdminServer.open(this, same, old.key));
      throw error;
    }
    this.linker.logger.info(`serving http admin on /${printAddr(this.#admin.addr)}`);
  }

  async #stop(graceMs: number): Promise<void> {
    const { serving, clock } = this.linker;
    for (const server of this.#servers.values()) server.close();
    this.#admin?.close();
    await this.#applying;
    await serving.drain(graceMs, clock);
    this.#closeAll();
    await this.knowledge.close();
    this.#resolveStopped();
  }

  #closeAll(): void {
    for (const server of this.#servers.values()) server.close();
    this.#admin?.close();
    const generation = this.generation as Generation | undefined;
    if (generation !== undefined) closeGeneration(generation);
  }
}

function keyOf({ settings: { ip, port, socketOptions } }: Served): string {
  return JSON.stringify([ip, port, socketOptions.backlog, socketOptions.reusePort]);
}
