// What a router does with requests on their way: breaking, retrying, timing out, refusing, as its file says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backend, eventually, run, send, tally } from "./run.ts";

const FS = "namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]\n";

/** One router of files, with more settings. */
const router = (more: string): string => `${FS}
routers:
- protocol: http
  dtab: /svc => /#/io.l5d.fs
  servers: [{port: 0, ip: 127.0.0.1}]
  ${more.trim().replaceAll("\n", "\n  ")}
`;

test("an endpoint that fails twice in a row is left alone, then probed, then back (B3)", async (t) => {
  const good = await backend(t, "good");
  const bad = await backend(t, "bad");
  const at = await run(
    t,
    router(`
client:
  loadBalancer: {kind: roundRobin}
  failureAccrual:
    kind: io.l5d.consecutiveFailures
    failures: 2
    backoff: {kind: constant, ms: 700}
`),
    { "disco/web": `${good.line}\n${bad.line}\n` },
  );
  await bad.close();
  const ask = () => send(at.port(), "/");
  for (let i = 0; i < 8; i++) await ask();
  const state = async () =>
    (await at.json("/routers.json")).routers[0].clients[0].endpoints.find(
      (one: any) => one.address === `127.0.0.1:${bad.port}`,
    );
  assert.equal((await state()).state, "broken");
  assert.deepEqual(await tally(6, ask), { good: 6 });
  await backend(t, "bad", undefined, bad.port);
  await eventually(async () => (await tally(4, ask))["bad"]);
  assert.equal((await state()).state, "ready");
  const metrics = await at.metrics();
  assert.equal(metrics["rt/http/client/#/io.l5d.fs/web/failure_accrual/removals"], 1);
  assert.equal(metrics["rt/http/client/#/io.l5d.fs/web/failure_accrual/revivals"], 1);
});

test("when all endpoints are down they are still tried (B3)", async (t) => {
  const at = await run(
    t,
    router("client: {failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 1}}"),
    { "disco/web": "127.0.0.1 1\n" },
  );
  for (let i = 0; i < 3; i++) {
    const { status, body } = await send(at.port(), "/");
    assert.equal(status, 502);
    assert.match(
      body,
      /^Unable to establish connection to 127\.0\.0\.1:1\.\n\nservice name: \/svc\/web\nclient name: \/#\/io\.l5d\.fs\/web\naddresses: \[127\.0\.0\.1:1\]\nselected address: 127\.0\.0\.1:1/,
    );
  }
});

test("each failed read is retried twice, with a pause; a POST is not (B4)", async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    router(`
service:
  responseClassifier: {kind: io.l5d.http.retryableRead5XX}
  retries:
    budget: {minRetriesPerSec: 0, percentCanRetry: 2}
    backoff: {kind: constant, ms: 300}
`),
    { "disco/web": web.line },
  );
  const begun = performance.now();
  const get = await send(at.port(), "/status/500");
  assert.ok(performance.now() - begun >= 600);
  assert.deepEqual([get.status, get.headers["l5d-success-class"]], [500, "0.0"]);
  assert.equal(web.seen.length, 3);
  await send(at.port(), "/status/500", { method: "POST", body: "x" });
  assert.equal(web.seen.length, 4);
  const metrics = await at.metrics();
  assert.equal(metrics["rt/http/service/svc/web/retries/total"], 2);
  assert.equal(metrics["rt/http/service/svc/web/requests"], 2);
  assert.equal(metrics["rt/http/client/#/io.l5d.fs/web/requests"], 4);
});

test("a classifier that never existed is read as its nearest kind (C1)", async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    router(`
service:
  responseClassifier: {kind: io.l5d.http.retryable5XX}
  retries:
    budget: {minRetriesPerSec: 10, percentCanRetry: 0.5, ttlSecs: 15}
    backoff: {kind: jittered, minMs: 1, maxMs: 5}
`),
    { "disco/web": web.line },
  );
  assert.equal((await send(at.port(), "/status/503")).status, 503);
  assert.ok(web.seen.length > 1);
});

test("a response that says so is retried whatever its method", async (t) => {
  const web = await backend(t, "web", (seen, rsp) => {
    if (web.seen.length === 1) rsp.setHeader("l5d-retryable", "true");
    rsp.statusCode = web.seen.length === 1 ? 502 : 200;
    rsp.end(seen.body);
  });
  const at = await run(t, router(""), { "disco/web": web.line });
  const { status, body } = await send(at.port(), "/", { method: "POST", body: "kept" });
  assert.deepEqual([status, body, web.seen.length], [200, "kept", 2]);
});

test("a total timeout ends a request, an attempt's timeout makes another", async (t) => {
  const slow = await backend(t, "slow", () => {});
  const at = await run(
    t,
    router(`
service:
  kind: io.l5d.static
  configs:
  - prefix: /svc/whole
    totalTimeoutMs: 120
  - prefix: /svc/part
    responseClassifier: {kind: io.l5d.http.retryableRead5XX}
    retries: {budget: {minRetriesPerSec: 0, percentCanRetry: 1}}
client:
  kind: io.l5d.static
  configs:
  - prefix: /#/io.l5d.fs/part
    requestAttemptTimeoutMs: 150
`),
    { "disco/whole": slow.line, "disco/part": slow.line },
  );
  const whole = await send(at.port(), "/", { host: "whole" });
  assert.equal(whole.status, 503);
  assert.match(
    whole.body,
    /^exceeded 120\.milliseconds to \/svc\/whole while waiting for a response for the request, including retries/,
  );
  slow.seen.length = 0;
  const part = await send(at.port(), "/", { host: "part" });
  assert.equal(part.status, 503);
  assert.match(
    part.body,
    /^exceeded 150\.milliseconds to \/svc\/part while waiting for a response for an individual request, excluding retries/,
  );
  assert.equal(slow.seen.length, 2);
});

test("what exceeds the concurrent requests of a server is nacked", async (t) => {
  const held: (() => void)[] = [];
  const slow = await backend(t, "slow", (_, rsp) => held.push(() => rsp.end("done")));
  const at = await run(
    t,
    `${FS}
routers:
- protocol: http
  dtab: /svc => /#/io.l5d.fs
  servers: [{port: 0, ip: 127.0.0.1, maxConcurrentRequests: 1}]
`,
    { "disco/web": slow.line },
  );
  const first = send(at.port(), "/");
  await eventually(() => held.length);
  const second = await send(at.port(), "/");
  assert.equal(second.status, 503);
  assert.deepEqual(
    [second.headers["finagle-http-nack"], second.headers["retry-after"]],
    ["true", "0"],
  );
  assert.equal(second.headers["l5d-err"], undefined);
  held[0]!();
  assert.equal((await first).body, "done");
});

for (const kind of ["roundRobin", "p2c", "ewma", "aperture", "heap"]) {
  test(`the balancer ${kind} spreads requests (B8)`, async (t) => {
    const [a, b] = [await backend(t, "a"), await backend(t, "b")];
    const at = await run(t, router(`client: {loadBalancer: {kind: ${kind}}}`), {
      "disco/web": `${a.line}\n${b.line}\n`,
    });
    const counts = await tally(40, () => send(at.port(), "/"));
    assert.equal((counts["a"] ?? 0) + (counts["b"] ?? 0), 40);
    if (kind === "roundRobin") assert.deepEqual(counts, { a: 20, b: 20 });
    // Ewma goes where answers came fast, an aperture of one endpoint to that one.
    if (kind === "p2c" || kind === "heap") assert.ok(Math.min(counts["a"]!, counts["b"]!) > 5);
  });
}

for (const accrual of [
  "{kind: io.l5d.successRate, successRate: 0.9, requests: 4}",
  "{kind: io.l5d.successRateWindowed, successRate: 0.9, window: 60}",
]) {
  test(`the accrual ${accrual} takes an endpoint out (B9)`, async (t) => {
    const good = await backend(t, "good");
    const bad = await backend(t, "bad", (_, rsp) => {
      rsp.statusCode = 500;
      rsp.end("bad");
    });
    const at = await run(
      t,
      router(`client: {loadBalancer: {kind: roundRobin}, failureAccrual: ${accrual}}`),
      { "disco/web": `${good.line}\n${bad.line}\n` },
    );
    await tally(40, () => send(at.port(), "/"));
    assert.deepEqual(await tally(5, () => send(at.port(), "/")), { good: 5 });
  });
}

test("without accrual a failing endpoint stays", async (t) => {
  const bad = await backend(t, "bad", (_, rsp) => {
    rsp.statusCode = 500;
    rsp.end("bad");
  });
  const at = await run(t, router("client: {failureAccrual: {kind: none}}"), {
    "disco/web": bad.line,
  });
  await tally(10, () => send(at.port(), "/"));
  assert.equal((await at.json("/routers.json")).routers[0].clients[0].endpoints[0].state, "ready");
});

test("an unreachable endpoint is passed over at once with failFast", async (t) => {
  const good = await backend(t, "good");
  const at = await run(
    t,
    router(
      "client: {failFast: true, loadBalancer: {kind: roundRobin}, failureAccrual: {kind: none}}",
    ),
    { "disco/web": `${good.line}\n127.0.0.1 1\n` },
  );
  assert.deepEqual(await tally(6, () => send(at.port(), "/")), { good: 6 });
  const { endpoints } = (await at.json("/routers.json")).routers[0].clients[0];
  assert.deepEqual(endpoints.map((one: any) => one.state).sort(), ["ready", "unreachable"]);
});

test("a pool of one connection makes requests wait for their turn", async (t) => {
  let most = 0;
  let now = 0;
  const web = await backend(t, "web", (_, rsp) => {
    most = Math.max(most, ++now);
    setTimeout(() => {
      now -= 1;
      rsp.end("web");
    }, 20);
  });
  const at = await run(t, router("client: {hostConnectionPool: {maxSize: 1, maxWaiters: 3}}"), {
    "disco/web": web.line,
  });
  const all = await Promise.all([1, 2, 3, 4, 5].map(() => send(at.port(), "/")));
  assert.deepEqual(
    all.map(({ status }) => status).sort((a, b) => a - b),
    [200, 200, 200, 200, 503],
  );
  assert.equal(most, 1);
});

test("a pool closes what is idle, but for minSize connections", async (t) => {
  const web = await backend(t, "web", (_, rsp) => setTimeout(() => rsp.end("web"), 20));
  const at = await run(t, router("client: {hostConnectionPool: {minSize: 1, idleTimeMs: 50}}"), {
    "disco/web": web.line,
  });
  await Promise.all([1, 2, 3].map(() => send(at.port(), "/")));
  const open = async () => (await at.metrics())["rt/http/client/#/io.l5d.fs/web/connections"];
  await eventually(async () => (await open()) === 1);
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(await open(), 1);
});

test("on probation, an endpoint that discovery drops serves until it fails", async (t) => {
  const [kept, dropped] = [await backend(t, "kept"), await backend(t, "dropped")];
  const at = await run(
    t,
    router(`client:
  loadBalancer: {kind: roundRobin, enableProbation: true}
  failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 1}`),
    { "disco/web": `${kept.line}\n${dropped.line}\n` },
  );
  await send(at.port(), "/");
  at.write("disco/web", `${kept.line}\n127.0.0.1 1\n`);
  const endpoints = async (): Promise<string[]> =>
    (await at.json("/routers.json")).routers[0].clients[0].endpoints.map((one: any) => one.address);
  await eventually(async () => (await endpoints()).length === 3);
  const served = await tally(9, () => send(at.port(), "/"));
  assert.ok(served["dropped"]! >= 3, JSON.stringify(served));
  await dropped.close();
  await tally(6, () => send(at.port(), "/"));
  assert.deepEqual((await endpoints()).sort(), ["127.0.0.1:1", kept.line.replace(" ", ":")].sort());
});

test("texts are compressed for those who take it, and nobody else", async (t) => {
  const web = await backend(t, "web", (seen, rsp) => {
    rsp.setHeader("content-type", seen.url === "/text" ? "text/plain; charset=utf-8" : "image/png");
    rsp.end("a".repeat(2000));
  });
  const at = await run(t, router(""), { "disco/web": web.line });
  const zipped = await send(at.port(), "/text", { headers: { "accept-encoding": "gzip" } });
  assert.equal(zipped.headers["content-encoding"], "gzip");
  assert.equal(zipped.headers["vary"], "accept-encoding");
  assert.ok(zipped.body.length < 200);
  const plain = await send(at.port(), "/text");
  assert.equal(plain.headers["content-encoding"], undefined);
  const image = await send(at.port(), "/image", { headers: { "accept-encoding": "gzip" } });
  assert.equal(image.headers["content-encoding"], undefined);
  assert.equal(image.body.length, 2000);
});

test("heads that are too large are refused", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, router("maxHeadersKB: 1\nmaxInitialLineKB: 1"), {
    "disco/web": web.line,
  });
  assert.equal((await send(at.port(), `/${"a".repeat(1500)}`)).status, 414);
  assert.equal((await send(at.port(), "/", { headers: { x: "a".repeat(3000) } })).status, 431);
  assert.equal((await send(at.port(), "/", { headers: { x: "a".repeat(500) } })).status, 200);
});
