// Processes under measurement: started on one core, their CPU and memory read from the kernel's accounting.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** CPU seconds that a process and its threads have used. */
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
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
  }

  memory(): Memory {
    const rollup = readFileSync(`/proc/${this.pid}/smaps_rollup`, "utf8");
    const kb = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(rollup)?.[1] ?? 0);
    return { rssKb: kb("Rss"), privateKb: kb("Private_Clean") + kb("Private_Dirty") };
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

/** Starts `command` on the processors `cpus` ("0", "0,1"); its output is kept, not shown. */
export function start(
  name: string,
  cpus: string,
  command: readonly string[],
  env: Record<string, string> = {},
): Measured {
  const child = spawn("taskset", ["-c", cpus, ...command], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Measured(name, child);
}

/** Waits until something accepts connections at `ip:port`; says what `what` printed when nothing does. */
export async function listening(ip: string, port: number, what: Measured, timeoutMs = 10_000): Promise<void> {
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
