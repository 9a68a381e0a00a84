// Files as watches: what a folder's entry is, and what a file says, kept up to date. A file is read again only when its
// stamp says that it has changed.

import type { Stats } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Clock, pause } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { source, type Watch } from "../base/watch.ts";
import { onChange } from "./folder.ts";

/** Files above this are refused: nothing that names services is so large. */
const maxFileBytes = 500 * 1024;
/** How long a file that has become empty is given to be written, in milliseconds. */
const emptyMs = 200;

/** What a folder has under a name. */
export type Entry = "file" | "folder" | "none";

/** The kind of an entry of a folder; `none` while folder or entry are missing. */
export function watchEntry(folder: string, name: string, clock: Clock): Watch<Entry> {
  return watchFolder(folder, name, clock, async () => {
    const stats = await statOf(join(folder, name));
    return stats === undefined ? "none" : stats.isDirectory() ? "folder" : "file";
  }).distinct();
}

/** The text of a file; undefined while there is none. Fails, keeping the last text, when it cannot be read. */
export function watchFile(path: string, clock: Clock): Watch<string | undefined> {
  let seen: { stamp: string; text: string } | undefined;
  return watchFolder(dirname(path), basename(path), clock, async () => {
    let stats = await statOf(path);
    // Most writers empty a file before they fill it, and may be stopped in between.
    if (stats?.size === 0 && seen !== undefined && seen.text !== "") {
      await pause(clock, emptyMs);
      stats = await statOf(path);
    }
    if (stats === undefined || stats.isDirectory()) return (seen = undefined);
    const stamp = [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join();
    if (stamp === seen?.stamp) return seen.text;
    if (stats.size > maxFileBytes) throw tooBig(path, stats.size);
    seen = { stamp, text: await readFile(path, "utf8") };
    return seen.text;
  }).distinct();
}

/** What `read` says: asked at once, and after each change of `name` in `folder` (of the list of files, without a name). */
export function watchFolder<T>(
  folder: string,
  name: string | undefined,
  clock: Clock,
  read: () => Promise<T>,
): Watch<T> {
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
    const close = onChange(folder, name, clock, () => void turn());
    void turn();
    return () => {
      open = false;
      close();
    };
  });
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
