// The control plane over its life: several replicas of which one writes, an upgrade that keeps what was chosen, an
// issuer and anchors that change under it, kinds that come later, and what is refused and told on the way.
// Needs: KUBECONFIG, kubectl.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { newAuthority, parseIssuer } from "../../src/control/issuer.ts";
import { eventually, kubectl, linkerd } from "./cluster.ts";
import { within } from "./programs.ts";

const NS = "life";
const IMAGE = "linkerd-ts/cni-plugin:ts-0.1.0";
const DAY_MS = 86_400_000;
const dir = mkdtempSync(join(tmpdir(), "life-"));

before(removeAll);
after(async () => {
  await removeAll();
  rmSync(dir, { recursive: true });
});

const json = (object: object): string => JSON.stringify(object);

test("values that the chart does not take are refused", async () => {
  const { code, stderr } = await linkerd(
    "install --ignore-cluster --set proxy.logFormat=xml,proxi.uid=3",
  );
  assert.equal(code, 1);
  assert.match(stderr, /proxy.logFormat: expected "plain" or "json", not "xml"/);
  assert.match(stderr, /there is no value "proxi"/);
});

test("three replicas install, without a pod for each node", async () => {
  await kubectl("apply -f -", (await linkerd("install --crds")).stdout);
  // A test cluster may have one node.
  const set = "enablePodAntiAffinity=false,proxyInit.iptablesMode=legacy";
  const { stdout } = await linkerd(`install --ha --set ${set}`);
  await kubectl("apply -f -", stdout);
  const { code, stdout: seen } = await linkerd("check --wait 3m", "", 200_000);
  assert.equal(code, 0, seen);
  assert.match(seen, /√ multiple replicas of control plane pods/);
  const budgets = await kubectl("get pdb -n linkerd -o name");
  assert.equal(budgets.trim().split("\n").length, 3);
});

test("one replica writes statuses, and another when that one is gone", async () => {
  await kubectl("apply -f -", json(namespace()));
  await kubectl("apply -f -", json(deployment()));
  await kubectl("apply -f -", json(service()));
  const first = await leader();
  await kubectl("apply -f -", json(route("a")));
  await accepted("a");
  await kubectl(`delete pod -n linkerd ${first} --wait=false`);
  await eventually("another leader", async () => ((await leader()) === first ? undefined : true));
  await kubectl("apply -f -", json(route("b")));
  await accepted("b");
});

test("people are told what was injected", async () => {
  await kubectl(`rollout status -n ${NS} deploy/web --timeout=90s`);
  await eventually("an event", async () => {
    const text = await kubectl(`describe deploy -n ${NS} web`);
    return /Injected +\S+ +linkerd-proxy-injector +Linkerd sidecar proxy injected/.test(text)
      ? true
      : undefined;
  });
  assert.match(
    await kubectl(`describe sa -n ${NS} default`),
    /IssuedLeafCertificate .*issued certificate for default.life.serviceaccount.* until /,
  );
  const log = await kubectl(`logs -n ${NS} deploy/web -c linkerd-init`);
  assert.match(log, /redirected program=iptables-legacy/);
  assert.equal(await initUsers(), "65534");
});

/** As whom the init containers of all pods of the application ran. */
async function initUsers(): Promise<string> {
  const path = "{.items[*].spec.initContainers[0].securityContext.runAsUser}";
  return (await kubectl(["get", "pods", "-n", NS, "-o", `jsonpath=${path}`])).trim();
}

test("what inject --manual writes out runs as what the webhook makes", async () => {
  const manifest = json(deployment("written"));
  await kubectl("apply -f -", (await linkerd("inject --manual -", manifest)).stdout);
  await kubectl(`rollout status -n ${NS} deploy/written --timeout=80s`);
  const names = "{.items[0].spec.initContainers[*].name} {.items[0].spec.containers[*].name}";
  const containers = (app: string) =>
    kubectl(["get", "pods", "-n", NS, "-l", `app=${app}`, "-o", `jsonpath=${names}`]);
  assert.equal(await containers("written"), (await containers("web")).replace("web", "written"));
  await kubectl(`delete -n ${NS} deploy/written --wait=false`);
});

test("what the control plane knows can be asked", async () => {
  const host = `web.${NS}.svc.cluster.local:80`;
  assert.match((await linkerd(`diagnostics endpoints ${host}`)).stdout, /web\./);
  const chosen = `--destination-pod ${await leader()}`;
  assert.match((await linkerd(`diagnostics endpoints ${host} ${chosen}`)).stdout, /web\./);
  assert.match(
    (await linkerd(`diagnostics endpoints ${host} --destination-pod nobody`)).stderr,
    /pods "nobody" not found/,
  );
  assert.match((await linkerd(`diagnostics policy svc/web 80 -n ${NS}`)).stdout, /protocol:/);
  assert.match((await linkerd(`diagnostics profile ${host}`)).stdout, /"fullyQualifiedName"/);
  assert.match((await linkerd("diagnostics controller-metrics")).stdout, /issuer_cert_ttl_seconds/);
  const pod = (await kubectl(`get pods -n ${NS} -o jsonpath={.items[0].metadata.name}`)).trim();
  assert.match(
    (await linkerd(`identity ${pod} -n ${NS}`)).stdout,
    /serviceaccount.identity.linkerd/,
  );
});

test("a kind that comes later is read from then on", async () => {
  await kubectl("apply -f -", json(splitDefinition()));
  await kubectl(
    "wait --for=condition=Established crd/trafficsplits.split.smi-spec.io --timeout=20s",
  );
  await kubectl("apply -f -", json(split()));
  await eventually(
    "the split in the profile",
    async () => {
      const { stdout } = await linkerd(`diagnostics profile web.${NS}.svc.cluster.local:80`);
      return stdout.includes(`other.${NS}`) ? true : undefined;
    },
    90_000,
  );
  await kubectl("delete crd trafficsplits.split.smi-spec.io");
});

test("policies and profiles that cannot be are refused with the reason", async () => {
  const profile = {
    apiVersion: "linkerd.io/v1alpha2",
    kind: "ServiceProfile",
    metadata: { name: `web.${NS}.svc.cluster.local`, namespace: NS },
    spec: { routes: [{ name: "r", condition: { method: "GET" }, timeout: "soon" }] },
  };
  await assert.rejects(kubectl("apply -f -", json(profile)), /timeout: expected a duration/);
  const { rules } = route("c").spec;
  const wrong = {
    ...route("c"),
    spec: {
      ...route("c").spec,
      rules: [{ ...rules[0], timeouts: { request: "1s", backendRequest: "2s" } }],
    },
  };
  await assert.rejects(
    kubectl("apply -f -", json(wrong)),
    /backendRequest \(2s\) is longer than request/,
  );
  await kubectl("apply -f -", json(server("one")));
  await eventually("the refusal of another Server for the same port", async () => {
    const refused = kubectl("apply --dry-run=server -f -", json(server("two")));
    const why = await refused.then(() => "", String);
    return why.includes(`Server ${NS}/one is for port 8080 of the same workloads`) || undefined;
  });
});

test("an upgrade keeps what was chosen", async () => {
  const issuer = await kubectl("get secret -n linkerd linkerd-identity-issuer -o jsonpath={.data}");
  const { stdout } = await linkerd(
    "upgrade --proxy-log-level debug --set proxyInit.runAsRoot=true",
  );
  await kubectl("apply -f -", stdout);
  const values = await kubectl("get cm -n linkerd linkerd-config -o jsonpath={.data.values}");
  assert.match(values, /controllerReplicas: 3/);
  assert.match(values, /logLevel: debug/);
  assert.equal(
    await kubectl("get secret -n linkerd linkerd-identity-issuer -o jsonpath={.data}"),
    issuer,
  );
  await kubectl("create configmap -n linkerd left-over");
  await kubectl("label configmap -n linkerd left-over linkerd.io/control-plane-ns=linkerd");
  assert.match((await linkerd("prune")).stdout, /name: left-over/);
  await kubectl("delete -f -", (await linkerd("prune")).stdout);
  assert.equal((await linkerd("prune")).stdout.trim(), "");
});

test("anchors and issuer are replaced under running proxies, in the order that keeps all trusted", async () => {
  const anchor = await newAuthority("root.linkerd.cluster.local", 100 * DAY_MS, systemClock);
  const above = await parseIssuer({ anchorsPem: anchor.certPem, ...anchor });
  const issuer = await newAuthority(
    "identity.linkerd.cluster.local",
    90 * DAY_MS,
    systemClock,
    above,
  );
  const old = await kubectl(
    "get cm -n linkerd linkerd-identity-trust-roots -o jsonpath={.data.ca-bundle\\.crt}",
  );
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const flags = `--identity-issuer-certificate-file ${file("crt.pem", issuer.certPem)} --identity-issuer-key-file ${file("key.pem", issuer.keyPem)}`;
  const both = `--identity-trust-anchors-file ${file("both.pem", `${old.trim()}\n${anchor.certPem}`)}`;
  const alone = `--identity-trust-anchors-file ${file("alone.pem", anchor.certPem)}`;
  const pods = await kubectl("get pods -n linkerd -o name");
  const [web = ""] = (await kubectl(`get pods -n ${NS} -o name`)).trim().split("\n");

  assert.match((await linkerd(`upgrade ${flags}`)).stderr, /no trust anchor has issued/);
  const wary = await linkerd(`upgrade ${flags} ${both}`);
  assert.match(wary.stderr, /do not trust the new issuer[^]*\* life\/web-/);
  await upgradeWhenAllowed(both);
  await upgradeWhenAllowed(`${flags} ${both}`);
  await upgradeWhenAllowed(`${flags} ${alone}`);
  await eventually("the event of the new issuer", async () => {
    const text = await kubectl("get events -n linkerd -o jsonpath={.items[*].reason}");
    return text.includes("IssuerUpdated") ? true : undefined;
  });
  assert.equal(await kubectl("get pods -n linkerd -o name"), pods);

  // The environment of the proxy that starts again has the first anchor only, which nobody has any more.
  await within(NS, `${web} -c linkerd-proxy`, "process.kill(1)");
  await kubectl(`wait -n ${NS} ${web} --for=condition=Ready=false --timeout=60s`);
  await kubectl(`wait -n ${NS} ${web} --for=condition=Ready --timeout=60s`);
  await kubectl(`scale -n ${NS} deploy/web --replicas=2`);
  await kubectl(`rollout status -n ${NS} deploy/web --timeout=80s`);
  assert.deepEqual((await initUsers()).split(" ").sort(), ["0", "65534"]);
  const script = `const said = new Set();
    for (let i = 0; i < 60 && said.size < 2; i++)
      said.add(await fetch("http://web").then((rsp) => rsp.text(), String));
    console.log([...said].sort().join(" "));`;
  const names = (await kubectl(`get pods -n ${NS} -o jsonpath={.items[*].metadata.name}`)).trim();
  for (const pod of names.split(" "))
    assert.equal((await within(NS, `pod/${pod} -c web`, script)).trim(), names);
});

/** Upgrades as soon as no running proxy speaks against it. */
async function upgradeWhenAllowed(flags: string): Promise<void> {
  await eventually(
    `an upgrade with ${flags}`,
    async () => {
      // Kubelets look for what is new in a mounted ConfigMap when they look at the pod.
      await kubectl(`annotate pods -n linkerd --all --overwrite looked=${Date.now()}`);
      const { code, stdout, stderr } = await linkerd(`upgrade ${flags}`);
      if (code !== 0) throw new Error(stderr);
      await kubectl("apply -f -", stdout);
      return true;
    },
    200_000,
  );
}

test("nothing is left", async () => {
  assert.match((await linkerd("uninstall")).stderr, /these pods still have proxies/);
  await kubectl(`delete ns ${NS} --wait=true`);
  await kubectl("delete -f -", (await linkerd("uninstall")).stdout);
  const kinds =
    "crd,clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration,ns";
  assert.doesNotMatch(await kubectl(`get ${kinds} -o name`), /linkerd/);
});

async function removeAll(): Promise<void> {
  await kubectl(`delete ns ${NS} --ignore-not-found`);
  await kubectl("delete crd trafficsplits.split.smi-spec.io --ignore-not-found");
  const { stdout } = await linkerd("uninstall --force");
  if (stdout.trim() !== "") await kubectl("delete --ignore-not-found -f -", stdout);
}

async function leader(): Promise<string> {
  return eventually("a leader", async () => {
    const lease = "lease -n linkerd policy-controller-write";
    const name = (await kubectl(`get ${lease} -o jsonpath={.spec.holderIdentity}`)).trim();
    return name === "" ? undefined : name;
  });
}

async function accepted(name: string): Promise<void> {
  await eventually(`the status of the route ${name}`, async () => {
    const path = "{.status.parents[0].conditions[0].reason}";
    const reason = await kubectl(
      `get httproutes.policy.linkerd.io -n ${NS} ${name} -o jsonpath=${path}`,
    );
    return reason === "Accepted" ? true : undefined;
  });
}

const namespace = () => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: NS, annotations: { "linkerd.io/inject": "enabled" } },
});

const service = () => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: NS },
  spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
});

function deployment(name = "web") {
  const script = `require("http").createServer((q, s) => s.end(require("os").hostname())).listen(8080);
    process.once("SIGTERM", () => process.exit(0));`;
  const container = {
    name,
    image: IMAGE,
    command: ["/usr/local/bin/node", "-e", script],
    ports: [{ containerPort: 8080 }],
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: NS },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
    },
  };
}

const route = (name: string) => ({
  apiVersion: "policy.linkerd.io/v1beta3",
  kind: "HTTPRoute",
  metadata: { name, namespace: NS },
  spec: {
    parentRefs: [{ group: "", kind: "Service", name: "web", port: 80 }],
    rules: [{ backendRefs: [{ name: "web", port: 80 }] }],
  },
});

const server = (name: string) => ({
  apiVersion: "policy.linkerd.io/v1beta3",
  kind: "Server",
  metadata: { name, namespace: NS },
  spec: {
    podSelector: { matchLabels: { app: "web" } },
    port: 8080,
    accessPolicy: "all-unauthenticated",
  },
});

const split = () => ({
  apiVersion: "split.smi-spec.io/v1alpha2",
  kind: "TrafficSplit",
  metadata: { name: "web", namespace: NS },
  spec: {
    service: "web",
    backends: [
      { service: "web", weight: 50 },
      { service: "other", weight: 50 },
    ],
  },
});

function splitDefinition() {
  const group = "split.smi-spec.io";
  const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const names = {
    kind: "TrafficSplit",
    plural: "trafficsplits",
    singular: "trafficsplit",
    listKind: "TrafficSplitList",
  };
  const versions = [{ name: "v1alpha2", served: true, storage: true, schema: { openAPIV3Schema } }];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `trafficsplits.${group}` },
    spec: { group, names, scope: "Namespaced", versions },
  };
}
