// What a program does that runs for months: it outlives bugs, and gives back what only its start or a busy time needed.

import { type Clock, systemClock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { trimMemory } from "../io/trim.ts";

/** After this long nothing that only starting needs is under way. */
const SETTLED_MS = 1000;
/** How often it is looked whether a busy time is over, and the shares of a processor that are busy and quiet. */
const LOOK_MS = 10_000;
const BUSY = 0.05;
const QUIET = 0.005;

/** Lets the process go on after an error that nobody caught: one connection's bug must not cost all others theirs. */
export function outliveErrors(logger: Logger): void {
  process.on("uncaughtException", (error) => {
    logger.error("Uncaught error", { error: error.stack ?? error.message });
  });
}

/** To be called when the process is ready: it shrinks once it has settled, and after each busy time. */
export function trimWhenQuiet(clock: Clock = systemClock, trim = trimMemory): void {
  clock.after(SETTLED_MS, trim);
  let isGrown = false;
  let before = process.cpuUsage();
  clock.every(LOOK_MS, () => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    const share = (user + system) / 1000 / LOOK_MS;
    if (share > BUSY) isGrown = true;
    else if (isGrown && share < QUIET) {
      isGrown = false;
      trim();
    }
  });
}
