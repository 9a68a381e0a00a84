// Last good knowledge: kept while a source is away, also over a restart, and shown with its age.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { dns } from "./dns.ts";
import { backend, eventually, run, send } from "./run.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "router-state-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const NOBODY = 9;

const srv = (stateDir: string, server: number): string => `
stateDir: ${stateDir}
namers: [{kind: io.l5d.dnssrv, experimental: true, refreshIntervalSeconds: 1, dnsHosts: ["127.0.0.1:${server}"]}]
routers:
- protocol: http
  dtab: /svc => /#/io.l5d.dnssrv | /$/io.buoyant.http.status/404
  servers: [{port: 0, ip: 127.0.0.1}]
`;

test("what DNS said last serves after a restart without DNS, and is shown with its age", async (t) => {
  const web = await backend(t, "web");
  const ports = new Map([["web.test", [web.port]]]);
  const state = join(folder(t), "deep/state");
  const first = await run(t, srv(state, await dns(t, ports)));
  const ask = { host: "web.test" };
  assert.equal((await send(first.port(), "/", ask)).body, "web");
  const [live] = (await first.json("/watches.json")).filter((one: any) =>
    one.what.startsWith("srv"),
  );
  assert.deepEqual([live.state, live.ageMs, live.keptFrom], ["ok", 0, undefined]);
  await first.linkerd.stop(100);
  assert.equal(statSync(join(state, "names.json")).mode & 0o777, 0o600);

  const second = await run(t, srv(state, NOBODY));
  assert.equal((await send(second.port(), "/", ask)).body, "web");
  const shown = async () =>
    (await second.json("/watches.json")).find((one: any) => one.what === "srv web.test");
  const old = await shown();
  assert.equal(old.state, "failed");
  assert.ok(Date.parse(old.keptFrom) <= Date.now() && old.ageMs > 0, JSON.stringify(old));
  await eventually(async () => (await shown()).ageMs > old.ageMs);
  const metrics = await second.metrics();
  assert.ok(metrics["watches/failed"]! >= 1 && metrics["watches/oldest_ms"]! > 0);
  // A name that was never known is none, as it always is.
  assert.equal((await send(second.port(), "/", { host: "none.test" })).status, 404);

  second.write("linkerd.yaml", srv(state, await dns(t, ports)));
  await second.linkerd.reload();
  assert.equal((await send(second.port(), "/", ask)).body, "web");
  await eventually(async () => (await shown())?.state === "ok");
});

test("what a namer of one's own said last serves while its source does not answer", async (t) => {
  const web = await backend(t, "web");
  const at = folder(t);
  const plugin = join(at, "namer.mjs");
  const source = join(at, "source");
  writeFileSync(
    plugin,
    `import { existsSync, readFileSync } from "node:fs";
const read = (set) => {
  const turn = () => existsSync(${JSON.stringify(source)}) &&
    set({ kind: "ok", value: Number(readFileSync(${JSON.stringify(source)}, "utf8")) });
  turn();
  const timer = setInterval(turn, 20);
  return () => clearInterval(timer);
};
export const plugin = ({ kind, watch, name }) => ({
  namer: {
    "my.namer": kind("namer", {
      doc: "a port in a file",
      bind: ({ prefix }) => ({
        bind: ([service, ...residual]) =>
          watch.source(read).map((port) => name.leaf({
            id: [...prefix, service],
            residual,
            addr: watch.constant(name.boundAddr([name.address("127.0.0.1", port)])),
          })),
      }),
    }),
  },
});
`,
  );
  const file = `
stateDir: ${join(at, "state")}
plugins: [${plugin}]
namers: [{kind: my.namer}]
routers: [{protocol: http, dtab: "/svc => /#/my.namer", servers: [{port: 0, ip: 127.0.0.1}]}]
`;
  writeFileSync(source, String(web.port));
  const first = await run(t, file);
  assert.equal((await send(first.port(), "/")).body, "web");
  await first.linkerd.stop(100);
  assert.ok(existsSync(join(at, "state/names.json")));

  rmSync(source);
  const second = await run(t, file);
  assert.equal((await send(second.port(), "/")).body, "web");
  const [client] = (await second.json("/routers.json")).routers[0].clients;
  assert.equal(client.discovery, "failed");
  assert.ok(client.staleMs >= 0);
  assert.match(client.error, /addresses \/#\/my\.namer\/web: no answer yet/);
  // The client that was bound by what was kept follows the source when that is back.
  const other = await backend(t, "other");
  writeFileSync(source, String(other.port));
  await eventually(async () => (await send(second.port(), "/")).body === "other");
  const watches = await second.json("/watches.json");
  assert.ok(
    watches.every((one: any) => one.state === "ok"),
    JSON.stringify(watches),
  );
});

test("a folder that cannot be used is told at start; a damaged file is begun anew", async (t) => {
  const at = folder(t);
  writeFileSync(join(at, "file"), "");
  await assert.rejects(run(t, srv(join(at, "file"), NOBODY)), /stateDir .*file: /);
  writeFileSync(join(at, "names.json"), "{");
  const web = await backend(t, "web");
  const damaged = await run(t, srv(at, await dns(t, new Map([["web.test", [web.port]]]))));
  assert.equal((await send(damaged.port(), "/", { host: "web.test" })).body, "web");
  await damaged.linkerd.stop(100);
  assert.ok("srv web.test" in JSON.parse(readFileSync(join(at, "names.json"), "utf8")));
});
