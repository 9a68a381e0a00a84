// Trust anchors that change while sidecars run: those of before and those that start later talk all the time.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { type Issuer, newAuthority, parseIssuer } from "../../src/control/issuer.ts";
import { podYaml } from "../support/world.ts";
import { application, get, mesh, PORTS, until } from "./mesh.ts";

const HOUR_MS = 3_600_000;

async function newIssuer(anchorsBefore: string): Promise<{ both: Issuer; alone: Issuer }> {
  const root = await newAuthority("root.linkerd.cluster.local", HOUR_MS, systemClock);
  const above = await parseIssuer({ anchorsPem: root.certPem, ...root });
  const issuer = await newAuthority("identity.linkerd.cluster.local", HOUR_MS, systemClock, above);
  const bundle = anchorsBefore + root.certPem;
  return {
    both: await parseIssuer({ anchorsPem: bundle, ...issuer }),
    alone: await parseIssuer({ anchorsPem: root.certPem, ...issuer }),
  };
}

async function anchorsOf(ip: string): Promise<number> {
  const { body } = await get(ip, 4191, "/state.json");
  return (JSON.parse(body) as { identity: { anchors: string[] } }).identity.anchors.length;
}

test("anchors change under running sidecars", async (t) => {
  const { client, server, second, plane, env, outbound, run } = await mesh(t);
  const folder = mkdtempSync(join(tmpdir(), "anchors-"));
  t.after(() => rmSync(folder, { recursive: true }));
  await application(t, server, (_req, rsp) => rsp.end("one"));
  await application(t, second, (_req, rsp) => rsp.end("two"));
  await run(env("web-1", server));
  await run({ ...env("client", client), ...outbound, LINKERD2_PROXY_IDENTITY_DIR: folder });
  assert.equal((await get(client, PORTS.http)).body, "one");

  const old = plane.issuer.value!;
  const { both, alone } = await newIssuer(old.anchorsPem);
  plane.issuer.set({ ...old, anchorsPem: both.anchorsPem });
  await until(async () => (await anchorsOf(client)) === 2 && (await anchorsOf(server)) === 2);
  // The next process of the pod begins with them.
  const kept = join(folder, "trust-anchors.pem");
  await until(() => readFileSync(kept, "utf8") === both.anchorsPem);

  // A pod of now, with a certificate of the new issuer and the anchors of now.
  plane.issuer.set(both);
  await run(env("web-2", second));
  plane.apply(podYaml("web-2", second));
  plane.remove("Pod", "ns/web-1");
  await until(async () => (await get(client, PORTS.http)).body === "two");

  plane.issuer.set(alone);
  await until(async () => (await anchorsOf(client)) === 1 && (await anchorsOf(second)) === 1);
});
