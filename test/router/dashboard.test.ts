// The router's dashboard in a browser: what runs, a name tried under other rules, a level of logging changed. Skipped
// where there is no browser, or nothing was built.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { dns } from "./dns.ts";
import { backend, run, send } from "./run.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);
const isBuilt = existsSync(join(import.meta.dirname, "../../dist/web/router/index.html"));

test("the dashboard shows what runs", { skip: !executablePath || !isBuilt }, async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    `
namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
telemetry: [{kind: io.l5d.recentRequests, sampleRate: 1.0}]
routers:
- protocol: http
  label: out
  dtab: /svc => /#/io.l5d.fs
  client: {failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 1}, loadBalancer: {kind: roundRobin}}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
    { "disco/web": `${web.line}\n127.0.0.1 1\n` },
  );
  const browser = await chromium.launch({
    executablePath: executablePath!,
    args: ["--no-sandbox"],
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
  for (let i = 0; i < 4; i++) await send(at.port("out"), "/seen");
  await page.goto(`http://127.0.0.100:${at.adminPort}/`);
  await page.getByText("/svc/web", { exact: true }).waitFor();
  await page.getByText(`127.0.0.1:${web.port}`, { exact: true }).waitFor();
  await page.getByText("broken", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Dtab" }).click();
  await page.locator("#dtab").fill("/svc => /$/inet/127.0.0.1/9");
  await page.locator("#path").fill("/svc/other");
  await page.getByText("127.0.0.1:9", { exact: true }).waitFor();
  await page.locator("#dtab").fill("/svc => nowhere");
  await page.getByText(/Invalid dtab: .*expected but 'n' found/).waitFor();
  // A name as transformers write it, which is no encoding, and such an address after a reload.
  await page.locator("#path").fill("/%/io.l5d.port/80");
  await page.waitForURL(/io\.l5d\.port/);
  await page.reload();
  await page.locator("#path").waitFor();
  assert.equal(await page.locator("#path").inputValue(), "/%/io.l5d.port/80");
  await page.getByRole("link", { name: "Requests" }).click();
  await page.getByText("GET /seen").first().waitFor();
  await page.getByRole("link", { name: "Logging" }).click();
  const row = page.getByRole("row", { name: /tracelog/ });
  await row.getByRole("button", { name: "warning" }).click();
  await row.locator("[aria-pressed=true]", { hasText: "warning" }).waitFor();
  // The one complaint is the browser's, about the dtab that was refused.
  assert.deepEqual(
    errors.filter((line) => !line.includes("400")),
    [],
  );
});

test(
  "the dashboard shows who does not answer",
  { skip: !executablePath || !isBuilt },
  async (t) => {
    const ports = new Map([["web.test", [(await backend(t, "web")).port]]]);
    const server = await dns(t, ports);
    const file = (port: number): string => `
stateDir: DIR/state
namers: [{kind: io.l5d.dnssrv, experimental: true, dnsHosts: ["127.0.0.1:${port}"]}]
routers: [{protocol: http, dtab: "/svc => /#/io.l5d.dnssrv", servers: [{port: 0, ip: 127.0.0.1}]}]
`;
    const at = await run(t, file(server));
    await send(at.port(), "/", { host: "web.test" });
    await at.linkerd.knowledge.close();
    const again = await run(t, file(9).replace("DIR", at.folder));
    await send(again.port(), "/", { host: "web.test" });
    const browser = await chromium.launch({
      executablePath: executablePath!,
      args: ["--no-sandbox"],
    });
    t.after(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.100:${again.adminPort}/`);
    await page.getByText(/srv web\.test, known .* ago: .*ECONNREFUSED/).waitFor();
  },
);
