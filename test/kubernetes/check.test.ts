// `linkerd check` where something is wrong with a cluster: each is named, with what mends it.
// Needs: KUBECONFIG, kubectl.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { VirtualClock } from "../../src/base/clock.ts";
import { newAuthority } from "../../src/control/issuer.ts";
import { readKubeconfig } from "../../src/platform/kubeconfig.ts";
import { eventually, kubectl, linkerd } from "./cluster.ts";

const NS = "missed";
const IMAGE = "linkerd-ts/cni-plugin:ts-0.1.0";
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
  await expectFailure(
    `check --kubeconfig ${kubeconfigFor("nobody", "https://127.0.0.1:1")}`,
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

test("a role that is older than the images", async () => {
  const role = "clusterrole linkerd-linkerd-destination";
  type Role = { rules: { resources: string[] }[] };
  const { rules, ...rest } = JSON.parse(await kubectl(`get ${role} -o json`)) as Role;
  const older = {
    ...rest,
    rules: rules.filter((rule) => !rule.resources.includes("trafficsplits")),
  };
  await kubectl("replace -f -", JSON.stringify(older));
  await kubectl("rollout restart -n linkerd deploy/linkerd-destination");
  // It serves without.
  await kubectl("rollout status -n linkerd deploy/linkerd-destination --timeout=60s");
  await expectFailure(
    "check --wait 30s",
    /× control plane may read all that it serves\n +the ClusterRole linkerd-linkerd-destination does not allow: trafficsplits\n/,
    /√ control plane pods are ready/,
  );
  // The pod before it may still be there, and say nothing of it.
  const label = "linkerd.io/control-plane-component=destination";
  const log = await kubectl(`logs -n linkerd -l ${label} -c destination --tail=-1`);
  assert.match(log, /cannot read resources plural="?trafficsplits/);
  await kubectl("apply -f -", (await linkerd("upgrade")).stdout);
});

test("a pod that came up while the injector was away", async () => {
  const injector = "-n linkerd deploy/linkerd-proxy-injector";
  const upgraded = await linkerd("upgrade --set proxyInjector.evictMissed=true");
  await kubectl("apply -f -", upgraded.stdout);
  await kubectl(`scale ${injector} --replicas=0`);
  await kubectl(
    "wait -n linkerd pod -l linkerd.io/control-plane-component=proxy-injector --for=delete --timeout=60s",
  );
  for (const object of [
    { ...named("v1", "Namespace"), spec: {} },
    { ...named("apps/v1", "Deployment"), spec: sleepers() },
  ])
    await kubectl("apply -f -", JSON.stringify(object));
  await kubectl(`rollout status -n ${NS} deploy/${NS} --timeout=60s`);
  const { stdout } = await linkerd(`check --proxy --wait 0s -n ${NS}`);
  assert.match(stdout, new RegExp(`‼ pods that ask for a proxy have one[^]*\\* ${NS}/${NS}-`));

  await kubectl(`scale ${injector} --replicas=1`);
  await eventually("a pod with a proxy in its place", async () => {
    const label = "linkerd.io/control-plane-ns=linkerd";
    const pods = await kubectl(`get pods -n ${NS} -l ${label} -o name`);
    return pods.trim() === "" ? undefined : true;
  });
  await kubectl(`rollout status -n ${NS} deploy/${NS} --timeout=60s`);
  assert.match(await kubectl(`describe -n ${NS} deploy ${NS}`), /Warning +InjectionMissed/);
  const captured = await kubectl(
    `exec -n ${NS} deploy/${NS} -c linkerd-debug -- tcpdump -i any -nn -c 2 port 4191`,
  );
  assert.match(captured, /\.4191: Flags/);
  await kubectl(`delete ns ${NS} --wait=false`);
});

test("extensions check themselves, each by a program of its own", async (t) => {
  const paths = process.env["PATH"];
  process.env["PATH"] = `${dir}:${paths}`;
  t.after(() => (process.env["PATH"] = paths));
  const answer = {
    success: true,
    categories: [
      { categoryName: "shop-stock", checks: [{ description: "is full", result: "success" }] },
    ],
  };
  const script = `#!/bin/sh\n[ "$1 $6" = "check --output=json" ] && echo '${JSON.stringify(answer)}'`;
  writeFileSync(join(dir, "linkerd-shop"), script, { mode: 0o755 });
  for (const name of ["shop", "gone"]) {
    const labels = { "linkerd.io/extension": name };
    const metadata = { name: `${NS}-${name}`, labels };
    await kubectl("apply -f -", JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata }));
    t.after(() => kubectl(`delete ns ${NS}-${name} --wait=false`));
  }
  const good = await linkerd("check --wait 60s", "", 90_000);
  assert.equal(good.code, 0, good.stdout);
  assert.match(good.stdout, /shop-stock\n-+\n√ is full\n/);
  assert.match(
    good.stdout,
    /linkerd-gone\n-+\n‼ Linkerd extension command linkerd-gone exists\n.* no program linkerd-gone in PATH\n +see https:\S+#extensions for hints/,
  );
  const { categories } = JSON.parse((await linkerd("check -o json")).stdout) as typeof answer;
  assert.deepEqual(categories.at(-1), answer.categories[0]);

  writeFileSync(join(dir, "linkerd-shop"), "#!/bin/sh\necho out of stock >&2", { mode: 0o755 });
  await expectFailure("check -o short", /linkerd-shop\n-+\n× Running: .* check .*\n +out of stock/);
});

test("a Kubernetes that is too old", async (t) => {
  const access = readKubeconfig([process.env["KUBECONFIG"]!], {}, process.env);
  const { ca, cert, key, server } = access;
  const authorization = await access.authorization();
  // The real one, but for what it says of its version.
  const older = createServer((req, rsp) => {
    if (req.url === "/version") {
      rsp.setHeader("content-type", "application/json");
      return void rsp.end('{"gitVersion":"v1.27.3"}');
    }
    const host = new URL(server).host;
    const headers = { ...req.headers, host, ...(authorization && { authorization }) };
    const tls = { ca: ca ?? [], cert: cert ?? [], key: key ?? [] };
    const { method = "GET", url = "" } = req;
    const ahead = request(new URL(url, server), { ...tls, method, headers }, (answer) => {
      rsp.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(rsp);
    });
    req.pipe(ahead);
  });
  t.after(() => (older.closeAllConnections(), older.close()));
  await once(older.listen(0, "127.0.0.1"), "listening");
  const { port } = older.address() as AddressInfo;
  await expectFailure(
    `check --wait 0s --kubeconfig ${kubeconfigFor("old", `http://127.0.0.1:${port}`)}`,
    /× is running the minimum Kubernetes API version\n +Kubernetes is on version v1.27.3, but version 1.29.0 or more recent is required/,
    /√ control plane Namespace exists/,
  );
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
  const old = (name: string) => newAuthority(name, 1000, new VirtualClock());
  const replace = async (kind: string, name: string, data: object): Promise<void> => {
    const object = { apiVersion: "v1", kind, metadata: { name, namespace: "linkerd" }, ...data };
    await kubectl("apply --server-side --force-conflicts -f -", JSON.stringify(object));
  };
  const webhook = await old("linkerd-proxy-injector.linkerd.svc");
  await replace("Secret", "linkerd-proxy-injector-k8s-tls", {
    type: "kubernetes.io/tls",
    stringData: { "tls.crt": webhook.certPem, "tls.key": webhook.keyPem },
  });
  const caBundle = Buffer.from(webhook.certPem).toString("base64");
  const patch = [{ op: "replace", path: "/webhooks/0/clientConfig/caBundle", value: caBundle }];
  await kubectl([
    ..."patch mutatingwebhookconfiguration linkerd-proxy-injector-webhook-config --type=json -p".split(
      " ",
    ),
    JSON.stringify(patch),
  ]);
  await expectFailure(
    "check --wait 0s",
    /× proxy-injector webhook has valid cert\n +it expired on .*\n +"linkerd upgrade \| kubectl apply -f -" makes a new one/,
  );

  const issuer = await old("identity.linkerd.cluster.local");
  await replace("Secret", "linkerd-identity-issuer", {
    stringData: { "crt.pem": issuer.certPem, "key.pem": issuer.keyPem },
  });
  await expectFailure(
    "check --wait 0s",
    /× issuer cert is within its validity period\n.*not valid anymore. Expired on/,
    /linkerd upgrade --help/,
  );
  await replace("ConfigMap", "linkerd-identity-trust-roots", {
    data: { "ca-bundle.crt": issuer.certPem },
  });
  await expectFailure(
    "check --wait 0s",
    /× trust anchors are within their validity period\n.*not valid anymore. Expired on/,
  );
});

test("a namespace that has no mesh", async () => {
  await expectFailure("check --wait 0s -L elsewhere", /× control plane Namespace exists/);
});

/** A kubeconfig for a server that asks for nothing. */
function kubeconfigFor(name: string, server: string): string {
  const path = join(dir, `${name}.yaml`);
  const config = {
    "current-context": name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: {} }],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const named = (apiVersion: string, kind: string) => {
  const annotations = { "linkerd.io/inject": "enabled" };
  return {
    apiVersion,
    kind,
    metadata: { name: NS, ...(kind === "Namespace" ? { annotations } : { namespace: NS }) },
  };
};

function sleepers() {
  const annotations = { "config.linkerd.io/enable-debug-sidecar": "true" };
  const script = 'process.once("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000);';
  const command = ["/usr/local/bin/node", "-e", script];
  const containers = [{ name: "sleeper", image: IMAGE, command }];
  const metadata = { labels: { app: NS }, annotations };
  return { selector: { matchLabels: { app: NS } }, template: { metadata, spec: { containers } } };
}

async function removeAll(): Promise<void> {
  await kubectl(`delete ns ${NS} --ignore-not-found`);
  const { stdout } = await linkerd("uninstall --force");
  if (stdout.trim() !== "") await kubectl("delete --ignore-not-found -f -", stdout);
}
