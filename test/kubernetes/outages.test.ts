// The longer misfortunes: an API server that is away for a minute, certificates that are replaced from the leaf to the
// root, thirty rollouts in a row. LINKERD_NODE is a command that runs its words as root on the node of the API server.
// Needs: KUBECONFIG, LINKERD_NODE, kubectl, --all.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { newAuthority } from "../../src/control/issuer.ts";
import { kubectl, linkerd } from "./cluster.ts";
import { compare, openShops, replaceLoaders, rollOut } from "./shops.ts";

const AWAY_MS = 60_000;
const DAY_MS = 86_400_000;

openShops();

test("the API server is away for a minute", (t) =>
  compare(t, async () => {
    const rule = "INPUT -p tcp --dport 6443 -j REJECT --reject-with tcp-reset".split(" ");
    onNode("iptables", "-I", ...rule);
    try {
      await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    } finally {
      onNode("iptables", "-D", ...rule);
    }
    // The node controller finds out only now that it has not heard of nodes, and forgives them when it does. Until the
    // injector is reached again, pods would come up without proxies (webhookFailurePolicy: Ignore).
    await new Promise((resolve) => setTimeout(resolve, AWAY_MS / 2));
    await kubectl("wait node --all --for=condition=Ready --timeout=60s");
    await kubectl("rollout status -n linkerd deploy --timeout=60s");
    await rollOut();
  }));

test("the trust anchor and the issuer are replaced, with an overlap", async (t) => {
  const upgrade = upgrades(t);
  const old = await kubectl([
    ..."get configmap -n linkerd linkerd-identity-trust-roots -o".split(" "),
    String.raw`jsonpath={.data.ca-bundle\.crt}`,
  ]);
  const { certPem, keyPem } = await newAuthority(
    "identity.linkerd.cluster.local",
    DAY_MS,
    systemClock,
  );
  await compare(t, async () => {
    await upgrade({ "identity-trust-anchors-file": `${old.trim()}\n${certPem}` });
    await upgrade({
      "identity-issuer-certificate-file": certPem,
      "identity-issuer-key-file": keyPem,
    });
    await upgrade({ "identity-trust-anchors-file": certPem });
  });
  const { code, stdout } = await linkerd("check --proxy -n meshed");
  assert.equal(code, 0, stdout);
});

test("thirty rollouts in a row", (t) =>
  compare(t, async () => {
    for (let i = 0; i < 30; i++) await rollOut();
  }));

type Upgrade = (files: Readonly<Record<string, string>>) => Promise<void>;

/** Upgrades with flags that name files of this content, and makes all anew that has certificates. */
function upgrades(t: TestContext): Upgrade {
  const dir = mkdtempSync(join(tmpdir(), "certificates-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return async (files) => {
    const flags = Object.entries(files).map(([flag, content]) => {
      const path = join(dir, flag);
      writeFileSync(path, content, { mode: 0o600 });
      return `--${flag}=${path}`;
    });
    const { code, stdout, stderr } = await linkerd(`upgrade ${flags.join(" ")}`);
    assert.equal(code, 0, stderr);
    await kubectl("apply -f -", stdout);
    await kubectl("rollout restart -n linkerd deploy");
    await kubectl("rollout status -n linkerd deploy --timeout=80s");
    await rollOut();
    await replaceLoaders();
  };
}

function onNode(...words: string[]): void {
  const [program = "", ...before] = process.env["LINKERD_NODE"]!.split(" ");
  execFileSync(program, [...before, ...words]);
}
