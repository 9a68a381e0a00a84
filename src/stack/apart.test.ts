// Many hosts cost no more than the limit allows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Apart } from "./apart.ts";
import type { Exchange } from "./exchange.ts";

const to = (authority: string): Exchange => ({ req: { authority } }) as unknown as Exchange;

test("each key has a watcher of its own, and all that are too many share one", () => {
  const seen = new Map<string, number>();
  const apart = new Apart(
    ({ req }) => req.authority,
    (x) => {
      const name = x?.req.authority ?? "others";
      assert.ok(!seen.has(name), `${name} is bound once`);
      seen.set(name, 0);
      const count = (): void => void seen.set(name, seen.get(name)! + 1);
      return { begin: count, head() {}, end() {} };
    },
  );
  for (let i = 0; i < 1000; i++) apart.begin(to(`host-${i}`));
  for (let i = 0; i < 1000; i++) apart.begin(to(`host-${i}`));
  assert.equal(seen.get("host-0"), 2);
  assert.equal(seen.get("host-499"), 2);
  assert.equal(seen.get("others"), 1000);
  assert.equal(seen.size, 501);
});
