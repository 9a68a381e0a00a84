// The answers of viz from the metrics that emojivoto's proxies would have: which side is asked, and what adds up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { StatSummaryRequestSchema } from "../../proto/gen/viz/viz_pb.js";
import { metricsOf, ns, proxies, seen, world } from "../../test/support/emojivoto.ts";
import { vizApi } from "./api.ts";
import { authz } from "./authz.ts";
import { edges } from "./edges.ts";
import { graph } from "./graph.ts";
import { livePage } from "./page.ts";
import { DEFAULT_ROUTE, routes } from "./routes.ts";
import { inboundRows, outboundRows } from "./routestat.ts";
import { parseSelector } from "./selector.ts";
import type { StatQuery } from "./stat.ts";
import { stat } from "./stat.ts";
import { Store } from "./store.ts";
import { idOf } from "./world.ts";

const metrics = metricsOf();

function ask(kind: string, name: string, more: Partial<StatQuery> = {}) {
  const of = { kind, namespace: kind === "namespace" ? "" : ns, name };
  const selector = parseSelector("");
  return stat(seen, metrics, {
    of,
    selector,
    windowMs: 60_000,
    tcp: true,
    podsOnly: false,
    probes: true,
    ...more,
  });
}

const short = (rows: Awaited<ReturnType<typeof stat>>): unknown[] =>
  rows.map(({ thing, http, tcp }) => [thing.name, http?.success, http?.failure, tcp?.open]);

test("stat: workloads, pods and namespaces are seen by their own proxies; probes count only where nothing else does", async () => {
  assert.deepEqual(short(await ask("deployment", "")), [
    ["emoji", 100, 0, 1],
    ["vote-bot", 5, 0, 0],
    ["voting", 40, 10, 1],
    ["web", 96, 10, 3],
  ]);
  assert.deepEqual(short(await ask("pod", "web-1")), [["web-1", 96, 10, 3]]);
  assert.deepEqual(short(await ask("namespace", "")), [[ns, 236, 20, 5]]);
  const [web] = await ask("deployment", "web");
  assert.deepEqual([web!.meshed, web!.running, web!.failed], [1, 1, 0]);
  assert.equal(web!.tcp!.readBytes, 960);
});

test("stat: what no proxy counts by is refused, and not called idle", async () => {
  await assert.rejects(ask("trafficsplit", ""), /no proxy counts by trafficsplit/);
  assert.deepEqual(await ask("authorizationpolicy", "nowhere"), []);
});

test("stat: services by those that call them; --to and --from by the client's proxy", async () => {
  assert.deepEqual(short(await ask("service", "voting-svc")), [["voting-svc", 40, 10, 1]]);
  const named = (kind: string, name: string) => ({ kind, namespace: ns, name });
  assert.deepEqual(short(await ask("deployment", "", { to: named("deployment", "voting") })), [
    ["web", 40, 10, 1],
  ]);
  assert.deepEqual(short(await ask("deployment", "", { from: named("deployment", "web") })), [
    ["emoji", 100, 0, 1],
    ["voting", 40, 10, 1],
  ]);
  assert.deepEqual(short(await ask("service", "", { from: named("deployment", "vote-bot") })), [
    ["web-svc", 90, 10, 1],
  ]);
});

test("stat: labels select, servers count what they turn away, the window is what there are samples for", async () => {
  const rows = await ask("deployment", "", {
    selector: parseSelector("app in (web,voting),app!=voting"),
  });
  assert.deepEqual(
    rows.map(({ thing }) => thing.name),
    ["web"],
  );
  assert.deepEqual((await ask("server", ""))[0]!.authz, { allowed: 96, denied: 6 });
  const answer = await vizApi(world, metrics).statSummary(
    create(StatSummaryRequestSchema, {
      selector: { resource: { type: "deploy", namespace: ns, name: "web" } },
      timeWindow: "1m",
    }),
  );
  assert.ok(answer.response?.case === "ok");
  const table = answer.response.value.statTables![0]!.table;
  assert.ok(table?.case === "podGroup");
  assert.equal(table.value.rows![0]!.timeWindow, "1s");
});

test("the API answers a wrong question with what is wrong", async () => {
  const api = vizApi(world, metrics);
  const complaint = async (type: string, timeWindow: string): Promise<unknown> => {
    const { response } = await api.statSummary(
      create(StatSummaryRequestSchema, { selector: { resource: { type } }, timeWindow }),
    );
    return response?.case === "error" && response.value.error;
  };
  assert.match(String(await complaint("dep", "1m")), /"dep" is no kind of resource/);
  assert.match(String(await complaint("po", "5s")), /not a duration of 15s or more/);
});

test("edges: identities of mutual TLS, or the reason for none", async () => {
  const found = await edges(seen, metrics, "deployment", ns);
  assert.deepEqual(
    found.map(({ src, dst, clientId, serverId, noTlsReason }) =>
      [src.name, dst.name, clientId.split(".")[0], serverId.split(".")[0], noTlsReason].join(" "),
    ),
    [
      "vote-bot web vote-bot web ",
      "web emoji web emoji ",
      "web voting web voting ",
      "vote-bot db   not_provided_by_service_discovery",
    ],
  );
  assert.deepEqual(await edges(seen, metrics, "deployment", "elsewhere"), []);
});

test("routes: what a profile names, effective against actual at the client", async () => {
  const service = { kind: "service", namespace: ns, name: "voting-svc" };
  const [inbound] = await routes(seen, metrics, service, undefined, 60_000);
  assert.deepEqual(
    inbound!.rows.map(({ route, effective }) => [route, effective?.success, effective?.failure]),
    [
      ["POST /Vote", 40, 10],
      [DEFAULT_ROUTE, undefined, undefined],
    ],
  );
  const web = { kind: "deployment", namespace: ns, name: "web" };
  const [outbound] = await routes(seen, metrics, web, service, 60_000);
  const [vote] = outbound!.rows;
  assert.deepEqual([vote!.effective!.success, vote!.effective!.failure], [45, 5]);
  assert.deepEqual(vote!.actual, { success: 45, failure: 15 });
});

test("routes: clients count for a server whose proxy knows no profiles", async () => {
  const blind = new Store(1000);
  for (const scale of [0, 1]) {
    blind.turn();
    blind.take("web", { namespace: ns, deployment: "web" }, proxies(scale)["web"]!);
  }
  const voting = { kind: "deployment", namespace: ns, name: "voting" };
  const [table] = await routes(seen, blind, voting, undefined, 60_000);
  assert.equal(table!.rows[0]!.effective!.success, 45);
});

test("routes: without a profile everything is the default route", async () => {
  const emoji = { kind: "deployment", namespace: ns, name: "emoji" };
  const [table] = await routes(seen, metrics, emoji, undefined, 60_000);
  assert.deepEqual(
    table!.rows.map(({ route, service, effective }) => [route, service, effective?.success]),
    [[DEFAULT_ROUTE, "emoji-svc", 100]],
  );
});

test("authz: what was let in and what was not", async () => {
  const rows = await authz(metrics, { kind: "deployment", namespace: ns, name: "web" }, 60_000);
  assert.deepEqual(
    rows.map((row) => [row.server.name, row.authz.name, row.allowed, row.denied]),
    [
      ["web-http", "", 0, 6],
      ["web-http", "bots", 96, 0],
    ],
  );
});

test("stat-inbound: by server and route", async () => {
  const rows = await inboundRows(metrics, { kind: "deployment", namespace: ns, name: "" }, 60_000);
  assert.deepEqual(
    rows.map(({ name, route, successesRate, rps, latencyMsP50 }) => [
      name,
      route,
      successesRate,
      rps,
      latencyMsP50,
    ]),
    [
      ["emoji", "", 1, 100, 0.5],
      ["emoji", "probe", 0.5, 10, 0.5],
      ["vote-bot", "probe", 1, 5, 0.5],
      ["voting", "", 0.8, 50, 0.5],
      ["web", "", 96 / 106, 106, rows.at(-1)!.latencyMsP50],
    ],
  );
});

test("stat-outbound: routes with their backends, what timed out and what was tried again", async () => {
  const web = { kind: "deployment", namespace: ns, name: "web" };
  const rows = await outboundRows(metrics, web, 60_000);
  const common = { name: "web", port: "8080", route: "list", routeType: "HTTPRoute" };
  const latencies = { latencyMsP50: 25, latencyMsP95: 47.5, latencyMsP99: 49.5 };
  const emoji = { ...common, ...latencies, service: "emoji-svc" };
  const on = (backend: string) => ({ backend, backendPort: "8080", timeoutRate: 0 });
  assert.deepEqual(rows, [
    { ...emoji, successRate: 0.6, rps: 100, timeoutRate: 0.2, retryRate: 0.5 },
    { ...emoji, ...on("emoji-a"), successRate: 0.5, rps: 120 },
    { ...emoji, ...on("emoji-b"), successRate: 1, rps: 30 },
    {
      ...emoji,
      service: "voting-svc",
      successRate: 0.75,
      rps: 40,
      timeoutRate: 0,
      retryRate: 0,
    },
  ]);
});

test("graph: who calls whom, and who comes from outside", async () => {
  const picture = await graph(seen, metrics, ns, 60_000, 6);
  const page = livePage(picture, "v", 0);
  const calls = page.calls.map(({ src, dst, security, success }) => [src, dst, security, success]);
  const id = (name: string): string => idOf({ kind: "deployment", namespace: ns, name });
  assert.deepEqual(
    new Set(calls),
    new Set([
      [id("vote-bot"), id("web"), "mutual", 0.9],
      [id("web"), id("emoji"), "mutual", 1],
      [id("web"), id("voting"), "mutual", 0.8],
      [id("vote-bot"), "deployment/other/db", "none", null],
      ["outside//outside the mesh", id("web"), "none", 1],
    ]),
  );
  const web = page.workloads.find((row) => row.name === "web")!;
  assert.equal(web.rps, 106);
  assert.equal(page.workloads.find((row) => row.name === "vote-bot")!.rps, null);
  assert.equal(web.rate.at(-1), 10.6);
  assert.equal(web.p50! > 1 && web.p50! <= 10, true);
});
