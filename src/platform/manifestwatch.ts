// Manifests on disk as a watch: read again whenever a file of theirs changes. A change with mistakes fails
// the watch, which keeps the last good manifests.

import { statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Watch } from "../base/watch.ts";
import { source } from "../base/watch.ts";
import type { Manifests } from "./manifests.ts";
import { readManifests } from "./manifests.ts";

/** Editors write a file in several steps. */
const SETTLE_MS = 150;

/** The manifests in files and folders. */
export function watchManifests(paths: readonly string[], clock: Clock): Watch<Manifests> {
  return source<Manifests>((set) => {
    let closed = false;
    let timer: Timer | undefined;
    let last = "";
    const read = (): void => {
      void readManifests(paths).then(
        (manifests) => {
          const text = JSON.stringify(manifests.resources);
          if (!closed && text !== last) set({ kind: "ok", value: manifests });
          last = text;
        },
        (error: unknown) => {
          last = "";
          if (!closed) set({ kind: "failed", fault: Fault.from(error) });
        },
      );
    };
    const watchers = paths.map((path) => {
      // Many replace a file by another one of its name, which a watcher of the file itself would not see.
      const file = statSync(path).isDirectory() ? undefined : basename(path);
      return watch(file === undefined ? path : dirname(path), (_, changed) => {
        if (file !== undefined && changed !== null && changed !== file) return;
        timer?.cancel();
        timer = clock.after(SETTLE_MS, read);
      }).on("error", () => {});
    });
    read();
    return () => {
      closed = true;
      timer?.cancel();
      for (const watcher of watchers) watcher.close();
    };
  });
}
