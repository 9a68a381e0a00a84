// The answers of viz from a real Prometheus that scrapes what emojivoto's proxies would say, against those of the embedded
// store that reads the same.
// Needs: prometheus.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { systemClock } from "../src/base/clock.ts";
import { authz } from "../src/viz/authz.ts";
import { edges } from "../src/viz/edges.ts";
import { PRESENT, type Match, type Metrics } from "../src/viz/metrics.ts";
import { Prometheus } from "../src/viz/prometheus.ts";
import { routes } from "../src/viz/routes.ts";
import { outboundRows } from "../src/viz/routestat.ts";
import { parseSelector } from "../src/viz/selector.ts";
import { stat, type StatQuery } from "../src/viz/stat.ts";
import { Store } from "../src/viz/store.ts";
import type { Traffic } from "../src/viz/traffic.ts";
import { ns, proxies, seen } from "./support/emojivoto.ts";

const WINDOW_MS = 60_000;
const dir = mkdtempSync(join(tmpdir(), "prometheus-"));
/** How many rounds of traffic the proxies have had. */
let rounds = 0;
const exporter = createServer((req, rsp) => rsp.end(proxies(rounds)[req.url!.slice(1)]));
let stop = (): Promise<unknown> | void => {};
let prometheus: Prometheus;
const embedded = new Store(1000);

before(async () => {
  await once(exporter.listen(0, "127.0.0.1"), "listening");
  const port = await freePort();
  writeFileSync(join(dir, "prometheus.yml"), stringify(scrapeConfig()));
  const words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"];
  const child = spawn("prometheus", [...words, `--web.listen-address=127.0.0.1:${port}`], {
    cwd: dir,
    stdio: "ignore",
  });
  stop = () => (child.kill("SIGKILL"), once(child, "exit"));
  prometheus = new Prometheus(`http://127.0.0.1:${port}/`, systemClock);
  await until(async () => (await prometheus.trouble()) === undefined);
  // Twice at rest, so that what comes is growth.
  const total: Match = { direction: PRESENT };
  const started = async (): Promise<boolean> =>
    (await prometheus.increase("response_total", total, ["pod"], WINDOW_MS)).length === 4;
  await until(started);
  for (rounds of [0, 1]) {
    embedded.turn();
    for (const [name, text] of Object.entries(proxies(rounds))) {
      const pod = seen.pods.find((each) => each.name === `${name}-1`)!;
      embedded.take(name, pod.metricLabels, text);
    }
  }
  await until(async () =>
    (await prometheus.increase("response_total", total, ["pod"], WINDOW_MS)).every(
      ({ value }) => value > 0,
    ),
  );
  // A Prometheus extrapolates by one scrape more than it has, so there must be some.
  const query = "min(count_over_time(response_total[1m]))";
  await until(async () => {
    const rsp = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${query}`);
    const { data } = (await rsp.json()) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1]) >= 7;
  });
});

after(async () => {
  await stop();
  exporter.close();
  rmSync(dir, { recursive: true });
});

function scrapeConfig(): object {
  const { port } = exporter.address() as AddressInfo;
  return {
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [
      {
        job_name: "linkerd-proxy",
        static_configs: seen.pods.map(({ metricLabels }) => ({
          targets: [`127.0.0.1:${port}`],
          labels: { ...metricLabels, __metrics_path__: `/${metricLabels["deployment"]}` },
        })),
      },
    ],
  };
}

/** What must be equal: names, shares and latencies. A Prometheus extrapolates counts, so these are about right. */
function shape(http: Traffic | undefined): unknown {
  if (!http) return undefined;
  const all = http.success + http.failure;
  return [Math.round((http.success / all) * 1e6), http.latency?.map((ms) => Math.round(ms * 1e3))];
}

function ask(metrics: Metrics, kind: string, more: Partial<StatQuery> = {}) {
  const of = { kind, namespace: kind === "namespace" ? "" : ns, name: "" };
  const rest = { selector: parseSelector(""), windowMs: WINDOW_MS, tcp: true };
  return stat(seen, metrics, { of, ...rest, podsOnly: false, probes: true, ...more });
}

const web = { kind: "deployment", namespace: ns, name: "web" };
const voting = { kind: "service", namespace: ns, name: "voting-svc" };

for (const [title, kind, more] of [
  ["deployments", "deployment", {}],
  ["pods", "pod", {}],
  ["services", "service", {}],
  ["servers", "server", {}],
  ["what deployments get from web", "deployment", { from: web }],
  ["what deployments send to voting", "deployment", { to: voting }],
] as const) {
  test(`stat: ${title}`, async () => {
    const rows = async (metrics: Metrics) =>
      (await ask(metrics, kind, more)).map(({ thing, http, tcp }) => [
        thing.name,
        shape(http),
        tcp?.open,
      ]);
    const [theirs, ours] = [await rows(prometheus), await rows(embedded)];
    assert.ok(ours.length > 0);
    assert.deepEqual(theirs, ours);
  });
}

test("counts are about what was counted", async () => {
  const [row] = await ask(prometheus, "deployment", { selector: parseSelector("app=emoji") });
  const { success } = row!.http!;
  assert.ok(success > 80 && success < 130, `${success} of 100`);
  // Pods that are scraped at different moments add up to a share that is about right.
  const [all] = await ask(prometheus, "namespace");
  const share = all!.http!.success / (all!.http!.success + all!.http!.failure);
  assert.ok(Math.abs(share - 236 / 256) < 0.03, `${share} succeeded`);
});

test("edges, with the identities of both ends", async () => {
  assert.deepEqual(
    await edges(seen, prometheus, "deployment", ns),
    await edges(seen, embedded, "deployment", ns),
  );
});

test("routes, effective and actual", async () => {
  const rows = async (metrics: Metrics) =>
    (await routes(seen, metrics, web, voting, WINDOW_MS))[0]!.rows.map(
      ({ route, service, effective, actual }) => [
        route,
        service,
        shape(effective),
        actual && Math.round((actual.success / (actual.success + actual.failure)) * 1e6),
      ],
    );
  assert.deepEqual(await rows(prometheus), await rows(embedded));
});

test("authorizations, given and refused", async () => {
  const rows = async (metrics: Metrics) =>
    (await authz(metrics, web, WINDOW_MS)).map((row) => [
      row.server,
      row.authz,
      row.allowed > 0,
      row.denied > 0,
    ]);
  assert.deepEqual(await rows(prometheus), await rows(embedded));
});

test("routes and backends of what is sent", async () => {
  const rows = async (metrics: Metrics) =>
    (await outboundRows(metrics, web, WINDOW_MS)).map((row) => [
      row.service,
      row.backend,
      row.successRate.toFixed(3),
      row.timeoutRate.toFixed(3),
      row.retryRate?.toFixed(3),
      row.latencyMsP95?.toFixed(3),
    ]);
  assert.deepEqual(await rows(prometheus), await rows(embedded));
});

test("trends go up when traffic comes", async () => {
  const match = { direction: "inbound", deployment: "emoji", route_name: { not: "probe" } };
  const [group] = await prometheus.trend("response_total", match, ["pod"], 10_000, 6);
  assert.equal(group!.labels["pod"], "emoji-1");
  assert.equal(group!.values.length, 6);
  assert.equal(group!.values[0], 0);
  assert.ok(group!.values.at(-1)! > 0);
});

test("one that is not there, or is something else, is named without its password", async () => {
  const away = new Prometheus("http://ana:secret@127.0.0.1:1/prom/", systemClock);
  assert.match(
    (await away.trouble())!,
    /^the Prometheus at http:\/\/127.0.0.1:1\/prom cannot be asked: /,
  );
  const { port } = exporter.address() as AddressInfo;
  const other = new Prometheus(`http://127.0.0.1:${port}`, systemClock);
  assert.match((await other.trouble())!, /does not answer as a Prometheus does/);
  assert.throws(() => new Prometheus("prometheus:9090", systemClock), /write http:\/\/HOST:PORT/);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never came: ${String(holds)}`);
}
