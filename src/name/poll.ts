// A watch of what can only be asked, not watched, such as DNS.
// Exists so that every namer that polls does it the same way: one question at a time, none while nobody looks.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { source, type Watch } from "../base/watch.ts";

/** A question that is not answered for so long has failed, and is asked again. */
const LOST_MS = 30_000;

/**
 * The answer of `ask`, asked again `everyMs` after each answer (never, when undefined); a rejection fails the
 * watch, which keeps its value.
 */
export function poll<T>(
  clock: Clock,
  everyMs: number | undefined,
  ask: () => Promise<T>,
): Watch<T> {
  return source<T>((set) => {
    let open = true;
    let timer: Timer | undefined;
    const turn = (): void => {
      void answered(ask(), clock)
        .then(
          (value) => set({ kind: "ok", value }),
          (error: unknown) => set({ kind: "failed", fault: Fault.from(error) }),
        )
        .then(() => {
          if (open && everyMs !== undefined) timer = clock.after(everyMs, turn);
        });
    };
    turn();
    return () => {
      open = false;
      timer?.cancel();
    };
  });
}

function answered<T>(answer: Promise<T>, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const lost = new Fault("unavailable", `no answer for ${LOST_MS / 1000} s`);
    const timer = clock.after(LOST_MS, () => reject(lost));
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}
