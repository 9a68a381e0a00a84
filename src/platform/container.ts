// One container of a pod as a process: started, probed, restarted with a growing pause, stopped. Its status
// reads as that of a kubelet, with one sentence more where a local machine has reasons of its own.

import type { Clock, Timer } from "../base/clock.ts";
import type { Close } from "../base/watch.ts";
import type { Exit } from "./child.ts";
import { Child, run } from "./child.ts";
import type { Container as Spec, ContainerStatus } from "./kinds.ts";
import type { Log } from "./logs.ts";
import { watchProbe } from "./probe.ts";

/** What is run: everything that names or variables stood for is filled in. */
export type ContainerPlan = {
  readonly spec: Spec;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly ip: string;
  readonly restart: "Always" | "OnFailure" | "Never";
  readonly log: Log;
  /** Whether the program listens on a port, where a connection would not tell. */
  readonly listens?: (port: number) => boolean;
};

const BACKOFF_MS = { least: 1000, most: 30_000 };
/** A container that ran this long starts its pauses anew. */
const STEADY_MS = 60_000;

type Phase = "waiting" | "running" | "terminated";

export class Container {
  readonly plan: ContainerPlan;
  readonly #clock: Clock;
  readonly #changed: () => void;
  #child: Child | undefined;
  #phase: Phase = "waiting";
  #reason = "ContainerCreating";
  #message = "";
  #exit: Exit | undefined;
  #finishedMs = 0;
  #restarts = 0;
  #backoffMs = BACKOFF_MS.least;
  #ready = false;
  #started = false;
  #stopping = false;
  #timer: Timer | undefined;
  #probes: Close[] = [];

  /** Calls `changed` whenever the status changes. */
  constructor(plan: ContainerPlan, clock: Clock, changed: () => void) {
    this.plan = plan;
    this.#clock = clock;
    this.#changed = changed;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get started(): boolean {
    return this.#started;
  }

  /** How it ended for good: never, with an exit that the restart policy accepts, or with a failure. */
  get ended(): Exit | undefined {
    return this.#phase === "terminated" ? this.#exit : undefined;
  }

  get status(): ContainerStatus {
    const startedAt = this.#child ? iso(this.#child.startedMs) : undefined;
    const terminated = this.#exit && {
      exitCode: this.#exit.code,
      reason: this.#exit.code === 0 ? "Completed" : "Error",
      finishedAt: iso(this.#finishedMs),
      ...(this.#message !== "" && { message: this.#message }),
      ...(startedAt !== undefined && { startedAt }),
    };
    const waiting = {
      reason: this.#reason,
      ...(this.#message !== "" && { message: this.#message }),
    };
    return {
      name: this.plan.spec.name,
      image: this.plan.spec.image,
      ready: this.#ready,
      started: this.#started,
      restartCount: this.#restarts,
      state:
        this.#phase === "waiting"
          ? { waiting }
          : this.#phase === "running"
            ? { running: { startedAt: startedAt! } }
            : { terminated: terminated! },
      ...(terminated && this.#phase !== "terminated" && { lastState: { terminated } }),
    };
  }

  start(): void {
    if (this.#stopping) return;
    const { argv, env, cwd, log } = this.plan;
    const line = (text: string): void => log.append(text, this.#clock.wall());
    const child = new Child({ argv, env, cwd, line, clock: this.#clock });
    this.#child = child;
    this.#become("running", "", "");
    this.#probe(child);
    void child.exited.then((exit) => this.#ended(child, exit));
  }

  /** Ends the process: `preStop` first, then SIGTERM, then SIGKILL when `graceMs` are over. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#timer?.cancel();
    const child = this.#child;
    const preStop = this.plan.spec.lifecycle?.preStop?.exec?.command;
    const from = this.#clock.now();
    if (child?.running && preStop) await this.exec(preStop, graceMs);
    await child?.stop(Math.max(0, graceMs - (this.#clock.now() - from)));
    this.#quiet();
    if (this.#phase !== "terminated") this.#become("terminated", "Completed", "");
  }

  /** Ends the process so that it starts again at once. */
  async restart(graceMs: number): Promise<void> {
    this.#backoffMs = 0;
    if (this.#child?.running) await this.#child.stop(graceMs);
    else if (this.#timer) {
      this.#timer.cancel();
      this.start();
    }
  }

  /** Runs a command beside the process, with its environment; true when it ends with 0 in time. */
  async exec(command: readonly string[], timeoutMs: number): Promise<boolean> {
    const { env, cwd } = this.plan;
    const options = { argv: command, env, cwd, line: () => {}, clock: this.#clock, timeoutMs };
    return (await run(options)).code === 0;
  }

  // Startup first; readiness and liveness once it has passed.
  #probe(child: Child): void {
    const { spec, ip, listens } = this.plan;
    const target = {
      ...(listens && { listens }),
      ip,
      ports: spec.ports,
      exec: (command: readonly string[], timeoutMs: number) => this.exec(command, timeoutMs),
    };
    const watch = (
      probe: Spec["startupProbe"],
      eager: boolean,
      verdict: (good: boolean) => void,
    ): void => {
      if (!probe) return verdict(true);
      this.#probes.push(watchProbe(this.#clock, probe, target, eager, verdict));
    };
    const kill = (what: string): void => {
      this.plan.log.append(`linkerd: the ${what} probe failed, restarting`, this.#clock.wall());
      void child.stop(3000);
    };
    watch(spec.startupProbe, true, (good) => {
      if (this.#started) return;
      if (!good) return kill("startup");
      this.#started = true;
      watch(spec.readinessProbe, true, (ready) => this.#readiness(ready));
      watch(spec.livenessProbe, false, (alive) => void (alive || kill("liveness")));
    });
  }

  #readiness(ready: boolean): void {
    if (this.#phase !== "running" || this.#ready === ready) return;
    this.#ready = ready;
    this.#changed();
  }

  #ended(child: Child, exit: Exit): void {
    this.#quiet();
    this.#exit = exit;
    this.#finishedMs = this.#clock.wall();
    const { restart, log } = this.plan;
    const message = exit.code === 0 ? "" : explain(exit, this.plan, log);
    const again = restart === "Always" || (restart === "OnFailure" && exit.code !== 0);
    if (this.#stopping || !again) {
      this.#become("terminated", exit.code === 0 ? "Completed" : "Error", message);
      return;
    }
    if (this.#clock.wall() - child.startedMs > STEADY_MS) this.#backoffMs = BACKOFF_MS.least;
    const wait = this.#backoffMs;
    this.#backoffMs = Math.min(BACKOFF_MS.most, Math.max(BACKOFF_MS.least, 2 * wait));
    this.#restarts++;
    this.#become("waiting", "CrashLoopBackOff", message);
    this.#timer = this.#clock.after(wait, () => this.start());
  }

  #quiet(): void {
    for (const close of this.#probes.splice(0)) close();
    this.#ready = false;
    this.#started = false;
  }

  #become(phase: Phase, reason: string, message: string): void {
    this.#phase = phase;
    this.#reason = reason;
    this.#message = message;
    this.#changed();
  }
}

const TAKEN = /EADDRINUSE|address already in use/i;

// Why a container ended, from its last lines; a taken port is what a machine without namespaces adds.
function explain(exit: Exit, { spec, ip }: ContainerPlan, log: Log): string {
  if (exit.message !== undefined) return exit.message;
  const last = log.recent(50).map(({ line }) => line);
  if (last.some((line) => TAKEN.test(line))) {
    const ports = spec.ports.map((port) => port.containerPort).join(", ") || "its port";
    return (
      `another workload already listens on ${ports}. Let this one listen on the address in HOST ` +
      `(${ip}) only, or give each pod a network of its own with --transparent.`
    );
  }
  if (exit.code === 127) return last.at(-1) ?? "the command was not found";
  const line = last.findLast((text) => text.trim() !== "");
  return `ended with ${exit.signal ?? `code ${exit.code}`}${line === undefined ? "" : `: ${line.slice(0, 300)}`}`;
}

const iso = (ms: number): string => new Date(ms).toISOString();
