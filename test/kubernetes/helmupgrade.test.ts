// What Helm refuses on a cluster that has certificates already: to replace both halves of the trust at once.
// Needs: KUBECONFIG, kubectl, helm.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { HOME, kubectl } from "./cluster.ts";

const NS = "rotated";
const dir = mkdtempSync(join(tmpdir(), "helm-"));

before(async () => {
  const metadata = (name: string) => ({ apiVersion: "v1", metadata: { name, namespace: NS } });
  await kubectl(`create namespace ${NS}`);
  for (const object of [
    {
      ...metadata("linkerd-identity-trust-roots"),
      kind: "ConfigMap",
      data: { "ca-bundle.crt": "one" },
    },
    {
      ...metadata("linkerd-identity-issuer"),
      kind: "Secret",
      stringData: { "crt.pem": "first\n" },
    },
  ])
    await kubectl("apply -f -", JSON.stringify(object));
});
after(async () => {
  await kubectl(`delete namespace ${NS} --wait=false`);
  rmSync(dir, { recursive: true });
});

/** Has Helm render the upgrade to these certificates, with a look at the cluster. */
function upgrade(identityTrustAnchorsPEM: string, crtPEM: string): string {
  const file = join(dir, "values.yaml");
  const issuer = { tls: { crtPEM, keyPEM: "key" } };
  writeFileSync(file, stringify({ identityTrustAnchorsPEM, identity: { issuer } }));
  const chart = join(HOME, "charts/linkerd-control-plane");
  const how = [
    "--is-upgrade",
    "--dry-run=server",
    "--kube-version",
    "1.34.0",
    "-n",
    NS,
    "-f",
    file,
  ];
  return execFileSync("helm", ["template", "mesh", chart, ...how], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

test("the steps of a rotation pass, one by one", () => {
  assert.match(upgrade("one\ntwo", "first"), /two/);
  assert.match(upgrade("one", "second"), /kind: Deployment/);
  assert.match(upgrade("one\n", "first"), /kind: Deployment/);
});

test("both at once are refused", () => {
  assert.throws(() => upgrade("two", "second"), /trust anchors and issuer at once.*check --proxy/);
});
