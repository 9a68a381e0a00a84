// A log file that is rolled: by the hour, the day, the week (all of UTC) or its size, with so many old files kept. Lines
// are gathered for a moment and appended together, to whatever has the file's name then, so that others may roll it too;
// a file that cannot be written is told once and not waited for.

import { readdir, rename, rm, stat, writeFile } from "node:fs/promises";
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
  readonly #period: Period;
  #lines = "";
  #timer: Timer | undefined;
  /** Ends when all that was flushed is written. */
  #written: Promise<void> = Promise.resolve();
  /** Of the file; undefined before the first write. */
  #bytes: number | undefined;
  #periods: number;
  #failing = false;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#maxBytes = bytesOf(options.policy);
    this.#period = periodOf(options.policy);
    this.#periods = this.#passed();
  }

  /** Writes a line, without its newline, within 50 ms. */
  write(line: string): void {
    this.#lines += `${line}\n`;
    this.#timer ??= this.#options.clock.after(FLUSH_MS, () => void this.#flush());
  }

  /** Resolves when all lines are written. */
  close(): Promise<void> {
    this.#timer?.cancel();
    return this.#flush();
  }

  #flush(): Promise<void> {
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") this.#written = this.#written.then(() => this.#append(lines));
    return this.#written;
  }

  async #append(lines: string): Promise<void> {
    const { path, append, logger } = this.#options;
    const flag = append || this.#bytes !== undefined ? "a" : "w";
    const length = Buffer.byteLength(lines);
    this.#bytes ??= append ? await sizeOf(path) : 0;
    const periods = this.#passed();
    const isFull = this.#bytes > 0 && this.#bytes + length > this.#maxBytes;
    if (isFull || periods !== this.#periods) await this.#roll();
    this.#periods = periods;
    try {
      await writeFile(path, lines, { flag });
      this.#bytes += length;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) logger.error("Cannot write the access log", { path, error });
      this.#failing = true;
    }
  }

  async #roll(): Promise<void> {
    const { path, keep, clock, logger } = this.#options;
    this.#bytes = 0;
    const stamp = new Date(clock.wall()).toISOString().replace(/[:.]/g, "-");
    try {
      // A pipe or a device stays, and what has not been written for a whole period may not be there.
      const found = await stat(path).catch(() => undefined);
      if (!found?.isFile()) return;
      await rename(path, `${path}.${stamp}`);
      if (keep >= 0) await dropOld(path, keep);
    } catch (error) {
      logger.warn("Cannot roll the access log", { path, error });
    }
  }

  #passed(): number {
    const { ms, from } = this.#period;
    return Math.floor((this.#options.clock.wall() - from) / ms);
  }
}

/** How long a file is written to; `from` is one of the times when one begins. */
type Period = { readonly ms: number; readonly from: number };

// 1 January 1970 was one, the fifth day of weeks that begin with Sunday.
const THURSDAY = 5;

function periodOf(policy: string): Period {
  if (policy === "hourly") return { ms: HOUR_MS, from: 0 };
  if (policy === "daily") return { ms: DAY_MS, from: 0 };
  const day = /^weekly\((\d)\)$/.exec(policy)?.[1];
  if (day === undefined) return { ms: Infinity, from: 0 };
  return { ms: 7 * DAY_MS, from: (Number(day) - THURSDAY) * DAY_MS };
}

function bytesOf(policy: string): number {
  const [, count, unit] = /^(\d+)\.(kilo|mega|giga|tera)?bytes?$/.exec(policy) ?? [];
  return count === undefined ? Infinity : Number(count) * (unit === undefined ? 1 : UNITS[unit]!);
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : 0;
}

async function dropOld(path: string, keep: number): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder);
  const old = names.filter((name) => name.startsWith(`${basename(path)}.`)).sort();
  for (const name of old.slice(0, Math.max(0, old.length - keep))) await rm(join(folder, name));
}
