// The CNI plugin on a real node: pods are redirected without an init container, whoever overwrites the network's
// configuration is overwritten in turn, pods that started too early are replaced, and nothing is left in the end.
// Needs: KUBECONFIG, kubectl, --all.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, kubectl, linkerd } from "./cluster.ts";

const NS = "cni-test";
const INSTALL = "install-cni --set repairController.enabled=true";
// Any image with Node does for applications and for looking at the node.
const IMAGE = "linkerd-ts/cni-plugin:ts-0.1.0";

before(removeAll);
after(removeAll);

test("the plugin installs, before the control plane that counts on it", async () => {
  const early = await linkerd("check --pre --linkerd-cni-enabled --wait 0s");
  assert.match(early.stdout, /× cni plugin ConfigMap exists/);
  await kubectl("apply -f -", (await linkerd(INSTALL)).stdout);
  const pre = await linkerd("check --pre --linkerd-cni-enabled --wait 1m");
  assert.equal(pre.code, 0, pre.stdout);
  assert.match(pre.stdout, /√ cni plugin pod is running on all nodes/);
  await kubectl("apply -f -", (await linkerd("install --crds")).stdout);
  await kubectl("apply -f -", (await linkerd("install --linkerd-cni-enabled")).stdout);
  const { code, stdout } = await linkerd("check --wait 2m", "", 150_000);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /√ cni plugin DaemonSet exists/);
});

test("a meshed pod is redirected without linkerd-init", async () => {
  await kubectl("apply -f -", namespaceAndServer());
  await kubectl(`rollout status -n ${NS} deploy/web --timeout=60s`);
  const names = await kubectl(
    `get pods -n ${NS} -o jsonpath={.items[*].spec.initContainers[*].name}`,
  );
  assert.equal(names, "linkerd-network-validator linkerd-proxy");
  // The proxy counts what comes in: connections to the application's own port reach it.
  const seen = await linkerd(`diagnostics proxy-metrics deploy/web -n ${NS}`);
  assert.match(seen.stdout, /^tcp_open_total\{.*direction="inbound"/m);
});

test("who overwrites the configuration is overwritten", async () => {
  const script = `
    const dir = "/net", fs = require("fs");
    const name = fs.readdirSync(dir).filter((n) => n.endsWith(".conflist")).sort()[0];
    const list = JSON.parse(fs.readFileSync(dir + "/" + name));
    list.plugins = list.plugins.filter((p) => p.type !== "linkerd-cni");
    fs.writeFileSync(dir + "/" + name, JSON.stringify(list));
    const end = Date.now() + 20000;
    (function look() {
      if (fs.readFileSync(dir + "/" + name, "utf8").includes("linkerd-cni")) process.exit(0);
      if (Date.now() > end) process.exit(1);
      setTimeout(look, 100);
    })();`;
  await onNode("overwrite", script);
});

test("a pod that started without the plugin is replaced", async () => {
  // Without the DaemonSet nobody puts the plugin back.
  await kubectl("delete -n linkerd-cni ds/linkerd-cni --wait=true");
  await kubectl(`scale -n ${NS} deploy/web --replicas=0`);
  await kubectl(`scale -n ${NS} deploy/web --replicas=1`);
  await eventually("a pod that its validator holds", async () => {
    const code = await kubectl(
      `get pods -n ${NS} -l app=web -o jsonpath={.items[*].status.initContainerStatuses[0].lastState.terminated.exitCode}`,
    );
    return code.includes("95") ? true : undefined;
  });
  await kubectl("apply -f -", (await linkerd(INSTALL)).stdout);
  await kubectl(`rollout status -n ${NS} deploy/web --timeout=90s`);
  const events = await kubectl(`get events -n ${NS} -o jsonpath={.items[*].reason}`);
  assert.match(events, /LinkerdCNIMissing/);
});

test("nothing is left on the node", async () => {
  await kubectl(`delete ns ${NS} --wait=true`);
  await kubectl("delete --wait=true -f -", (await linkerd(INSTALL)).stdout);
  await kubectl(`create ns ${NS}`);
  const script = `
    const fs = require("fs");
    const left = fs.readdirSync("/bin-dir").filter((n) => n.startsWith("linkerd"));
    const texts = fs.readdirSync("/net").map((n) => fs.readFileSync("/net/" + n, "utf8"));
    process.exit(left.length + texts.filter((t) => t.includes("linkerd")).length);`;
  await onNode("left", script);
});

async function removeAll(): Promise<void> {
  await kubectl(`delete ns ${NS} --ignore-not-found`);
  for (const words of ["uninstall --force", "install-cni"]) {
    const { stdout } = await linkerd(words);
    if (stdout.trim() !== "") await kubectl("delete --ignore-not-found -f -", stdout);
  }
}

/** Runs a script in a pod that has the node's folders for plugins; rejects unless it exits with 0. */
async function onNode(name: string, script: string): Promise<void> {
  const folders = { net: "/etc/cni/net.d", "bin-dir": "/opt/cni/bin" };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NS, annotations: { "linkerd.io/inject": "disabled" } },
    spec: {
      restartPolicy: "Never",
      containers: [
        {
          name,
          image: IMAGE,
          command: ["/usr/local/bin/node", "-e", script],
          volumeMounts: Object.keys(folders).map((key) => ({ name: key, mountPath: `/${key}` })),
        },
      ],
      volumes: Object.entries(folders).map(([key, path]) => ({ name: key, hostPath: { path } })),
    },
  };
  await kubectl("apply -f -", JSON.stringify(pod));
  await eventually(`the pod ${name} to end`, async () => {
    const phase = await kubectl(`get pod -n ${NS} ${name} -o jsonpath={.status.phase}`);
    assert.notEqual(phase, "Failed", `the script of ${name} failed`);
    return phase === "Succeeded" ? true : undefined;
  });
}

function namespaceAndServer(): string {
  const server = `require("http").createServer((q, s) => s.end("hello")).listen(8080);
    process.once("SIGTERM", () => process.exit(0));`;
  const items = [
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: NS, annotations: { "linkerd.io/inject": "enabled" } },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: NS },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: {
            containers: [
              {
                name: "web",
                image: IMAGE,
                command: ["/usr/local/bin/node", "-e", server],
                ports: [{ containerPort: 8080 }],
                readinessProbe: { httpGet: { port: 8080, path: "/" }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
