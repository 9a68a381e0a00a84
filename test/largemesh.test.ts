// The dashboard of a mesh too large to draw: four hundred workloads in a browser, which draws the busiest and says so.
// Needs: chromium|google-chrome.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { systemClock } from "../src/base/clock.ts";
import { resourceOf } from "../src/platform/manifests.ts";
import { Store as Resources } from "../src/platform/store.ts";
import { startViz } from "../src/viz/start.ts";
import { Store } from "../src/viz/store.ts";
import { watchWorld } from "../src/viz/world.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync)!;
const isBuilt = existsSync(join(import.meta.dirname, "../dist/web/index.html"));

const WORKLOADS = 400;
const NAMES = Array.from({ length: WORKLOADS }, (_, i) => `w${i}`);

const pod = (name: string, i: number) =>
  resourceOf("Pod", {
    metadata: { name, namespace: "shop", labels: { "linkerd.io/proxy-deployment": name } },
    spec: { containers: [{ name: "app" }, { name: "linkerd-proxy" }] },
    status: { phase: "Running", podIP: `10.0.${i >> 8}.${i & 255}` },
  });

/** Each calls the two that follow it, the last ones most. */
const said = (i: number, round: number): string =>
  [1, 2]
    .map((step) => {
      const to = NAMES[(i + step) % WORKLOADS]!;
      const labels = `direction="outbound",tls="true",dst_namespace="shop",dst_deployment="${to}"`;
      return `response_total{${labels},classification="success"} ${round * (i + 1)}\n`;
    })
    .join("");

test(
  "the busiest of a large mesh are drawn",
  { skip: !isBuilt && "the dashboard is not built", timeout: 60_000 },
  async (t) => {
    const store = new Resources(NAMES.map(pod));
    const resources = {
      watch: store.watch.bind(store),
      reviewToken: () => assert.fail(),
      writeStatus: () => assert.fail(),
    };
    const { pods } = await watchWorld(resources).next();
    const metrics = new Store(1000);
    for (const round of [0, 1]) {
      metrics.turn();
      for (const [i, { name, metricLabels }] of pods.entries())
        metrics.take(name, metricLabels, said(i, round));
    }
    const viz = await startViz({
      resources,
      metrics,
      listen: [],
      dashboard: { ip: "127.0.0.1", port: 0 },
      clock: systemClock,
      version: "v9",
    });
    t.after(() => viz.close());
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    t.after(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`${viz.address}/namespaces/shop`);
    await page.getByText(`The busiest 60 of ${WORKLOADS} are drawn`).waitFor();
    assert.equal(await page.locator(".node").count(), 60);
    assert.ok((await page.locator(".call").count()) <= 120);
    // The busiest of all calls, and in the table everybody.
    await page.locator(".call title", { hasText: "w399 calls w0" }).waitFor({ state: "attached" });
    const rows = page.getByRole("region", { name: "Workloads" }).locator("tbody tr");
    assert.equal(await rows.count(), WORKLOADS);
    // Its own page draws what is near a workload, busy or not.
    await page.goto(`${viz.address}/namespaces/shop/deployments/w7`);
    await page.locator(".call title", { hasText: "w5 calls w7" }).waitFor({ state: "attached" });
    assert.equal(await page.locator(".node").count(), 5);
  },
);
