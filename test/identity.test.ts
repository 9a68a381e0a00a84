// A sidecar that gets its identity late: what it needs is not there at its start, and it becomes ready once it is.

import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startProxy } from "../src/proxy/start.ts";
import { startControlPlane } from "./support/controlplane.ts";

test("a sidecar whose first certificate fails is ready with a later one", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "identity-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const plane = await startControlPlane("", { ip: "127.0.0.1", port: 28_900, folder });
  t.after(() => plane.stop());
  const env = plane.env({ pod: "web-1", serviceAccount: "web" });
  const token = env["LINKERD2_PROXY_IDENTITY_TOKEN_FILE"]!;
  renameSync(token, `${token}.away`);
  const listen = ["INBOUND", "OUTBOUND", "ADMIN", "CONTROL"].map(
    (name) => [`LINKERD2_PROXY_${name}_LISTEN_ADDR`, "127.0.0.1:0"] as const,
  );
  const proxy = await startProxy({ ...env, ...Object.fromEntries(listen) });
  t.after(() => proxy.drain());
  const { ip, port } = proxy.addrs.admin;
  const page = async (path: string): Promise<string> =>
    (await fetch(`http://${ip}:${port}${path}`)).text();
  const failed = /^control_identity_cert_refreshes_total\{result="error"\} [1-9]/m;
  while (!failed.test(await page("/metrics"))) await new Promise((done) => setTimeout(done, 20));
  assert.equal((await fetch(`http://${ip}:${port}/ready`)).status, 503);
  renameSync(`${token}.away`, token);
  await proxy.ready;
  assert.equal((await fetch(`http://${ip}:${port}/ready`)).status, 200);
});
