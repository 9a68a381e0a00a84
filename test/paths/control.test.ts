// The control plane goes away, comes back, and is not there at first.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startProxy } from "../../src/proxy/start.ts";
import { podYaml } from "../support/world.ts";
import { application, get, mesh, metric, PORTS, until } from "./mesh.ts";

test("traffic goes on without the control plane, on the last that was known", async (t) => {
  const { client, server, second, plane, env, start, run } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("one"));
  await application(t, second, (_req, rsp) => rsp.end("two"));
  await start({ LINKERD2_PROXY_OUTBOUND_DISCOVERY_IDLE_TIMEOUT: "100ms" });
  await run(env("web-2", second));
  assert.equal((await get(client, PORTS.http)).body, "one");
  await plane.stop();
  await until(async () => {
    const broken = await metric(client, "control_discovery_broken", { topic: "endpoints" });
    return broken === undefined || broken.value === 1;
  });
  // Long enough for the destination to be forgotten by all that serve it, but for what is remembered.
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal((await get(client, PORTS.http)).body, "one");
  await plane.start();
  plane.remove("Pod", "ns/web-1");
  plane.apply(podYaml("web-2", second));
  await until(async () => (await get(client, PORTS.http)).body === "two");
});

test("a sidecar waits for its identity, and lets in what came meanwhile", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await plane.stop();
  const started = start();
  await until(async () => {
    const page = await get(client, 4191, "/ready").catch(() => undefined);
    return page?.status === 503;
  });
  const early = get(client, PORTS.http);
  await plane.start();
  await started;
  assert.equal((await early).body, "hello");
  assert.equal((await get(client, 4191, "/ready")).body, "ready\n");
});

test("a wrong environment is refused with every mistake, a taken port by its number", async (t) => {
  const { env, start, client } = await mesh(t);
  await assert.rejects(startProxy({}), { code: "bad-input" });
  await start();
  const taken = {
    ...env("client", client),
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: `${client}:${PORTS.http}`,
  };
  await assert.rejects(startProxy(taken), (error: Error) =>
    error.message.includes(":4191 is in use"),
  );
});
