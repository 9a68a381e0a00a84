// What this process knows from others (DNS, service discovery): how old it is, and a folder that keeps it over a
// restart, so that a router whose sources are away starts with what they said last. What is kept is used only until the
// source answers, or while it does not.

import { mkdirSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { known, source, type State, type Watch } from "../base/watch.ts";

/** What somebody watches at this moment; times in milliseconds since 1970. */
export type Known = {
  /** `host web.example.com`, `/#/my.namer/web`. */
  readonly what: string;
  readonly state: "pending" | "ok" | "failed";
  /** When the source last said something else than before; undefined while it has said nothing. */
  readonly changedAt: number | undefined;
  /** Since when the source fails. What is known is at least as old as that. */
  readonly failedAt: number | undefined;
  readonly error: string | undefined;
  /** The time of the answer that was read from the folder and is used for want of a newer one. */
  readonly keptFrom: number | undefined;
};

type Mutable = { -readonly [K in keyof Known]: Known[K] };
type Kept = { readonly at: number; readonly value: unknown };

const FILE = "names.json";
/** More than any router names; the oldest are dropped. */
const MAX_KEPT = 10_000;
const WRITE_MS = 1000;
/** How long a source may take before what is kept stands in for it. */
const LATE_MS = 1000;

export class Knowledge {
  readonly #clock: Clock;
  readonly #live = new Set<Known>();
  #kept = new Map<string, Kept>();
  #folder: string | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** All that is watched, in the order of what it is; of several who ask the same, one who has an answer. */
  get live(): readonly Known[] {
    const found = new Map<string, Known>();
    for (const one of this.#live) {
      if (found.get(one.what)?.state !== "ok") found.set(one.what, one);
    }
    return [...found.values()].sort((a, b) => (a.what < b.what ? -1 : 1));
  }

  /** Keeps answers in `folder` from now on, and takes up those that are there; undefined keeps none. Throws `bad-input`. */
  open(folder: string | undefined): void {
    if (folder === this.#folder) return;
    this.#folder = undefined;
    if (folder === undefined) return;
    let text: string | undefined;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      text = readIfThere(join(folder, FILE));
    } catch (cause) {
      throw new Fault("bad-input", `stateDir ${folder}: ${(cause as Error).message}`, { cause });
    }
    this.#kept = new Map([...parseKept(text), ...this.#kept]);
    this.#folder = folder;
    if (this.#kept.size > 0) this.#changed();
  }

  /** Whether an answer is kept for `what`. */
  has(what: string): boolean {
    return this.#kept.has(what);
  }

  /**
   * The same watch, remembered: its answers, which must be JSON, are kept, and stand in for it where it fails or is late
   * before it has answered at all. `what` tells it from all others; `patienceMs`, asked when it is first observed, how
   * long it may take (1 s).
   */
  remember<T>(what: string, watch: Watch<T>, patienceMs?: () => number | undefined): Watch<T> {
    return source<T>((set) => {
      const entry: Mutable = this.#enter(what);
      const late = this.#clock.after(patienceMs?.() ?? LATE_MS, () => {
        if (entry.state === "pending") this.#recall(entry, set, away(what));
      });
      const close = watch.observe((state) => {
        this.#note(entry, state);
        if (state.kind === "ok") this.#keep(what, state.value);
        const isNew = state.kind === "failed" && known(state) === undefined;
        if (!isNew || !this.#recall(entry, set, state.fault)) set(state);
      });
      return () => {
        late.cancel();
        close();
        this.#live.delete(entry);
      };
    });
  }

  /** Resolves when all that is to be kept is written. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  #enter(what: string): Known {
    const entry: Known = {
      what,
      state: "pending",
      changedAt: undefined,
      failedAt: undefined,
      error: undefined,
      keptFrom: undefined,
    };
    this.#live.add(entry);
    return entry;
  }

  #note(entry: Mutable, state: State<unknown>): void {
    const now = this.#clock.wall();
    entry.state = state.kind;
    if (state.kind === "ok") {
      entry.changedAt = now;
      entry.failedAt = entry.error = entry.keptFrom = undefined;
    } else if (state.kind === "failed") {
      entry.failedAt ??= now;
      entry.error = state.fault.message;
    }
  }

  // First the value and then that it is old: whoever builds on it starts with the one, and shows the other.
  #recall<T>(entry: Mutable, set: (state: State<T>) => void, fault: Fault): boolean {
    const kept = this.#kept.get(entry.what);
    if (kept === undefined || entry.changedAt !== undefined) return false;
    const value = kept.value as T;
    const isFirst = entry.keptFrom === undefined;
    this.#note(entry, { kind: "failed", fault });
    entry.keptFrom = kept.at;
    if (isFirst) set({ kind: "ok", value });
    set({ kind: "failed", fault, last: value });
    return true;
  }

  #keep(what: string, value: unknown): void {
    if (this.#folder === undefined) return;
    this.#kept.delete(what);
    this.#kept.set(what, { at: this.#clock.wall(), value });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(oldest!);
    this.#changed();
  }

  #changed(): void {
    this.#timer ??= this.#clock.after(WRITE_MS, () => this.#write());
  }

  // Beside and then in its place, so that no half of it is ever read.
  #write(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const folder = this.#folder;
    if (folder === undefined) return;
    const text = JSON.stringify(Object.fromEntries(this.#kept));
    const file = join(folder, FILE);
    this.#writing = this.#writing
      .then(() => writeFile(`${file}.new`, text, { mode: 0o600 }))
      .then(() => rename(`${file}.new`, file))
      // A full disk costs what a restart would have had; the next change tries again.
      .catch(() => {});
  }
}

/** What namers may have of it: without knowledge, a watch is as it is. */
export function remembered<T>(
  { knowledge }: { readonly knowledge?: Knowledge | undefined },
  what: string,
  watch: Watch<T>,
): Watch<T> {
  return knowledge === undefined ? watch : knowledge.remember(what, watch);
}

function away(what: string): Fault {
  return new Fault("unavailable", `${what}: no answer yet`);
}

// A damaged file costs what it held, and nothing else.
function parseKept(text: string | undefined): [string, Kept][] {
  try {
    return text === undefined ? [] : Object.entries(JSON.parse(text) as Record<string, Kept>);
  } catch (error) {
    log.logger("names").warn(`${FILE} is damaged and is begun anew`, { error });
    return [];
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
