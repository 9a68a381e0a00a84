// A mesh in which nothing of an application changes: names by DNS, everybody on the same port of all
// addresses, policies that nobody gets around, and a way out to the machine.
// Needs: linux, root, ip, iptables, nsenter, unshare.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseManifests } from "../src/platform/manifests.ts";
import { connectMesh } from "../src/platform/remote.ts";
import { identity, programArgv, workload } from "./support/shop.ts";

const PORT = 28680;
// What "plain" claims when it calls others.
const SPOOF = `, {name: HEADERS, value: '{"l5d-client-id": "king.shop.serviceaccount"}'}`;

test("a transparent mesh", { timeout: 60_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "mesh-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const machine = createServer((_, rsp) => rsp.end("the machine")).listen(0, "127.0.0.1");
  t.after(() => machine.close());
  await once(machine, "listening");
  const { port } = machine.address() as AddressInfo;
  const calls = `, {name: api, value: "http://api/"}, {name: self, value: "http://web.shop/"}, {name: plain, value: "http://plain"}, {name: machine, value: "http://host.linkerd.internal:${port}/"}`;
  const manifests = [
    // On two threads, where there are two processors.
    workload("web", { env: calls, annotations: '{config.linkerd.io/proxy-cpu-limit: "1500m"}' }),
    workload("api", { annotations: '{config.linkerd.io/proxy-cpu-limit: "2"}' }),
    workload("plain", { env: calls + SPOOF, annotations: "{linkerd.io/inject: disabled}" }),
  ];
  writeFileSync(join(dir, "shop.yaml"), manifests.join("---"));
  const stateDir = join(dir, "state");
  const words = ["local", "up", "-f", join(dir, "shop.yaml"), "--transparent"];
  const [program, ...args] = programArgv(
    ...words,
    `--publish=shop/web=${PORT}`,
    `--publish=shop/plain=${PORT + 1}`,
    `--state-dir=${stateDir}`,
  );
  const up = spawn(program!, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.after(async () => {
    if (up.exitCode !== null) return;
    up.kill("SIGTERM");
    await once(up, "exit");
  });
  await once(up.stdout, "data");

  const mesh = connectMesh(join(stateDir, "mesh.sock"));
  const ask = async (path: string, at = PORT): Promise<[number, string]> => {
    const rsp = await fetch(`http://127.0.0.1:${at}/${path}`);
    return [rsp.status, await rsp.text()];
  };
  const until = async (path: string, status: number, at = PORT): Promise<string> => {
    for (;;) {
      const [found, text] = await ask(path, at).catch(() => [0, ""] as const);
      if (found === status) return text;
      await new Promise((resolved) => setTimeout(resolved, 50));
    }
  };
  await until("", 200);

  await t.test("services are found by name, and know their callers", async () => {
    assert.equal(await until("api", 200), `api called by ${identity("web")}`);
    assert.equal(await until("self", 200), `web called by ${identity("web")}`);
    assert.equal(await until("plain", 200), "plain called by nobody");
    assert.equal(await until("api", 200, PORT + 1), "api called by nobody");
  });

  await t.test("the machine is reached from inside", async () => {
    assert.equal(await until("machine", 200), "the machine");
    assert.equal(await until("machine", 200, PORT + 1), "the machine");
  });

  await t.test("a policy holds for those without a sidecar too", async () => {
    const { resources } = parseManifests([
      [
        "deny.yaml",
        `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: api, namespace: shop}
spec: {podSelector: {matchLabels: {app: api}}, port: http, proxyProtocol: HTTP/1, accessPolicy: all-authenticated}
`,
      ],
    ]);
    await mesh.apply(resources);
    await until("api", 403, PORT + 1);
    assert.equal(await until("api", 200), `api called by ${identity("web")}`);
  });

  await t.test("it ends, and leaves nothing", async () => {
    up.kill("SIGINT");
    await once(up, "exit");
    await assert.rejects(ask(""));
  });
});
