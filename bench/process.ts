// Processes under measurement: started on one core, their CPU and memory read from the kernel's accounting.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** CPU seconds that a process, its threads and its children have used. */
export type Cpu = { readonly user: number; readonly system: number };

/** Kilobytes: resident set, and the part of it that is not shared with other processes. */
export type Memory = { readonly rssKb: number; readonly privateKb: number };

// USER_HZ of every Linux that this runs on; utime and stime of /proc/PID/stat count in it.
const TICKS_PER_SECOND = 100;

export class Measured {
  readonly child: ChildProcess;
  readonly name: string;
  #output = "";

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-8192);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The last 8 KB that it printed. */
  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  cpu(): Cpu {
    const cpu = { user: 0, system: 0 };
    for (const pid of family(this.pid)) {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      cpu.user += Number(fields[11]) / TICKS_PER_SECOND;
      cpu.system += Number(fields[12]) / TICKS_PER_SECOND;
    }
    return cpu;
  }

  memory(): Memory {
    const memory = { rssKb: 0, privateKb: 0 };
    for (const pid of family(this.pid)) {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      const kb = (key: string): number =>
        Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(rollup)?.[1] ?? 0);
      memory.rssKb += kb("Rss");
      memory.privateKb += kb("Private_Clean") + kb("Private_Dirty");
    }
    return memory;
  }

  async stop(): Promise<void> {
    if (!this.running) return;
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await Promise.race([gone, sleep(2000)]);
    if (this.running) this.child.kill("SIGKILL");
    await gone;
  }
}

export type StartOptions = {
  /** The processors that it may use: "0" or "0,1". */
  readonly cpus: string;
  readonly env?: Record<string, string>;
  /** The user that it runs as; unset: ours. */
  readonly uid?: number;
};

const started = new Set<Measured>();

/** Starts `command`; its output is kept, not shown. What still runs when this process exits is killed then. */
export function start(name: string, command: readonly string[], options: StartOptions): Measured {
  const user = options.uid === undefined ? [] : asUser(options.uid);
  // Both wrappers replace themselves by the program, which keeps their process id.
  const child = spawn("taskset", ["-c", options.cpus, ...user, ...command], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const measured = new Measured(name, child);
  started.add(measured);
  child.once("exit", () => started.delete(measured));
  return measured;
}

process.on("exit", () => {
  for (const { child } of started) child.kill("SIGKILL");
});

/** Runs `command` to its end and resolves to what it printed; rejects when it fails or takes longer than `timeoutMs`. */
export async function output(
  name: string,
  command: readonly string[],
  options: StartOptions & { readonly timeoutMs: number },
): Promise<string> {
  const program = start(name, command, options);
  const [code] = await Promise.race([
    once(program.child, "close") as Promise<[number | null]>,
    sleep(options.timeoutMs, ["late"] as const, { ref: false }),
  ]);
  await program.stop();
  if (code === 0) return program.output;
  const why =
    code === "late" ? `took longer than ${options.timeoutMs} ms` : `ended with ${String(code)}`;
  throw new Error(`${name} ${why}:\n${program.output}`);
}

function asUser(uid: number): string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
}

/** A process and all its descendants. */
function family(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean),
  );
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

/** Waits until something accepts connections at `ip:port`; says what `what` printed when nothing does. */
export async function listening(
  ip: string,
  port: number,
  what: Measured,
  timeoutMs = 10_000,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (performance.now() < until) {
    if (await accepts(ip, port)) return;
    if (!what.running) break;
    await sleep(2);
  }
  throw new Error(`${what.name} does not listen on ${ip}:${port}:\n${what.output}`);
}

function accepts(ip: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The path of a program, or undefined. */
export function which(program: string): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    try {
      if (readdirSync(folder).includes(program)) return `${folder}/${program}`;
    } catch {
      // A folder of PATH that is not there.
    }
  }
  return undefined;
}
