// What a program does that runs for months: it outlives bugs, and gives back what only its start needed.

import { systemClock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { trimMemory } from "../io/trim.ts";

/** After this long nothing that only starting needs is under way. */
const SETTLED_MS = 1000;

/** Lets the process go on after an error that nobody caught: one connection's bug must not cost all others theirs. */
export function outliveErrors(logger: Logger): void {
  process.on("uncaughtException", (error) => {
    logger.error("Uncaught error", { error: error.stack ?? error.message });
  });
}

/** To be called when the process is ready: it shrinks once it has settled. */
export function trimWhenSettled(): void {
  systemClock.after(SETTLED_MS, trimMemory);
}
