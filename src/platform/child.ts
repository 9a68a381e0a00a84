// A child process in a process group of its own, which never outlives this process, not even when that is
// killed with SIGKILL. Each child starts through a line of shell that leaves a watcher in its group: the
// watcher reads a pipe whose other end we hold, and ends the whole group when that end is gone. A child
// that leaves its group (setsid) is out of reach.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";

/** How a process ended; `signal` when one ended it, and `message` when it could not be started. */
export type Exit = {
  readonly code: number;
  readonly signal?: NodeJS.Signals;
  readonly message?: string;
};

export type ChildOptions = {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Gets each line of stdout and stderr, without its end. */
  readonly line: (line: string) => void;
  readonly clock?: Clock;
};

/**
 * Shell that becomes "$@" and leaves a watcher of descriptor 3 behind. `$$` is the process group in the subshells
 * too. The watcher is doubly forked, so that the program never meets a child that it did not start.
 */
export const WATCHED = `(trap '' TERM INT HUP
 (read -r _ <&3; kill -TERM -$$; sleep 3; kill -KILL -$$) >/dev/null 2>&1 </dev/null &)
exec "$@" 3<&-`;

const LONGEST_LINE = 16_384;

export class Child {
  /** Settles when the program has ended and its group is gone. */
  readonly exited: Promise<Exit>;
  readonly startedMs: number;
  readonly #process: ChildProcess;
  readonly #clock: Clock;

  constructor(options: ChildOptions) {
    this.#clock = options.clock ?? systemClock;
    this.startedMs = this.#clock.wall();
    this.#process = spawn("/bin/sh", ["-c", WATCHED, "sh", ...options.argv], {
      detached: true,
      cwd: options.cwd,
      env: options.env,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    const ends = [this.#process.stdout!, this.#process.stderr!].map((stream) =>
      readLines(stream, options.line),
    );
    this.exited = this.#wait(ends);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Asks the program to end, and ends its whole group after `graceMs`. */
  async stop(graceMs: number): Promise<Exit> {
    if (!this.running) return this.exited;
    this.signal("SIGTERM");
    const timer = this.#clock.after(graceMs, () => killGroup(this.#process.pid));
    const exit = await this.exited;
    timer.cancel();
    return exit;
  }

  /** Sends a signal to the program alone, as a container runtime does. */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async #wait(ends: readonly Promise<unknown>[]): Promise<Exit> {
    const exit = await new Promise<Exit>((resolve) => {
      this.#process.once("error", (error) => resolve({ code: -1, message: error.message }));
      this.#process.once("exit", (code, signal) => {
        resolve(
          signal === null ? { code: code ?? 0 } : { code: 128 + signalNumber(signal), signal },
        );
      });
    });
    // What the program left behind goes with it, and the watcher as well.
    killGroup(this.#process.pid);
    this.#process.stdio[3]?.destroy();
    await Promise.all(ends);
    return exit;
  }
}

/** Ends a whole process group at once; nothing happens when it is gone already. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

/** Runs a program to its end and says how it ended; its lines go to `line`. */
export function run(options: ChildOptions & { readonly timeoutMs: number }): Promise<Exit> {
  const child = new Child(options);
  const timer = (options.clock ?? systemClock).after(options.timeoutMs, () => void child.stop(0));
  return child.exited.finally(() => timer.cancel());
}

async function readLines(stream: Readable, line: (line: string) => void): Promise<void> {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const each of lines) line(each.replace(/\r$/, ""));
    if (rest.length > LONGEST_LINE) {
      line(rest);
      rest = "";
    }
  });
  await once(stream, "close");
  if (rest !== "") line(rest);
}

const NUMBERS: Partial<Record<NodeJS.Signals, number>> = { SIGKILL: 9, SIGTERM: 15, SIGINT: 2 };

const signalNumber = (signal: NodeJS.Signals): number => NUMBERS[signal] ?? 0;
