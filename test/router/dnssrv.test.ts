// Services from SRV records, asked of a real DNS server on loopback.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dns } from "./dns.ts";
import { backend, eventually, run, send } from "./run.ts";

test("names are SRV records, which may change, and may not exist", async (t) => {
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const ports = new Map([["web.test", [a.port]]]);
  const server = await dns(t, ports);
  const at = await run(
    t,
    `
namers: [{kind: io.l5d.dnssrv, experimental: true, refreshIntervalSeconds: 1, dnsHosts: ["127.0.0.1:${server}"]}]
routers: [{protocol: http, dtab: "/svc => /#/io.l5d.dnssrv", servers: [{port: 0, ip: 127.0.0.1}]}]
`,
  );
  const ask = (host: string) => send(at.port(), "/", { host });
  assert.equal((await ask("web.test")).body, "a");
  assert.match((await ask("none.test")).body, /^Unable to route request!/);
  ports.set("web.test", [b.port]);
  await eventually(async () => (await ask("web.test")).body === "b");
});
