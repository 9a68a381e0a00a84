// What pages ask for may come bit by bit, as namers answer, or not at all; this waits for the whole of it, for a time.

import type { Clock } from "../base/clock.ts";
import { known, type Watch } from "../base/watch.ts";

/** The first value that is whole; after `timeoutMs`, what is known, and that this is not all. */
export function settled<T>(
  watch: Watch<T>,
  clock: Clock,
  timeoutMs: number,
  isWhole: (value: T) => boolean = () => true,
): Promise<{ readonly value: T | undefined; readonly complete: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{ value: T | undefined; complete: boolean }>();
  let value: T | undefined;
  const timer = clock.after(timeoutMs, () => resolve({ value, complete: false }));
  const close = watch.observe((state) => {
    value = known(state) ?? value;
    if (value !== undefined && isWhole(value)) resolve({ value, complete: true });
  });
  return promise.finally(() => {
    timer.cancel();
    close();
  });
}
