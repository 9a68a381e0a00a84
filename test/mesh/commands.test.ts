// The commands of the guided tour on a running mesh: what people type, and the very columns and lines that they see.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gather, HOME, run, start, stop, until, upMesh } from "./mesh.ts";

const EMOJIVOTO = readFileSync(join(HOME, "demo/emojivoto/emojivoto.yaml"), "utf8");
const DURATION = String.raw`\d+(ms|s|m)`;

/** The cells of a table, by the name in the first column. */
function rows(table: string): Map<string, string[]> {
  const lines = table.trimEnd().split("\n").slice(1);
  return new Map(
    lines.map((line) => line.trim().split(/ {2,}/)).map((cells) => [cells[0]!, cells]),
  );
}

/** The deployments that are called; nobody calls vote-bot. */
const MEASURED = ["emoji", "voting", "web"];

const columns = (table: string): string[] => table.split("\n")[0]!.trim().split(/ {2,}/);

test("the guided tour", { timeout: 170_000 }, async (t) => {
  const { cli, stateDir } = await upMesh(t, EMOJIVOTO, "--publish=emojivoto/web-svc=28800");
  const ns = ["-n", "emojivoto"];
  const stat = async (...words: string[]) => (await cli("viz", "stat", ...words)).stdout;

  await t.test("viz stat deploy: golden metrics of every deployment", async () => {
    await until(async () => {
      const lines = rows(await stat("deploy", ...ns));
      return MEASURED.every((name) => lines.has(name) && !lines.get(name)!.includes("-"));
    });
    const table = await stat("deploy", ...ns);
    const names = [
      "NAME",
      "MESHED",
      "SUCCESS",
      "RPS",
      "LATENCY_P50",
      "LATENCY_P95",
      "LATENCY_P99",
      "TCP_CONN",
    ];
    assert.deepEqual(columns(table), names);
    assert.deepEqual([...rows(table).keys()], ["emoji", "vote-bot", "voting", "web"]);
    for (const name of MEASURED) {
      const line = rows(table).get(name)!.slice(1).join(" ");
      assert.match(
        line,
        new RegExp(
          `^1/1 \\d+\\.\\d\\d% \\d+\\.\\drps ${DURATION} ${DURATION} ${DURATION} [1-9]\\d*$`,
        ),
      );
    }
    assert.equal(rows(table).get("emoji")![2], "100.00%");
    assert.deepEqual(columns((await cli("stat", "deploy", ...ns)).stdout), names, "the old verb");
  });

  await t.test("viz stat svc: services too", async () => {
    const table = await stat("svc", ...ns);
    assert.deepEqual([...rows(table).keys()], ["emoji-svc", "voting-svc", "web-svc"]);
  });

  await t.test("viz edges deploy: who calls whom, in mutual TLS", async () => {
    const edges = async () => (await cli("viz", "edges", "deploy", ...ns)).stdout;
    await until(async () => (await edges()).trim().split("\n").length > 3);
    const table = await edges();
    assert.deepEqual(columns(table), ["SRC", "DST", "SRC_NS", "DST_NS", "SECURED"]);
    for (const pair of ["vote-bot web", "web emoji", "web voting"]) {
      assert.match(table.replaceAll(/ +/g, " "), new RegExp(`^${pair} emojivoto emojivoto √`, "m"));
    }
  });

  await t.test("viz routes svc -o wide: effective and actual", async () => {
    const { stdout } = await cli("viz", "routes", "svc/web-svc", ...ns, "-o", "wide");
    assert.deepEqual(columns(stdout), [
      "ROUTE",
      "SERVICE",
      "EFFECTIVE_SUCCESS",
      "EFFECTIVE_RPS",
      "ACTUAL_SUCCESS",
      "ACTUAL_RPS",
      "LATENCY_P50",
      "LATENCY_P95",
      "LATENCY_P99",
    ]);
    assert.match(stdout, /^\[DEFAULT\] +web-svc +\d/m);
  });

  await t.test("viz stat-inbound, stat-outbound: by route, and by backend", async () => {
    const taken = (await cli("viz", "stat-inbound", "deploy/voting", ...ns)).stdout;
    const latencies = ["LATENCY_P50", "LATENCY_P95", "LATENCY_P99"];
    assert.deepEqual(columns(taken), [
      "NAME",
      "SERVER",
      "ROUTE",
      "TYPE",
      "SUCCESS",
      "RPS",
      ...latencies,
    ]);
    assert.match(taken, /^voting +\[default\]:8080 +\[default\] +\d+\.\d\d% +\d+\.\d\d +\d+ms/m);
    const sent = (await cli("viz", "stat-outbound", "deploy/web", ...ns)).stdout;
    assert.deepEqual(columns(sent), [
      "NAME",
      "SERVICE",
      "ROUTE",
      "TYPE",
      "BACKEND",
      "SUCCESS",
      "RPS",
      ...latencies,
      "TIMEOUTS",
      "RETRIES",
    ]);
    assert.match(
      sent,
      /^web +emoji-svc:8080 .* 100\.00% .* 0\.00% +0\.00% *\n +└─* +─*► +emoji-svc:8080 /m,
    );
    const { code, stderr } = await cli("viz", "stat-inbound", "svc/web-svc", ...ns);
    assert.equal(code, 1);
    assert.match(stderr, /is about workloads/);
  });

  /** What a command that goes on has printed once `wanted` is in it. */
  const watched = async (wanted: RegExp, ...words: string[]): Promise<string> => {
    const child = start(["viz", ...words, ...ns, "--state-dir", stateDir]);
    const output = gather(child);
    try {
      await until(() => wanted.test(output.stdout), 60_000);
      return output.stdout;
    } finally {
      await stop(child, "SIGINT");
    }
  };

  await t.test("viz tap: a line as each request begins, is answered, and ends", async () => {
    const from = String.raw`id=(\d+:\d+) proxy=(?:in |out) src=127\.80\.\d+\.\d+:\d+ dst=127\.80\.\d+\.\d+:8080 tls=\S+`;
    // The name, though what the application sends is the address that it was given in place of it.
    const name = ":authority=emoji-svc.emojivoto:8080 :path=/emojivoto.v1.EmojiService/ListAll";
    const ofOne = [
      `^req ${from} :method=POST ${name}$`,
      String.raw`^rsp id=\1 .* :status=200 latency=\d+µs$`,
      String.raw`^end id=\1 .* grpc-status=OK duration=\d+µs response-length=\d+B$`,
    ];
    await watched(new RegExp(ofOne.join(String.raw`[^]*?`), "m"), "tap", "deploy/web");
    const chosen = ["--path", "/api/list", "--method", "GET", "-o", "json"];
    const all = await watched(/^\}\n[^]*^\}\n/m, "tap", "ns/emojivoto", ...chosen);
    assert.match(all, /"\/api\/list"/);
    assert.ok(!all.includes("EmojiService"));
  });

  // The bot likes doughnuts too, but a test should not wait for its appetite.
  const doughnuts = setInterval(() => {
    void fetch("http://127.0.0.1:28800/api/vote?choice=:doughnut:").catch(() => {});
  }, 200);
  t.after(() => clearInterval(doughnuts));

  await t.test("viz tap: an error of the server, and what it becomes for the browser", async () => {
    const doughnut = ["--path", "/emojivoto.v1.VotingService/VoteDoughnut"];
    await watched(/^end .* proxy=out .* grpc-status=Unknown /m, "tap", "deploy/web", ...doughnut);
    await watched(/^rsp .* proxy=in .* :status=500 /m, "tap", "deploy/web", "--path", "/api/vote");
  });

  await t.test("viz tap: an authority is the name that people use", async () => {
    const lines = await watched(
      /^end /m,
      "tap",
      "deploy/web",
      "--authority=emoji-svc.emojivoto:8080",
    );
    assert.deepEqual(
      new Set([...lines.matchAll(/:authority=(\S+)/g)].map(([, authority]) => authority)),
      new Set(["emoji-svc.emojivoto:8080"]),
    );
  });

  await t.test("viz top: calls added up, those that fail among them", async () => {
    const table = await watched(/VoteDoughnut +\d+ .* 0\.00%/, "top", "deploy/web");
    const names = "Source,Destination,Method,Path,Count,Best,Worst,Last,Success Rate";
    assert.deepEqual(columns(table), names.split(","));
    const call = `vote-bot\\S+ +web\\S+ +GET +/api/list +\\d+( +${DURATION}){3} +100.00%`;
    assert.match(table, new RegExp(`^${call}`, "m"));
  });

  await t.test("check, version", async () => {
    const { stdout, code } = await cli("check", "--proxy");
    assert.match(stdout, /Status check results are √\n$/);
    assert.equal(code, 0);
    const version = await cli("version");
    assert.match(version.stdout, /^Client version: \S+\nServer version: \S+\n$/);
  });

  await t.test("version without a mesh", async () => {
    const { stdout, code } = await run(["version", "--state-dir", "/tmp/there-is-none"]);
    assert.match(stdout, /^Client version: \S+\nServer version: unavailable\n$/);
    assert.equal(code, 0);
  });
});
