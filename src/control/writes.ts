// Keeps something in line with resources: with each world that comes, what differs from what it should be is written, by
// the one replica that leads. One that cannot be written is tried again with the next world.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { type Close, combine, type Watch } from "../base/watch.ts";
import type { World } from "./world.ts";

/** One thing to write. */
export type Write = { readonly key: string; readonly send: () => Promise<unknown> };

/** Writes what `due` finds, until closed; one of a key at a time, since the world does not have yet what is on its way. */
export function keepWritten(
  world: Watch<World>,
  isLeader: Watch<boolean>,
  due: (world: World) => readonly Write[],
): Close {
  let latest: World | undefined;
  let isFailing = false;
  const underWay = new Set<string>();
  const missed = new Set<string>();
  const write = (): void => {
    if (latest === undefined) return;
    for (const { key, send } of due(latest)) {
      if (underWay.has(key)) {
        missed.add(key);
        continue;
      }
      underWay.add(key);
      const done = (error?: unknown): void => {
        underWay.delete(key);
        // Once, for where one may not be written, none may.
        if (error !== undefined && !isFailing)
          log.logger("controller").warn("cannot write", { what: key, error: Fault.from(error) });
        isFailing = error !== undefined;
        if (missed.delete(key)) write();
      };
      void send().then(() => done(), done);
    }
  };
  const close = combine([world, isLeader]).each(([now, leads]) => {
    latest = leads ? now : undefined;
    write();
  });
  return () => {
    close();
    latest = undefined;
  };
}
