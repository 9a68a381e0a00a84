// The admin server and telemetry: Linkerd 1's pages, metrics and switches.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backend, run, send } from "./run.ts";

const file = (port: number, more = "", admin = "") => `
admin: {ip: 127.0.0.100, port: 0${admin}}
namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
routers:
- protocol: http
  label: out
  dtab: /svc => /#/io.l5d.fs; /svc/inet => /$/inet/127.1/${port}
  servers: [{port: 0, ip: 127.0.0.1}]
${more}`;

const TELEMETRY = `
telemetry:
- {kind: io.l5d.recentRequests, sampleRate: 1.0}
- {kind: io.l5d.prometheus}
- {kind: io.l5d.influxdb}
`;

test("metrics are told flat, as a tree, to Prometheus and to InfluxDB (B5)", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, file(web.port, TELEMETRY), { "disco/web": web.line });
  for (let i = 0; i < 3; i++) await send(at.port("out"), "/");
  await send(at.port("out"), "/status/500");
  const flat = await at.metrics();
  assert.equal(flat["rt/out/server/127.0.0.1/0/requests"], 4);
  assert.equal(flat["rt/out/server/127.0.0.1/0/success"], 3);
  assert.equal(flat["rt/out/service/svc/web/failures"], 1);
  assert.equal(flat["rt/out/client/#/io.l5d.fs/web/status/200"], 3);
  assert.equal(flat["rt/out/client/#/io.l5d.fs/web/service/svc/web/requests"], 4);
  assert.equal(flat["rt/out/client/#/io.l5d.fs/web/loadbalancer/size"], 1);
  assert.equal(flat["rt/out/server/127.0.0.1/0/request_latency_ms.count"], 4);
  assert.equal(flat["rt/out/bindcache/path/misses"], 1);
  const tree = await at.json("/admin/metrics.json?tree=1");
  assert.deepEqual(tree.rt.out.service["svc/web"].requests, { counter: 4 });
  assert.ok(tree.rt.out.service["svc/web"].request_latency_ms["stat.p50"] >= 0);
  const part = await at.json("/admin/metrics.json?q=rt/out/service/svc/web&tree=1");
  assert.deepEqual(part.success, { counter: 3 });
  const lost = await at.admin("/admin/metrics.json?q=a/b");
  assert.deepEqual([lost.status, JSON.parse(lost.body)], [404, { error: "No such subtree: a/b" }]);
  const { body } = await at.admin("/admin/metrics/prometheus");
  for (const line of [
    'rt:server:requests{rt="out", server="127.0.0.1/0"} 4',
    'rt:service:success{rt="out", service="svc/web"} 3',
    'rt:client:service:requests{rt="out", client="#/io.l5d.fs/web", service="svc/web"} 4',
    'rt:server:status:500{rt="out", server="127.0.0.1/0"} 1',
    'rt:bindcache:client:misses{rt="out"} 1',
  ]) {
    assert.ok(body.includes(`${line}\n`), line);
  }
  assert.match(
    body,
    /rt:server:request_latency_ms\{rt="out", server="127.0.0.1\/0", quantile="0.99"\} /,
  );
  assert.match(body, /rt:service:failures\{rt="out", service="svc\/web", exception="[\w.]+"\} 1/);
  const influx = (await at.admin("/admin/metrics/influxdb", { host: "me" })).body;
  assert.match(influx, /^rt:service,host=me,rt=out,service=svc\/web .*requests=4/m);
});

test("recent requests are listed, the latest first (B5)", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, file(web.port, TELEMETRY), { "disco/web": web.line });
  await send(at.port("out"), "/one");
  await send(at.port("out"), "/two", { host: "lost" });
  const [two, one] = await at.json("/requests.json");
  assert.deepEqual(
    [one.request, one.service, one.client, one.destination, one.status],
    ["GET /one", "/svc/web", "/#/io.l5d.fs/web", `127.0.0.1:${web.port}`, 200],
  );
  assert.deepEqual([two.service, two.client, two.status], ["/svc/lost", "", 502]);
});

test("a name is delegated under the dtab that is asked for", async (t) => {
  const at = await run(t, file(1), { "disco/web": "127.0.0.1 1" });
  const dtab =
    "/beh=>/#/error; /bah/humbug=>/$/inet/127.1/8080; /foo=>/bah | /beh | /$/fail; /foo=>/bar; /boo=>/foo";
  const query = new URLSearchParams({ namespace: "out", dtab, path: "/boo/humbug" });
  const tree = await at.json(`/delegator.json?${query.toString()}`);
  assert.deepEqual([tree.type, tree.path, tree.delegate.type], ["delegate", "/boo/humbug", "alt"]);
  const kinds = tree.delegate.alt.map(({ type }: { type: string }) => type);
  assert.deepEqual(kinds, ["neg", "delegate", "delegate", "fail"]);
  assert.equal(tree.delegate.alt[1].delegate.bound.id, "/$/inet/127.1/8080");
  const posted = await at.admin("/delegator.json", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ namespace: "out", dtab, path: "/boo/humbug" }),
  });
  assert.deepEqual(JSON.parse(posted.body), tree);
  const wrong = await at.admin("/delegator.json?namespace=out&dtab=&path=invalid-param");
  assert.equal(wrong.status, 400);
  assert.equal(wrong.body.trim(), "Invalid path: '/' expected but 'i' found at '[i]nvalid-param'");
  const form = await at.admin("/delegator.json", { method: "POST", body: "x" });
  assert.equal(form.status, 415);
});

test("the other pages say what they are for", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, file(web.port), { "disco/web": web.line });
  await send(at.port("out"), "/");
  assert.equal((await at.admin("/admin/ping")).body, "pong");
  assert.deepEqual(await at.json("/bound-names.json"), ["/#/io.l5d.fs/web"]);
  assert.deepEqual(await at.json("/client_state.json"), {
    "/#/io.l5d.fs/web": { state: "bound", addresses: [`127.0.0.1:${web.port}`] },
  });
  assert.equal((await at.json("/config.json")).routers[0].label, "out");
  assert.equal((await at.json("/admin/server_info")).name, "linkerd");
  assert.equal((await at.json("/admin/metrics/usage")).reported, false);
  assert.equal((await at.json("/namer_state/io.l5d.fs.json")).prefix, "/#/io.l5d.fs");
  assert.equal((await at.admin("/nowhere")).status, 404);
  const get = await at.admin("/admin/shutdown");
  assert.deepEqual([get.status, get.headers["allow"]], [405, "POST"]);
});

test("logging levels change while it runs", async (t) => {
  const at = await run(t, file(1), { "disco/web": "" });
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const post = (body: string) => at.admin("/logging.json", { method: "POST", headers: form, body });
  const before = await at.json("/logging.json");
  assert.deepEqual(before[0].logger, "root");
  const [root] = JSON.parse(
    (await at.admin("/logging.json?logger=root&level=fatal", { method: "POST" })).body,
  );
  assert.deepEqual(root, { logger: "root", level: "ERROR" });
  await post(`logger=&level=${before[0].level}`);
  const levels = JSON.parse((await post("logger=linkerd::tracelog&level=DEBUG")).body);
  assert.equal(levels.find((one: any) => one.logger === "linkerd::tracelog").level, "DEBUG");
  assert.equal((await post("logger=linkerd&level=LOUD")).status, 400);
  assert.equal((await post("logger=nobody&level=INFO")).status, 400);
  await post(`logger=linkerd::tracelog&level=${before.at(-1).level}`);
});

test("categories can be switched off, with exceptions both ways", async (t) => {
  const security = `, security: {uiEnabled: false, controlEnabled: false, pathWhitelist: ["/logging.*"], pathBlacklist: ["/admin/ping"]}`;
  const at = await run(t, file(1, "", security), { "disco/web": "" });
  const status = async (path: string) => (await at.admin(path)).status;
  assert.equal(await status("/admin/metrics.json"), 404);
  assert.equal(await status("/admin/shutdown"), 404);
  assert.equal(await status("/logging.json"), 200);
  assert.equal(await status("/admin/ping"), 404);
  assert.equal(await status("/client_state.json"), 200);
});

test("a shutdown on demand lets what is under way finish", async (t) => {
  const held: (() => void)[] = [];
  const slow = await backend(t, "slow", (_, rsp) => {
    held.push(() => rsp.end("done"));
    setTimeout(() => held[0]!(), 200);
  });
  const at = await run(t, file(slow.port), { "disco/web": slow.line });
  const under = send(at.port("out"), "/");
  while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const { body } = await at.admin("/admin/shutdown?grace=5.seconds", { method: "POST" });
  assert.equal(body, "quitting\n");
  assert.equal((await under).body, "done");
  await at.linkerd.stopped;
});

test("what is idle is forgotten, with its metrics; what is too much is a oneshot", async (t) => {
  const web = await backend(t, "web");
  const more = "  bindingCache: {paths: 1, bounds: 1, clients: 1}\n";
  const at = await run(t, file(web.port, more), {
    "disco/a": web.line,
    "disco/b": web.line,
  });
  await send(at.port("out"), "/", { host: "a" });
  await send(at.port("out"), "/", { host: "b" });
  const metrics = await at.metrics();
  assert.equal(metrics["rt/out/bindcache/path/evicts"], 1);
  assert.equal(metrics["rt/out/service/svc/a/requests"], undefined);
  assert.equal(metrics["rt/out/service/svc/b/requests"], 1);
});

test("each server is told with the name of its metrics", async (t) => {
  const labelled = "- {protocol: h2, servers: [{port: 0, ip: 127.0.0.2, label: edge}]}\n";
  const at = await run(t, file(1, labelled), { "disco/web": "" });
  const { routers } = await at.json("/routers.json");
  assert.deepEqual(
    routers.map((one: any) => one.servers),
    [
      [{ name: "127.0.0.1/0", address: `127.0.0.1:${at.port("out")}` }],
      [{ name: "127.0.0.2/0", address: `127.0.0.2:${at.port("h2")}` }],
    ],
  );
  const metrics = await at.metrics();
  assert.equal(metrics["rt/h2/server/127.0.0.2/0/connections"], 0);
});

test("a name without addresses is told from one that nobody knows", async (t) => {
  const at = await run(t, file(1), { "disco/empty": "" });
  assert.equal((await send(at.port("out"), "/", { host: "empty" })).status, 502);
  assert.deepEqual(await at.json("/client_state.json"), {
    "/#/io.l5d.fs/empty": { state: "bound", addresses: [] },
  });
});
