// The dashboard's server as a browser asks it: by which names it answers, and what its pages say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { metricsOf, ns, world } from "../../test/support/emojivoto.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Body } from "../io/body.ts";
import { HttpReq } from "../io/message.ts";
import { vizApi } from "./api.ts";
import { web } from "./web.ts";

const metrics = metricsOf();
const clock = new VirtualClock();
const service = web({
  world,
  metrics,
  api: vizApi(world, metrics),
  tap: () => assert.fail("nothing may be tapped"),
  mayTap: () => Promise.resolve(),
  clock,
  version: "v9",
  address: () => "",
  hosts: ["web.linkerd-viz.svc"],
  hostPattern: /^(?:mesh\.example(:\d+)?)$/,
  intervalMs: 1000,
});

const addr = { ip: "127.0.0.1", port: 1 };
const peer = {
  remote: addr,
  local: addr,
  original: addr,
  tls: { kind: "no_identity", reason: "loopback" },
} as const;

const ask = (path: string, host = "localhost:50750") =>
  service(new HttpReq("GET", path, host, 11, [], Body.empty, peer, 0));

async function page(path: string): Promise<any> {
  const { body } = await ask(path);
  return JSON.parse((await body.read(1 << 20, () => assert.fail())).toString());
}

test("it answers by its own names only", async () => {
  const status = async (host: string): Promise<number> => (await ask("/api/version", host)).status;
  for (const host of [
    "localhost",
    "127.0.0.1:50750",
    "[::1]:8084",
    "web.linkerd-viz.svc:8084",
    "mesh.example",
    "mesh.example:443",
  ])
    assert.equal(await status(host), 200, host);
  for (const host of [
    "",
    "example.com",
    "a.mesh.example",
    "web.linkerd-viz.svc.example.com",
    "web.dev",
    "localhost.dev",
  ])
    assert.equal(await status(host), 400, host);
});

test("who looks at the same beat shares a picture", async (t) => {
  const { mock } = t.mock.method(metrics, "covered");
  const look = async () => {
    const pictures: string[] = [];
    const { body } = await ask("/api/live");
    const chunk = (bytes: Uint8Array) => pictures.push(String(bytes)) > 0;
    body.to({ chunk, end: () => {}, abort: () => {} });
    t.after(() => body.cancel(new Fault("cancelled", "seen")));
    return pictures;
  };
  const [one, other] = [await look(), await look()];
  const drawn = () => new Promise((resolve) => setImmediate(resolve));
  await drawn();
  assert.deepEqual([one.length, other.length, mock.callCount()], [1, 1, 1]);
  clock.advance(1000);
  await drawn();
  assert.deepEqual([one.length, other.length, mock.callCount()], [2, 2, 2]);
  assert.equal(one[1], other[1]);
});

test("what cannot be tapped is told in the stream, where a browser reads it", async () => {
  const told = async (query: string): Promise<string> => {
    const { body } = await ask(`/api/tap?${query}`);
    return new Promise((resolve) => {
      body.to({
        chunk: (bytes) => (resolve(bytes.toString()), true),
        end: () => {},
        abort: () => {},
      });
    });
  };
  assert.match(await told("resource=foo"), /^event: complaint\ndata: "\\"foo\\" is no kind/);
  assert.match(
    await told(`resource=deploy/web&namespace=${ns}&to=no/web`),
    /^event: complaint\ndata: "\\"no\\" is no kind/,
  );
});

test("labels select", async () => {
  const authz = async (labels: string): Promise<number> => {
    const query = `resource_type=deployment&namespace=${ns}&label_selector=${labels}`;
    return (await page(`/api/authz?${query}`)).ok.statTable.podGroup.rows?.length ?? 0;
  };
  assert.equal(await authz("app=web"), 2);
  assert.equal(await authz("app=emoji"), 0);
  assert.equal(await authz("app=nothing"), 0);
  const routes = async (labels: string): Promise<string[]> => {
    const query = `resource_type=deployment&namespace=${ns}&label_selector=${labels}`;
    const { ok } = await page(`/api/routes?${query}`);
    return (ok.routes ?? []).map(({ resource }: { resource: string }) => resource);
  };
  assert.deepEqual(await routes("app=voting"), ["deploy/voting"]);
  assert.deepEqual(await routes("app=nothing"), []);
});
