// A delegation is told bit by bit, as namers answer; this waits for the whole of it, for a time.

import type { Clock } from "../base/clock.ts";
import { known, type Watch } from "../base/watch.ts";
import { type Delegation, isSettled } from "../name/delegate.ts";

/** The delegation with nothing pending; after `timeoutMs`, what is known of it, and whether that is all. */
export function settled(
  watch: Watch<Delegation>,
  clock: Clock,
  timeoutMs: number,
): Promise<{ readonly tree: Delegation | undefined; readonly complete: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{
    tree: Delegation | undefined;
    complete: boolean;
  }>();
  let tree: Delegation | undefined;
  const timer = clock.after(timeoutMs, () => resolve({ tree, complete: false }));
  const close = watch.observe((state) => {
    tree = known(state) ?? tree;
    if (tree && isSettled(tree)) resolve({ tree, complete: true });
  });
  return promise.finally(() => {
    timer.cancel();
    close();
  });
}
