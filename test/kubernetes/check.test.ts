// `linkerd check` where something is wrong with a cluster: each is named, with what mends it.
// Needs: KUBECONFIG, kubectl.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { VirtualClock } from "../../src/base/clock.ts";
import { newAuthority } from "../../src/control/issuer.ts";
import { kubectl, linkerd } from "./cluster.ts";

const dir = mkdtempSync(join(tmpdir(), "check-"));

before(async () => {
  await removeAll();
  await kubectl("apply -f -", (await linkerd("install --crds")).stdout);
  await kubectl("apply -f -", (await linkerd("install")).stdout);
});
after(async () => {
  await removeAll();
  rmSync(dir, { recursive: true });
});

/** Runs a check that shall fail, and looks for words in what it says. */
async function expectFailure(words: string, ...wanted: RegExp[]): Promise<void> {
  const { code, stdout, stderr } = await linkerd(words);
  assert.equal(code, 1, stdout);
  for (const pattern of wanted) assert.match(stdout + stderr, pattern);
}

test("an API server that does not answer", async () => {
  const path = join(dir, "nobody.yaml");
  const [name, cluster] = ["x", { server: "https://127.0.0.1:1" }];
  const config = {
    "current-context": name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster }],
    users: [{ name, user: {} }],
  };
  writeFileSync(path, JSON.stringify(config));
  await expectFailure(
    `check --kubeconfig ${path}`,
    /× can query the Kubernetes API\n +the API server https:\/\/127.0.0.1:1 cannot be asked/,
    /"kubectl cluster-info" should work/,
  );
});

test("a context that is none", async () => {
  await expectFailure("check --context nowhere", /has no context "nowhere"; it has: /);
});

test("a user who may not", async () => {
  await expectFailure(
    "check --pre --as nobody",
    /× can create Secrets\n +not authorized to create secrets/,
    /somebody with the ClusterRole cluster-admin must install/,
  );
  await expectFailure("check --wait 0s --as nobody", /User "nobody" cannot /);
});

test("a mesh of which a part is missing", async () => {
  await kubectl("delete clusterrole linkerd-linkerd-identity");
  await expectFailure(
    "check --wait 0s",
    /× control plane ClusterRoles exist\n +missing: linkerd-linkerd-identity\n +"linkerd upgrade \| kubectl apply -f -" puts it back/,
  );
  await kubectl("apply -f -", (await linkerd("upgrade")).stdout);
});

test("a custom resource that is missing", async () => {
  await kubectl("delete crd servers.policy.linkerd.io");
  await expectFailure(
    "check --crds --wait 0s",
    /missing: servers.policy.linkerd.io\n +"linkerd install --crds \| kubectl apply -f -" installs them/,
  );
  await kubectl("apply -f -", (await linkerd("upgrade --crds")).stdout);
});

test("certificates that have expired", async () => {
  const clock = new VirtualClock();
  const old = await newAuthority("identity.linkerd.cluster.local", 1000, clock);
  const replace = async (name: string, stringData: Record<string, string>): Promise<void> => {
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: "linkerd" },
      stringData,
    };
    await kubectl("apply --server-side --force-conflicts -f -", JSON.stringify(secret));
  };
  await replace("linkerd-identity-issuer", { "crt.pem": old.certPem, "key.pem": old.keyPem });
  await expectFailure(
    "check --wait 0s",
    /× issuer cert is within its validity period\n.*not valid anymore. Expired on/,
    /linkerd upgrade --help/,
  );
});

test("a namespace that has no mesh", async () => {
  await expectFailure("check --wait 0s -L elsewhere", /× control plane Namespace exists/);
});

async function removeAll(): Promise<void> {
  const { stdout } = await linkerd("uninstall --force");
  if (stdout.trim() !== "") await kubectl("delete --ignore-not-found -f -", stdout);
}
