// Changes of a file while it runs: applied whole, or not at all; connections stay.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test, type TestContext } from "node:test";
import { backend, eventually, run, send } from "./run.ts";

const file = (port: number, more = "") => `
routers:
- protocol: http
  dtab: /svc => /$/inet/127.1/${port}
  servers: [{port: 0, ip: 127.0.0.1}]
${more}`;

test("a changed file reaches requests on connections that are open", async (t) => {
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const at = await run(t, file(a.port));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = async () => (await send(at.port(), "/", { agent })).body;
  assert.equal(await ask(), "a");
  const { connects } = await serverOf(at);
  at.write("linkerd.yaml", file(b.port));
  await at.linkerd.reload();
  assert.equal(await ask(), "b");
  assert.equal((await serverOf(at)).connects, connects);
  assert.equal((await serverOf(at)).requests, 2);
});

test("a file with mistakes changes nothing, and says why", async (t) => {
  const a = await backend(t, "a");
  const at = await run(t, file(a.port));
  at.write("linkerd.yaml", file(a.port, "namers: [{kind: io.15d.fs}]\n"));
  await at.linkerd.reload();
  assert.equal((await send(at.port(), "/")).body, "a");
  const { applied } = await at.json("/routers.json");
  assert.match(
    applied.error,
    /linkerd\.yaml:7:17: error: namers\[0\]\.kind: .*io\.15d\.fs.*did you mean io\.l5d\.fs\?/,
  );
  const again = await at.admin("/admin/reload", { method: "POST" });
  assert.equal(again.status, 409);
  at.write("linkerd.yaml", file(a.port));
  assert.equal((await at.admin("/admin/reload", { method: "POST" })).status, 200);
  assert.equal((await at.json("/routers.json")).applied.error, undefined);
});

async function takenPort(t: TestContext, ip = "127.0.0.1"): Promise<number> {
  const taken = net.createServer().listen(0, ip);
  await once(taken, "listening");
  t.after(() => taken.close());
  return (taken.address() as net.AddressInfo).port;
}

test("a listener that cannot be had leaves all others as they were", async (t) => {
  const a = await backend(t, "a");
  const at = await run(t, file(a.port));
  const port = await takenPort(t);
  const more = `- {protocol: http, label: new, servers: [{ip: 127.0.0.1, port: ${port}}]}\n`;
  at.write("linkerd.yaml", file(a.port, more));
  await at.linkerd.reload();
  assert.match(at.linkerd.applied.error!, /127\.0\.0\.1:\d+ is in use/);
  assert.equal((await send(at.port(), "/")).body, "a");
  assert.deepEqual(Object.keys(at.linkerd.addrs.routers), ["http"]);
});

test("where the admin server cannot go, the old one stays, and so do the telemeters", async (t) => {
  const a = await backend(t, "a");
  const plugin = `export const plugin = () => ({ telemeter: { counting: { doc: "counts", bind: () => {
    globalThis.open = (globalThis.open ?? 0) + 1;
    return { sampleRate: 1, close: () => (globalThis.open -= 1) };
  } } } });`;
  const open = () => (globalThis as { open?: number }).open;
  const withPlugin = file(a.port, "plugins: [DIR/counting.mjs]\ntelemetry: [{kind: counting}]\n");
  const at = await run(t, withPlugin, { "counting.mjs": plugin });
  assert.equal(open(), 1);
  const port = await takenPort(t, "127.0.0.100");
  for (const admin of [
    `{ip: 127.0.0.100, port: ${port}}`,
    `{ip: 127.0.0.100, port: 0, httpIdentifierPort: ${port}}`,
  ]) {
    at.write(
      "linkerd.yaml",
      `admin: ${admin}\nnamers: [{kind: io.l5d.fs, rootDir: DIR}]\n${withPlugin}`,
    );
    await at.linkerd.reload();
    assert.match(at.linkerd.applied.error!, /is in use/);
    assert.equal((await at.admin("/admin/ping")).body, "pong");
    assert.equal(open(), 1);
  }
  at.write("linkerd.yaml", `admin: {ip: 127.0.0.99, port: 0}\n${withPlugin}`);
  await at.linkerd.reload();
  assert.equal(at.linkerd.applied.error, undefined);
  await assert.rejects(at.admin("/admin/ping"));
});

test("routers come and go; one that stays keeps what it knows", async (t) => {
  const a = await backend(t, "a");
  const at = await run(t, file(a.port));
  await send(at.port(), "/");
  const [kept] = at.linkerd.generation.routers;
  const more = `- protocol: http
  label: second
  dtab: /svc => /$/inet/127.1/${a.port}
  servers: [{port: 0, ip: 127.0.0.3}]
`;
  at.write("linkerd.yaml", file(a.port, more));
  await at.linkerd.reload();
  assert.equal(at.linkerd.generation.routers[0], kept);
  const port = at.port("second");
  assert.equal((await send(port, "/", { ip: "127.0.0.3" })).body, "a");
  at.write("linkerd.yaml", file(a.port));
  await at.linkerd.reload();
  await assert.rejects(send(port, "/", { ip: "127.0.0.3" }));
});

test("a port that becomes one of byte streams leaves open connections what they had", async (t) => {
  const a = await backend(t, "a");
  const at = await run(t, file(a.port));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const port = at.port();
  assert.equal((await send(port, "/", { agent })).body, "a");
  at.write("linkerd.yaml", file(a.port).replace("protocol: http", "protocol: tcp"));
  await at.linkerd.reload();
  assert.equal(at.port("tcp"), port);
  assert.equal((await send(port, "/", { agent })).body, "a");
});

test("a dtab in a watched file takes effect by itself, and a bad one is passed over (B11)", async (t) => {
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const at = await run(
    t,
    `
routers:
- protocol: http
  interpreter: {kind: io.l5d.fs, dtabFile: DIR/dtab}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
    { dtab: `/svc => /$/inet/127.1/${a.port};` },
  );
  const ask = async () => (await send(at.port(), "/")).body;
  assert.equal(await ask(), "a");
  at.write("dtab", `/svc => /$/inet/127.1/${b.port};`);
  await eventually(async () => (await ask()) === "b");
  at.write("dtab", "nonsense");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await ask(), "b");
});

async function serverOf(at: Awaited<ReturnType<typeof run>>) {
  const metrics = await at.metrics();
  const of = (name: string) => metrics[`rt/http/server/127.0.0.1/0/${name}`];
  return { requests: of("requests"), connects: of("connects") };
}
