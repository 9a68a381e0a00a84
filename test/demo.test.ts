// The demo as a visitor meets it: one command, then the verbs that it suggests, the dashboard in a browser, Ctrl-C.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { chromium } from "playwright-core";
import { programArgv } from "./support/shop.ts";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => existsSync(path),
);
const state = mkdtempSync(join(tmpdir(), "demo-"));
const env = { ...process.env, LINKERD_STATE_DIR: state, NO_COLOR: "1" };

type Ended = { code: number; out: string; err: string };

/** Runs a command to its end, or for `ms` when it would never end. */
function linkerd(line: string, ms = 30_000): Promise<Ended> {
  const [program, ...args] = programArgv(...line.split(" "));
  return new Promise((resolve) => {
    const options = { env, timeout: ms, killSignal: "SIGINT" as const };
    const child = execFile(program!, args, options, (_, out, err) => {
      resolve({ code: child.exitCode ?? -1, out, err });
    });
  });
}

/** Asks again until `accept` likes the output: metrics take a few seconds to tell something. */
async function eventually(line: string, accept: (out: string) => boolean): Promise<string> {
  let last = "";
  for (let i = 0; i < 20; i++) {
    last = (await linkerd(line)).out;
    if (accept(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  assert.fail(`${line} never said what was expected; its last words:\n${last}`);
}

suite("the demo", { timeout: 180_000 }, () => {
  let demo: ChildProcess;
  let out = "";

  before(async () => {
    const [program, ...args] = programArgv("demo");
    demo = spawn(program!, args, { env });
    demo.stdout!.on("data", (bytes) => (out += String(bytes)));
    demo.stderr!.on("data", (bytes) => (out += String(bytes)));
    while (!out.includes("Ctrl-C")) {
      assert.equal(demo.exitCode, null, out);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  after(() => {
    demo.kill("SIGKILL");
    rmSync(state, { recursive: true, force: true });
  });

  test("says where the application is, and it is there", async () => {
    const [, url] = /Application\s+(http:\S+)/.exec(out)!;
    const page = await fetch(`${url}/api/list`);
    const text = await page.text();
    assert.equal(page.status, 200, text);
    assert.equal((JSON.parse(text) as unknown[]).length, 100);
  });

  test("golden metrics of all workloads", async () => {
    const table = await eventually(
      "viz stat deploy -n emojivoto",
      (text) => /^voting .* \d\d\.\d\d%/m.test(text) && /^vote-bot .*rps/m.test(text),
    );
    const [head, ...rows] = table.trimEnd().split("\n");
    const columns = "NAME MESHED SUCCESS RPS LATENCY_P50 LATENCY_P95 LATENCY_P99 TCP_CONN";
    assert.equal(head!.split(/ +/).join(" "), columns);
    assert.deepEqual(
      rows.map((row) => row.split(/ +/).slice(0, 2).join(" ")),
      ["emoji 1/1", "vote-bot 1/1", "voting 1/1", "web 1/1"],
    );
    assert.match(rows[0]!, / 100\.00% +\d+\.\drps +\d+ms +\d+ms +\d+ms +\d+$/);
  });

  test("who calls whom, all of it mutual TLS", async () => {
    const edges = JSON.parse(
      (await linkerd("viz edges deploy -n emojivoto -o json")).out,
    ) as Record<string, string>[];
    const lines = edges.map(({ src, dst, server_id, no_tls_reason }) => [
      src,
      dst,
      server_id,
      no_tls_reason,
    ]);
    assert.deepEqual(lines, [
      ["vote-bot", "web", "web.emojivoto", ""],
      ["web", "emoji", "emoji.emojivoto", ""],
      ["web", "voting", "voting.emojivoto", ""],
      // The edge, through which we have come.
      ["ingress", "web", "web.emojivoto", ""],
    ]);
  });

  test("requests as they pass, with their beginnings and ends", async () => {
    const { out: lines } = await linkerd("viz tap deploy/web -n emojivoto", 5000);
    assert.match(
      lines,
      /^req id=\d+:\d+ proxy=in {2}src=\S+ dst=\S+ tls=true :method=GET :authority=\S+ :path=\/api/m,
    );
    assert.match(
      lines,
      /^rsp id=\S+ proxy=out src=\S+ dst=\S+ tls=true :status=200 latency=\d+µs$/m,
    );
    assert.match(
      lines,
      /^end id=\S+ proxy=out .* grpc-status=OK duration=\d+µs response-length=\d+B$/m,
    );
  });

  test("tapping disturbs nobody", async () => {
    const { out: json } = await linkerd("viz stat deploy/emoji -n emojivoto -o json");
    const [emoji] = JSON.parse(json) as { success: number }[];
    assert.equal(emoji!.success, 1);
  });

  test("calls added up, the doughnut at 0 %", async () => {
    const { out: table } = await linkerd("viz top deploy/web -n emojivoto", 7000);
    assert.match(
      table,
      /^Source +Destination +Method +Path +Count +Best +Worst +Last +Success Rate$/m,
    );
    assert.match(table, /vote-bot-\S+ +web-\S+ +GET +\/api\/vote /);
  });

  test("everything is as it should be", async () => {
    const { code, out: report } = await linkerd("check --proxy -n emojivoto --wait 20s");
    assert.equal(code, 0, report);
    assert.doesNotMatch(report, /^[×‼]/m);
    assert.match(report, /^√ data plane proxies certificate match CA$/m);
    assert.match(report, /\nStatus check results are √\n$/);
  });

  test("what the control plane tells proxies", async () => {
    const { out: endpoints } = await linkerd(
      "diagnostics endpoints web-svc.emojivoto.svc.cluster.local:80",
    );
    assert.match(
      endpoints,
      /^NAMESPACE +IP +PORT +POD +SERVICE\nemojivoto +127\.\S+ +8080 +web-\S+ +web-svc\.emojivoto\n$/,
    );
    const { out: policy } = await linkerd("diagnostics policy svc/web-svc 80 -n emojivoto -o json");
    assert.ok((JSON.parse(policy) as { protocol?: object }).protocol);
    const { out: version } = await linkerd("version");
    assert.match(version, /^Client version: (\S+)\nServer version: \1\n$/);
  });

  test(
    "the dashboard shows it, and changes without reload",
    { skip: !CHROMIUM && "there is no chromium" },
    async (t) => {
      const [, url] = /Dashboard\s+(http:\S+)/.exec(out)!;
      const browser = await chromium.launch({
        executablePath: CHROMIUM!,
        args: ["--no-sandbox", "--disable-gpu"],
      });
      t.after(() => browser.close());
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on(
        "console",
        (message) => message.type() === "error" && complaints.push(message.text()),
      );
      await page.goto(`${url}/namespaces`);
      const workloads = page.getByRole("region", { name: "Workloads" });
      await workloads
        .locator("tr", { hasText: "voting" })
        .locator("td", { hasText: "%" })
        .waitFor();
      assert.equal(await page.locator(".call .lock.on").count(), 4);
      assert.equal((await page.locator(".node").count()) >= 4, true);

      // By keyboard from the table to the workload's own page.
      await workloads.locator("a.name", { hasText: "web" }).focus();
      await page.keyboard.press("Enter");
      await page.locator("h1", { hasText: "web" }).waitFor();
      await page.getByRole("button", { name: "Watch calls" }).press("Enter");
      const count = page
        .locator("section", { hasText: "Live calls" })
        .locator("tr", { hasText: "/api/list" })
        .locator("td")
        .nth(4);
      const before = Number(await count.innerText());
      await page.waitForFunction(([cell, old]) => Number(cell!.textContent) > Number(old), [
        await count.elementHandle(),
        before,
      ] as const);
      assert.deepEqual(complaints, []);
    },
  );

  test("stops at SIGTERM with everything that it started", async () => {
    demo.kill("SIGTERM");
    const [code] = (await once(demo, "exit")) as [number];
    assert.equal(code, 0, out);
    const { code: gone, err } = await linkerd("local status");
    assert.equal(gone, 1);
    assert.match(err, /no mesh is running on/);
  });
});
