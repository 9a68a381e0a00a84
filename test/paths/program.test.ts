// The sidecar as a process: its exit codes, how it drains, and that it does not outlive whoever started it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { application, get, mesh, until } from "./mesh.ts";
import { exitCode, isClosed, isReady, program } from "./process.ts";

test("a wrong environment ends it with 64 and a line for each mistake", async (t) => {
  const { child, errors } = program(t, { LINKERD2_PROXY_INBOUND_LISTEN_ADDR: "nowhere" });
  assert.equal(await exitCode(child), 64);
  assert.match(errors(), /INBOUND_LISTEN_ADDR=nowhere: expected an address/);
  assert.match(errors(), /DESTINATION_SVC_ADDR is not set/);
  assert.doesNotMatch(errors(), /\n {4}at /);
});

test("SIGTERM lets requests finish, then ends it with 0", async (t) => {
  const { client: ip, env } = await mesh(t);
  const waiting: (() => void)[] = [];
  await application(t, ip, (_req, rsp) => waiting.push(() => rsp.end("late")));
  const proxied = {
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: `${ip}:14080`,
    LINKERD_PROXY_OUTBOUND_ORIGINALS: `${ip}:14080=${ip}:8080`,
    LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD: "10s",
  };
  const { child } = program(t, { ...env("client", ip), ...proxied });
  await until(isReady(ip));
  const reply = get(ip, 14_080);
  await until(() => waiting.length === 1);
  child.kill("SIGTERM");
  await until(isClosed(t, ip, 14_080));
  for (const answer of waiting) answer();
  assert.equal((await reply).body, "late");
  assert.equal(await exitCode(child), 0);
});

test("told to end, it takes new connections for the lame-duck time", async (t) => {
  const { client: ip, env } = await mesh(t);
  await application(t, ip, (_req, rsp) => rsp.end("still here"));
  const { child, errors } = program(t, {
    ...env("client", ip),
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: `${ip}:14080`,
    LINKERD_PROXY_OUTBOUND_ORIGINALS: `${ip}:14080=${ip}:8080`,
    LINKERD_PROXY_LAME_DUCK: "60s",
    LINKERD2_PROXY_LOG: "linkerd=info",
  });
  await until(isReady(ip));
  child.kill("SIGTERM");
  await until(() => errors().includes("Told to end"));
  assert.equal((await get(ip, 14_080)).body, "still here");
});

test("POST /shutdown ends it where that is allowed", async (t) => {
  const { client: ip, env } = await mesh(t);
  const { child } = program(t, {
    ...env("client", ip),
    LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED: "true",
  });
  await until(isReady(ip));
  assert.equal((await get(ip, 4191, "/shutdown")).status, 405);
  const reply = await get(ip, 4191, "/shutdown", {}, Buffer.from("x"));
  assert.deepEqual([reply.status, reply.body], [200, "shutdown\n"]);
  assert.equal(await exitCode(child), 0);
});

test("it ends when the pipe of whoever started it closes", async (t) => {
  const { client: ip, env } = await mesh(t);
  const { child } = program(t, { ...env("client", ip), LINKERD_PROXY_PARENT_FD: "3" }, "pipe");
  await until(isReady(ip));
  (child.stdio[3] as { destroy(): void }).destroy();
  assert.equal(await exitCode(child), 0);
});

test("SIGTERM ends it although whoever started it goes on", async (t) => {
  const { client: ip, env } = await mesh(t);
  const { child } = program(t, { ...env("client", ip), LINKERD_PROXY_PARENT_FD: "3" }, "pipe");
  await until(isReady(ip));
  child.kill("SIGTERM");
  assert.equal(await exitCode(child), 0);
});
