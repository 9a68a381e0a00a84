// A hundred names that change under load: no request fails, and what stays the same is neither bound nor connected anew.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Churn, churnConfig } from "./churn.ts";
import { eventually, run } from "./run.ts";

test("names change under load: none fails, each is bound once, connections leave with their endpoints", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "churn-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const churn = await Churn.start(t, folder, 100);
  const router = await run(t, churnConfig(folder, 0));
  const port = router.port();
  await churn.askAll(port);
  let over = false;
  const load = churn.load(port, 16, () => over);
  await churn.change(50, 4);
  over = true;
  await load;
  assert.deepEqual(churn.failures, []);
  assert.ok(churn.answered > 200, `only ${churn.answered} requests`);
  const metrics = await router.metrics();
  const misses = ["path", "bound", "client"].map(
    (cache) => metrics[`rt/http/bindcache/${cache}/misses`],
  );
  assert.deepEqual(misses, [100, 100, 100]);

  for (const name of churn.names) churn.write(name, 0);
  await eventually(async () => {
    const counts = await churn.connections();
    return counts.slice(10).every((count) => count === 0);
  });
  assert.ok((await churn.connections()).some((count) => count > 0));
});
