// What the kernel tells of a folder: one watcher for each folder, however many of its files are looked at, and for each
// change a look at the file that changed, not at its neighbours. A slow look covers what the kernel cannot tell
// (network file systems, links to elsewhere, exhausted inotify).

import { type FSWatcher, watch } from "node:fs";
import { statfs } from "node:fs/promises";
import { basename } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import type { Close } from "../base/watch.ts";

/** How often the slow look comes, in milliseconds. */
const checkMs = 2000;
/** As many files at a time get it where the kernel is known to tell of changes; all of them elsewhere. */
const checkedAtOnce = 64;
/** How long a file must be quiet before it is looked at, so that half-written files are rarely seen. */
const settleMs = 20;
/** File systems of this machine alone, whose changes inotify sees: ext, xfs, btrfs, zfs, f2fs, tmpfs. */
const localTypes = new Set([0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0x01021994]);
/** Stands for the folder as a whole, among the names of its files. */
const whole = "";

const known = new WeakMap<Clock, Map<string, Folder>>();

/**
 * Calls `look` a moment after the file `name` of `folder` has changed, come or gone, and every now and then besides;
 * without a name, after files have come or gone. Neither folder nor file need to exist.
 */
export function onChange(
  folder: string,
  name: string | undefined,
  clock: Clock,
  look: () => void,
): Close {
  let folders = known.get(clock);
  if (folders === undefined) known.set(clock, (folders = new Map()));
  let watched = folders.get(folder);
  if (watched === undefined) folders.set(folder, (watched = new Folder(folder, clock)));
  const close = watched.add(name ?? whole, look);
  return () => {
    close();
    if (watched.looks.size > 0 || folders.get(folder) !== watched) return;
    folders.delete(folder);
    watched.close();
  };
}

class Folder {
  readonly looks = new Map<string, Set<() => void>>();
  readonly #path: string;
  readonly #clock: Clock;
  readonly #settling = new Map<string, Timer>();
  readonly #check: Timer;
  #watcher: FSWatcher | undefined;
  /** Whether the kernel tells of all changes, as far as one can know. */
  #isTold = false;
  /** The names that wait for the slow look. */
  #turn: string[] = [];

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#attach();
    this.#check = clock.every(checkMs, () => this.#look());
  }

  add(name: string, look: () => void): Close {
    // Wrapped, so that the same function may look twice.
    const mine = (): void => look();
    const looks = this.looks.get(name) ?? new Set();
    this.looks.set(name, looks.add(mine));
    return () => {
      looks.delete(mine);
      if (looks.size > 0 || this.looks.get(name) !== looks) return;
      this.looks.delete(name);
      this.#settling.get(name)?.cancel();
      this.#settling.delete(name);
    };
  }

  close(): void {
    this.#check.cancel();
    for (const timer of this.#settling.values()) timer.cancel();
    this.#detach();
  }

  #attach(): void {
    try {
      this.#watcher = watch(this.#path, { persistent: false }, (event, name) =>
        this.#changed(event, name),
      );
      this.#watcher.on("error", () => this.#detach());
      void this.#askType(this.#watcher);
    } catch {
      // No such folder, or no inotify left: the slow look tries again.
    }
  }

  #detach(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#isTold = false;
  }

  async #askType(watcher: FSWatcher): Promise<void> {
    const type = await statfs(this.#path).then(
      (stats) => stats.type,
      () => undefined,
    );
    this.#isTold = watcher === this.#watcher && type !== undefined && localTypes.has(type);
  }

  #changed(event: string, name: string | null): void {
    // Kubernetes replaces the files of a mounted volume by one link, `..data`, that they all go through.
    if (name === null || name.startsWith("..")) return this.#tellAll();
    const timer = this.#settling.get(name);
    if (this.looks.has(name)) {
      timer?.cancel();
      this.#settle(name);
    }
    if (event === "rename" && this.looks.has(whole) && !this.#settling.has(whole)) {
      this.#settle(whole);
    }
    // The folder itself was moved or removed: the kernel will say no more about this path.
    if (name !== basename(this.#path)) return;
    this.#detach();
    this.#tellAll();
  }

  #tellAll(): void {
    for (const name of this.looks.keys()) if (!this.#settling.has(name)) this.#settle(name);
  }

  #settle(name: string): void {
    const timer = this.#clock.after(settleMs, () => {
      this.#settling.delete(name);
      this.#tell(name);
    });
    this.#settling.set(name, timer);
  }

  #tell(name: string): void {
    for (const look of this.looks.get(name) ?? []) look();
  }

  #look(): void {
    const isBlind = !this.#isTold;
    if (this.#watcher === undefined) this.#attach();
    if (isBlind || this.#turn.length === 0) this.#turn = [...this.looks.keys()];
    for (const name of this.#turn.splice(0, isBlind ? Infinity : checkedAtOnce)) this.#tell(name);
  }
}
