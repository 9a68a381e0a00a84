// Asks again for what is on its way, and says so once. What is not there at all is not waited for.

import { pause, systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Terminal } from "./terminal.ts";

const PAUSE_MS = 1000;

/** What `ask` resolves to, asked once a second while it rejects with `unavailable`, for `waitMs` at most. */
export async function patiently<T>(
  waitMs: number,
  { scope, note }: Pick<Terminal, "scope" | "note">,
  ask: () => Promise<T>,
): Promise<T> {
  const until = systemClock.now() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await ask();
    } catch (error) {
      const { code, message } = Fault.from(error);
      if (code !== "unavailable" || systemClock.now() > until || scope.closed) throw error;
      if (isFirst) note(`${message}. Waiting…`);
      await pause(systemClock, PAUSE_MS);
    }
  }
}
