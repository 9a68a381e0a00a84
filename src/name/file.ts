// Files as watches: what a folder's entry is, and what a file says, kept up to date.
// The kernel tells of changes; a slow look at the file's stamp covers what it cannot tell (network file systems,
// bind mounts, exhausted inotify), so that nothing stays stale for longer than `checkMs`.

import { type FSWatcher, type Stats, watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { type Close, source, type Watch } from "../base/watch.ts";

/** Files above this are refused: nothing that names services is so large. */
const maxFileBytes = 500 * 1024;
/** The longest time that a change can go unseen, in milliseconds. */
const checkMs = 2000;
/** How long a folder must be quiet before it is read, so that half-written files are rarely seen. */
const settleMs = 20;

/** What a folder has under a name. */
export type Entry = "file" | "folder" | "none";

/** The kind of an entry of a folder; `none` while folder or entry are missing. */
export function watchEntry(folder: string, name: string, clock: Clock): Watch<Entry> {
  return watchFolder(folder, clock, async () => {
    const stats = await statOf(join(folder, name));
    return stats === undefined ? "none" : stats.isDirectory() ? "folder" : "file";
  }).distinct();
}

/** The text of a file; undefined while there is none. Fails, keeping the last text, when it cannot be read. */
export function watchFile(path: string, clock: Clock): Watch<string | undefined> {
  let seen: { stamp: string; text: string } | undefined;
  return watchFolder(dirname(path), clock, async () => {
    const stats = await statOf(path);
    if (stats === undefined || stats.isDirectory()) return (seen = undefined);
    const stamp = [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join();
    if (stamp === seen?.stamp) return seen.text;
    if (stats.size > maxFileBytes) throw tooBig(path, stats.size);
    seen = { stamp, text: await readFile(path, "utf8") };
    return seen.text;
  }).distinct();
}

/** What `read` says of a folder: asked at once, after each change in the folder, and every `checkMs`; never twice at a time. */
export function watchFolder<T>(folder: string, clock: Clock, read: () => Promise<T>): Watch<T> {
  return source<T>((set) => {
    let open = true;
    let reading = false;
    let again = false;
    const turn = async (): Promise<void> => {
      again = reading;
      if (reading) return;
      reading = true;
      try {
        set({ kind: "ok", value: await read() });
      } catch (error) {
        set({ kind: "failed", fault: Fault.from(error) });
      }
      reading = false;
      if (again && open) void turn();
    };
    void turn();
    const close = onChange(folder, clock, () => void turn());
    return () => {
      open = false;
      close();
    };
  });
}

function onChange(folder: string, clock: Clock, fn: () => void): Close {
  let settling: Timer | undefined;
  let watcher: FSWatcher | undefined;
  const detach = (): void => {
    watcher?.close();
    watcher = undefined;
  };
  const attach = (): void => {
    try {
      watcher = watch(folder, { persistent: false }, (_event, name) => {
        settling?.cancel();
        settling = clock.after(settleMs, fn);
        // The folder itself was moved or removed: the kernel will say no more about this path.
        if (name === basename(folder)) detach();
      });
      watcher.on("error", detach);
    } catch {
      // No such folder, or no inotify left: the check below tries again.
    }
  };
  attach();
  const check = clock.every(checkMs, () => {
    if (!watcher) attach();
    fn();
  });
  return () => {
    check.cancel();
    settling?.cancel();
    detach();
  };
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function tooBig(path: string, bytes: number): Fault {
  return new Fault(
    "bad-input",
    `file ${path} has ${bytes} bytes; at most ${maxFileBytes} are read`,
  );
}
