// A log file that is rolled: by the hour, the day, the week or its size, with so many old files kept. Lines are
// gathered for a moment and written together; a file that cannot be written is told once and not waited for.

import { createWriteStream, type WriteStream } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";

export type LogFileOptions = {
  readonly path: string;
  /** `never`, `hourly`, `daily`, `weekly(n)`, or a size such as `3.megabytes`. */
  readonly policy: string;
  /** Goes on with a file that is there, in place of emptying it. */
  readonly append: boolean;
  /** Old files to keep, -1 for all. */
  readonly keep: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

const FLUSH_MS = 50;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const UNITS: Readonly<Record<string, number>> = {
  kilo: 2 ** 10,
  mega: 2 ** 20,
  giga: 2 ** 30,
  tera: 2 ** 40,
};

export class LogFile {
  readonly #options: LogFileOptions;
  readonly #maxBytes: number;
  readonly #periodMs: number;
  // Opened with the first line.
  #stream: WriteStream | undefined;
  #lines = "";
  #bytes = 0;
  #period: number;
  #timer: Timer | undefined;
  #rolling: Promise<void> | undefined;

  constructor(options: LogFileOptions) {
    const { policy, clock, append } = options;
    this.#options = options;
    this.#maxBytes = bytesOf(policy);
    this.#periodMs = policy === "hourly" ? HOUR_MS : policy === "daily" ? DAY_MS : weeks(policy);
    this.#period = Math.floor(clock.wall() / this.#periodMs);
    if (this.#maxBytes < Infinity && append) {
      void stat(options.path).then(
        ({ size }) => (this.#bytes += size),
        () => {},
      );
    }
  }

  /** Writes a line, without its newline, within 50 ms. */
  write(line: string): void {
    this.#lines += `${line}\n`;
    this.#timer ??= this.#options.clock.after(FLUSH_MS, () => this.#flush());
  }

  close(): void {
    this.#timer?.cancel();
    this.#flush();
    void Promise.resolve(this.#rolling).then(() => {
      this.#flush();
      this.#stream?.end();
    });
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#rolling !== undefined) {
      void this.#rolling.then(() => this.#flush());
      return;
    }
    const lines = this.#lines;
    this.#lines = "";
    if (lines === "") return;
    const period = Math.floor(this.#options.clock.wall() / this.#periodMs);
    if (period === this.#period && this.#bytes + lines.length <= this.#maxBytes) {
      this.#bytes += lines.length;
      this.#stream ??= this.#open(this.#options.append);
      this.#stream.write(lines);
      return;
    }
    this.#lines = lines;
    this.#period = period;
    this.#rolling = this.#roll().finally(() => (this.#rolling = undefined));
    void this.#rolling.then(() => this.#flush());
  }

  async #roll(): Promise<void> {
    const { path, keep, clock, logger } = this.#options;
    this.#stream?.end();
    const stamp = new Date(clock.wall()).toISOString().replace(/[:.]/g, "-");
    try {
      await rename(path, `${path}.${stamp}`);
      if (keep >= 0) await this.#dropOld(keep);
    } catch (error) {
      // Nothing was written in a whole period.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        logger.warn("Cannot roll the access log", { path, error: error as Error });
      }
    }
    this.#bytes = 0;
    this.#stream = this.#open(true);
  }

  async #dropOld(keep: number): Promise<void> {
    const { path } = this.#options;
    const folder = dirname(path);
    const old = (await readdir(folder))
      .filter((name) => name.startsWith(`${basename(path)}.`))
      .sort();
    for (const name of old.slice(0, Math.max(0, old.length - keep))) await rm(join(folder, name));
  }

  #open(append: boolean): WriteStream {
    const { path, logger } = this.#options;
    const stream = createWriteStream(path, { flags: append ? "a" : "w" });
    stream.once("error", (error) => logger.error("Cannot write the access log", { path, error }));
    return stream;
  }
}

function weeks(policy: string): number {
  return policy.startsWith("weekly") ? 7 * DAY_MS : Infinity;
}

function bytesOf(policy: string): number {
  const [, count, unit] = /^(\d+)\.(kilo|mega|giga|tera)?bytes?$/.exec(policy) ?? [];
  return count === undefined ? Infinity : Number(count) * (unit === undefined ? 1 : UNITS[unit]!);
}
