// What containers print: kept in a file each (two of at most 4 MB), and the last lines of each in memory, for
// `logs` and for the sentence that explains why a container ended.

import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Close } from "../base/watch.ts";

const RECENT_LINES = 1000;
const FILE_BYTES = 4 << 20;

/** A line and when it came, in milliseconds since 1970. */
export type LogLine = { readonly atMs: number; readonly line: string };

export class Log {
  readonly #file: string;
  #bytes: number;
  #recent: LogLine[] = [];
  readonly #readers = new Set<(line: LogLine) => void>();

  /** Appends to `file`, whose folders are made; when it is full it becomes `file.1`. */
  constructor(file: string) {
    this.#file = file;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    this.#bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The last `count` lines, oldest first. */
  recent(count = RECENT_LINES): readonly LogLine[] {
    return this.#recent.slice(-count);
  }

  append(line: string, atMs: number): void {
    const entry = { atMs, line };
    this.#recent.push(entry);
    if (this.#recent.length > 2 * RECENT_LINES) this.#recent = this.#recent.slice(-RECENT_LINES);
    this.#write(`${new Date(atMs).toISOString()} ${line}\n`);
    for (const reader of this.#readers) reader(entry);
  }

  /** Calls `reader` with each line from now on. */
  follow(reader: (line: LogLine) => void): Close {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  // Written at once, so that the last words of a crash are on disk.
  #write(text: string): void {
    if (this.#bytes > FILE_BYTES) {
      rmSync(`${this.#file}.1`, { force: true });
      renameSync(this.#file, `${this.#file}.1`);
      this.#bytes = 0;
    }
    this.#bytes += text.length;
    appendFileSync(this.#file, text, { mode: 0o600 });
  }
}
