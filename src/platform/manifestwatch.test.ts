// Manifests on disk are followed however an editor writes them.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { watchManifests } from "./manifestwatch.ts";

const manifest = (name: string): string => `
apiVersion: v1
kind: Namespace
metadata: {name: ${name}}
`;

test("a file is followed when it is written, and when another one takes its place", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "manifests-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const path of [join(folder, "shop.yaml"), folder]) {
    const file = join(folder, "shop.yaml");
    writeFileSync(file, manifest("first"));
    const watch = watchManifests([path], systemClock);
    const close = watch.observe(() => {});
    const has = (name: string) =>
      watch.next(({ resources }) => resources.some(({ metadata }) => metadata.name === name));
    await has("first");
    writeFileSync(file, manifest("second"));
    await has("second");
    for (const name of ["third", "fourth"]) {
      writeFileSync(join(folder, "draft"), manifest(name));
      renameSync(join(folder, "draft"), file);
      await has(name);
    }
    close();
  }
});
