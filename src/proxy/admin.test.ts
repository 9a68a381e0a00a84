// The admin pages, as services without a socket.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { VirtualClock } from "../base/clock.ts";
import { Log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { Body } from "../io/body.ts";
import { HttpReq } from "../io/message.ts";
import { header, type Headers } from "../wire/headers.ts";
import { admin, type AdminOptions } from "./admin.ts";

function setUp(more: Partial<AdminOptions> = {}) {
  const registry = new Registry(new VirtualClock());
  registry.counter("request_total", "Requests").with({ direction: "inbound" }).inc();
  const log = new Log({ filter: "warn" });
  const env = { LINKERD2_PROXY_LOG: "warn", OTHER: "1" };
  const options = { env, registry, log, ready: () => true, shutdown: undefined, state: () => ({}) };
  const service = admin({ ...options, ...more });
  const ask = async (
    path: string,
    method = "GET",
    from = "127.0.0.1",
    body = "",
    fields: Headers = [],
  ) => {
    const addr = { ip: from, port: 1 };
    const tls = { kind: "no_identity", reason: "loopback" } as const;
    const peer = { remote: addr, local: addr, original: addr, tls };
    const req = new HttpReq(method, path, "localhost", 11, fields, Body.of(body), peer, 0);
    const rsp = await service(req);
    return { status: rsp.status, body: rsp.body.whole!, headers: rsp.headers };
  };
  return { ask, log };
}

test("readiness and liveness in Linkerd's words", async () => {
  const { ask } = setUp({ ready: () => false });
  const ready = await ask("/ready");
  assert.deepEqual([ready.status, String(ready.body)], [503, "not ready\n"]);
  assert.equal(String((await setUp().ask("/ready")).body), "ready\n");
  assert.equal(String((await ask("/live")).body), "live\n");
  assert.equal((await ask("/nowhere")).status, 404);
});

test("metrics, packed for those who take it", async () => {
  const { ask } = setUp();
  const plain = await ask("/metrics");
  assert.match(String(plain.body), /^request_total\{direction="inbound"\} 1$/m);
  const packed = await ask("/metrics", "GET", "10.0.0.1", "", ["accept-encoding", "gzip, br"]);
  assert.equal(header(packed.headers, "content-encoding"), "gzip");
  assert.equal(String(gunzipSync(packed.body)), String(plain.body));
});

test("the log level is read and changed from this machine only", async () => {
  const { ask, log } = setUp();
  assert.equal(String((await ask("/proxy-log-level")).body), "warn");
  assert.equal((await ask("/proxy-log-level", "PUT", "127.0.0.1", "linkerd=debug")).status, 204);
  assert.equal(log.filter, "linkerd=debug");
  assert.equal((await ask("/proxy-log-level", "PUT", "127.0.0.1", "=loud")).status, 400);
  assert.equal((await ask("/proxy-log-level", "POST")).status, 405);
  assert.equal((await ask("/proxy-log-level", "PUT", "10.0.0.1", "trace")).status, 403);
  assert.equal(log.filter, "linkerd=debug");
});

test("shutdown only where enabled, and from this machine only", async () => {
  let stopped = 0;
  const { ask } = setUp({ shutdown: () => (stopped += 1) });
  const remote = await ask("/shutdown", "POST", "10.0.0.1");
  assert.deepEqual(
    [remote.status, String(remote.body)],
    [403, "Requests are only permitted from localhost."],
  );
  assert.equal(stopped, 0);
  assert.equal(String((await ask("/shutdown", "POST")).body), "shutdown\n");
  assert.equal(stopped, 1);
  const disabled = await setUp().ask("/shutdown", "POST");
  assert.deepEqual(
    [disabled.status, String(disabled.body)],
    [404, "shutdown endpoint is not enabled\n"],
  );
});

test("the environment, whole or in parts, as JSON", async () => {
  const { ask } = setUp();
  assert.deepEqual(JSON.parse(String((await ask("/env.json")).body)), {
    LINKERD2_PROXY_LOG: "warn",
    OTHER: "1",
  });
  const part = await ask("/env.json?OTHER&NONE");
  assert.deepEqual(JSON.parse(String(part.body)), { OTHER: "1", NONE: null });
  assert.equal(
    (await ask("/env.json", "GET", "127.0.0.1", "", ["accept", "text/html"])).status,
    406,
  );
  assert.equal((await ask("/env.json?%zz")).status, 200);
});
