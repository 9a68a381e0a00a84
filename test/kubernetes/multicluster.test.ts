// Two clusters that know of each other: a client in the one calls a service of the other. LINKERD_SECOND_KUBECONFIG is
// the kubeconfig of the other one, which must have our images and that of the demo, and whose API server and nodes pods
// of the first one must reach.
// Needs: KUBECONFIG, LINKERD_SECOND_KUBECONFIG, kubectl.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, HOME, kubectl, linkerd, type Output } from "./cluster.ts";
import { installMesh } from "./mesh.ts";
import { rolledOut, within } from "./programs.ts";

const NS = "echo";
const MC = "linkerd-multicluster";
const SECOND = `--kubeconfig=${process.env["LINKERD_SECOND_KUBECONFIG"]}`;
const CONTROLLER = "--set controllers[0].link.ref.name=east";
const ECHO = readFileSync(join(HOME, "test/kubernetes/apps/echo.yaml"), "utf8");
const dir = mkdtempSync(join(tmpdir(), "multicluster-"));

const there = (words: string, input = ""): Promise<string> => kubectl(`${SECOND} ${words}`, input);

before(async () => {
  await installMesh();
  await installThere();
  await Promise.all(
    [kubectl, there].map(async (kube, i) => {
      await kube(`delete namespace ${NS} --ignore-not-found`);
      await kube(`create namespace ${NS}`);
      await kube(`annotate namespace ${NS} linkerd.io/inject=enabled`);
      await kube(`apply -n ${NS} -f -`, ECHO.replace("CLUSTER_NAME", ["west", "east"][i]!));
    }),
  );
  await rolledOut(NS, "deploy/echo");
  await eventually("echo there", () => there(`rollout status -n ${NS} deploy/echo --timeout=60s`));
});

after(async () => {
  rmSync(dir, { recursive: true });
  await remove(kubectl, "mc unlink --cluster-name east");
  await remove(kubectl, "mc uninstall");
  await remove(there, `${SECOND} mc uninstall`);
  await remove(there, `${SECOND} uninstall --force`);
  await Promise.all(
    [kubectl, there].map((kube) => kube(`delete namespace ${NS} --ignore-not-found`)),
  );
});

// With the anchors and the issuer of the first cluster, so that each believes the other.
async function installThere(): Promise<void> {
  const { data } = JSON.parse(
    await kubectl("get secret -n linkerd linkerd-identity-issuer -o json"),
  ) as { data: Record<string, string> };
  const roots = await kubectl([
    ..."get configmap -n linkerd linkerd-identity-trust-roots -o".split(" "),
    "jsonpath={.data.ca-bundle\\.crt}",
  ]);
  const file = (name: string, text: string): string => {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  };
  const pem = (...keys: string[]): string =>
    Buffer.from(keys.map((key) => data[key]).find(Boolean) ?? "", "base64").toString();
  const flags = [
    `--identity-trust-anchors-file ${file("roots.crt", roots)}`,
    `--identity-issuer-certificate-file ${file("issuer.crt", pem("crt.pem", "tls.crt"))}`,
    `--identity-issuer-key-file ${file("issuer.key", pem("key.pem", "tls.key"))}`,
  ];
  await apply(there, `${SECOND} install --crds`);
  await apply(there, `${SECOND} install --ignore-cluster ${flags.join(" ")}`);
  const check = await linkerd(`${SECOND} check --wait 2m`, "", 150_000);
  assert.equal(check.code, 0, check.stdout);
}

async function apply(kube: typeof there, words: string): Promise<void> {
  const { code, stdout, stderr } = await linkerd(words);
  assert.equal(code, 0, stderr);
  await kube("apply -f -", stdout);
}

async function remove(kube: typeof there, words: string): Promise<void> {
  const { code, stdout } = await linkerd(words);
  if (code === 0 && stdout.trim() !== "") await kube("delete --ignore-not-found -f -", stdout);
}

async function ask(name: string): Promise<Record<string, string>> {
  const script = `process.stdout.write(await (await fetch("http://${name}/")).text())`;
  return JSON.parse(await within(NS, "deploy/echo -c echo", script)) as Record<string, string>;
}

const asked = (name: string) =>
  eventually(`an answer of ${name}`, async () => {
    const answer = await ask(name);
    return answer["cluster"] === undefined ? undefined : answer;
  });

const json = async <T>(words: string): Promise<T> => JSON.parse(await kubectl(words)) as T;

test("a link needs a gateway, its address and a name, and says so", async () => {
  const linkGen = (words: string): Promise<Output> => linkerd(`${SECOND} mc link-gen ${words}`);
  assert.match((await linkGen("--cluster-name east")).stderr, /multicluster install/);
  await apply(there, `${SECOND} mc install --gateway-service-type NodePort`);
  assert.match((await linkGen("--cluster-name east")).stderr, /--gateway-addresses/);
  assert.match((await linkGen("--cluster-name East")).stderr, /--cluster-name "East"/);
  assert.match((await linkerd("mc link --cluster-name east")).stderr, /link-gen/);
});

test("a service of the other cluster is called over mutual TLS, with the client's identity", async () => {
  const ip = await there("get nodes -o jsonpath={.items[0].status.addresses[0].address}");
  await apply(kubectl, `mc install --gateway=false ${CONTROLLER}`);
  await apply(kubectl, `${SECOND} mc link-gen --cluster-name east --gateway-addresses ${ip}`);
  await there(`label service -n ${NS} echo mirror.linkerd.io/exported=true`);
  const answer = await asked("echo-east");
  assert.equal(answer["cluster"], "east");
  const client = "default.echo.serviceaccount.identity.linkerd.cluster.local";
  const gateway = `linkerd-gateway.${MC}.serviceaccount.identity.linkerd.cluster.local`;
  assert.match(answer["forwarded"] ?? "", new RegExp(`by=${gateway};for=${client};`));
  assert.equal(answer["l5d-client-id"], gateway);
  const { stdout } = await linkerd(`diagnostics proxy-metrics -n ${NS} deploy/echo`);
  const calls = stdout.split("\n").filter((line) => /^response_total\{.*"echo-east/.test(line));
  assert.ok(calls.length > 0, stdout);
  for (const line of calls)
    assert.match(
      line,
      new RegExp(`tls="true".*server_id="${gateway}"|server_id="${gateway}".*tls="true"`),
    );
});

test("bytes of an opaque port pass too", async () => {
  const script = `
    import { connect } from "node:net";
    const socket = connect(3306, "echo-east", () => socket.write("hello"));
    socket.pipe(process.stdout)`;
  assert.equal(await within(NS, "deploy/echo -c echo", script), "east got hello");
});

test("the Link says what is mirrored, and what cannot be", async () => {
  await there("create namespace elsewhere");
  await there("create service clusterip -n elsewhere lonely --tcp=80");
  await there("label service -n elsewhere lonely mirror.linkerd.io/exported=true");
  type Status = {
    mirrorServices: { remoteRef: { name: string }; conditions: { reason: string }[] }[];
  };
  const reasons = await eventually("a condition of each service", async () => {
    const { status } = await json<{ status: Status }>(`get link -n ${MC} east -o json`);
    const all = status.mirrorServices.map((s) => [s.remoteRef.name, s.conditions[0]!.reason]);
    return all.length === 2 ? Object.fromEntries(all) : undefined;
  });
  await there("delete namespace elsewhere");
  assert.deepEqual(reasons, { echo: "Mirrored", lonely: "NoNamespace" });
});

const ROWS = [
  "Link CRD exists",
  "Link resources are valid",
  "Link and CLI versions match",
  "remote cluster access credentials are valid",
  "clusters share trust anchors",
  "service mirror controller has required permissions",
  "service mirror controllers are running",
  "extension is managing controllers",
  "probe services able to communicate with all gateway mirrors",
  "all mirror services have endpoints",
  "all mirror services are part of a Link",
  "multicluster extension proxies are healthy",
];

test("every row of the check is right, also as a part of linkerd check", async () => {
  const { code, stdout } = await linkerd("mc check --wait 30s");
  assert.equal(code, 0, stdout);
  for (const row of ROWS) assert.ok(stdout.includes(`√ ${row}\n`), `${row}\n${stdout}`);
  assert.ok((await linkerd("check")).stdout.includes(`√ ${ROWS.at(-1)}\n`));
});

test("gateways are listed, with what they answer", async () => {
  const table = (await linkerd("mc gateways")).stdout;
  assert.match(table, /^CLUSTER +ALIVE +NUM_SVC +LATENCY +\neast +True +1 +\d+ms +\n$/);
  const [row] = JSON.parse((await linkerd("mc gateways -o json")).stdout) as [{ latency: number }];
  assert.ok(Number.isInteger(row.latency));
  assert.deepEqual(
    { ...row, latency: 0 },
    { clusterName: "east", alive: true, numberOfServices: 1, latency: 0 },
  );
  assert.match((await linkerd("mc gateways --cluster-name none")).stderr, /No clusters/);
});

test("a mirror that somebody changes or deletes comes back, endpoints too", async () => {
  const same = async (): Promise<true | undefined> => {
    const { cluster } = await ask("echo-east");
    return cluster === "east" ? true : undefined;
  };
  await kubectl([
    "patch",
    "service",
    "-n",
    NS,
    "echo-east",
    "-p",
    '{"spec":{"ports":[{"name":"http","port":80,"targetPort":1}]}}',
  ]);
  await kubectl(["patch", "endpoints", "-n", NS, "echo-east", "-p", '{"subsets":[]}']);
  await eventually("mended endpoints", same);
  await kubectl(`delete service -n ${NS} echo-east`);
  await eventually("a new mirror", same);
});

test("a gateway that does not answer has no endpoints, and has them again when it does", async () => {
  const ready = async (): Promise<number> => {
    const { subsets = [] } = await json<{ subsets?: { addresses?: object[] }[] }>(
      `get endpoints -n ${NS} echo-east -o json`,
    );
    return subsets.flatMap(({ addresses = [] }) => addresses).length;
  };
  await there(`scale -n ${MC} deploy/linkerd-gateway --replicas=0`);
  await eventually("no endpoints", async () => ((await ready()) === 0 ? true : undefined));
  const status = await kubectl(`get link -n ${MC} east -o jsonpath={.status.gateways}`);
  assert.match(status, /"alive":false.*ready: /);
  assert.match((await linkerd("mc gateways")).stdout, /^east +False +1 +- /m);
  const check = await linkerd("mc check --wait 1s");
  assert.equal(check.code, 1);
  assert.match(check.stdout, /× probe services able[^]*east: http:[^]*× all mirror services have/);
  await there(`scale -n ${MC} deploy/linkerd-gateway --replicas=1`);
  await eventually("endpoints", async () => ((await ready()) === 1 ? true : undefined));
  assert.equal((await asked("echo-east"))["cluster"], "east");
});

test("pods of a flat network are called without the gateway, with the client's own identity", async () => {
  await there(
    `label service -n ${NS} echo --overwrite mirror.linkerd.io/exported=remote-discovery`,
  );
  const answer = await eventually("an answer of the pod itself", async () => {
    const { cluster, forwarded, ...rest } = await ask("echo-east");
    return cluster === "east" && forwarded === undefined ? rest : undefined;
  });
  assert.match(answer["l5d-client-id"] ?? "", /^default\.echo\.serviceaccount/);
  const { stdout } = await linkerd("diagnostics endpoints echo-east.echo.svc.cluster.local:80");
  const ip = await there(`get pods -n ${NS} -l app=echo -o jsonpath={.items[0].status.podIP}`);
  assert.match(stdout, new RegExp(`^echo +${ip.replaceAll(".", "\\.")} +8080 +echo-`, "m"));
  await there(`rollout restart -n ${NS} deploy/echo`);
  await eventually("another pod", async () => {
    const now = await there(`get pods -n ${NS} -l app=echo -o jsonpath={.items[*].status.podIP}`);
    const { cluster } = await ask("echo-east");
    return !now.includes(ip) && cluster === "east" ? true : undefined;
  });
});

test("a federated service is that of all clusters whose services are members", async () => {
  const answers = async (): Promise<string> => {
    const all = await Promise.all(Array.from({ length: 8 }, () => ask("echo-federated")));
    return [...new Set(all.map(({ cluster = "" }) => cluster))].sort().join();
  };
  const become = (wanted: string): Promise<true> =>
    eventually(wanted, async () => ((await answers()) === wanted ? true : undefined));
  await there(`label service -n ${NS} echo mirror.linkerd.io/federated=member`);
  await become("east");
  await kubectl(`label service -n ${NS} echo mirror.linkerd.io/federated=member`);
  await become("east,west");
  await there(`label service -n ${NS} echo mirror.linkerd.io/federated-`);
  await eventually("its end", async () => {
    const names = await kubectl(`get services -n ${NS} -o name`);
    return names.includes("federated") ? undefined : true;
  });
});

test("what is no longer exported is gone", async () => {
  await there(`label service -n ${NS} echo mirror.linkerd.io/exported-`);
  const names = async () => kubectl(`get services,endpoints -n ${NS} -o name`);
  await eventually("its end", async () =>
    (await names()).includes("echo-east") ? undefined : true,
  );
  await there(`label service -n ${NS} echo mirror.linkerd.io/exported=true`);
  await asked("echo-east");
});

test("a Link that is deleted takes its mirrors along, and nothing stays after uninstall", async () => {
  assert.match(
    (await linkerd("mc uninstall")).stderr,
    /east is linked: "linkerd multicluster unlink/,
  );
  await kubectl(`delete link -n ${MC} east`);
  await eventually("no mirrors", async () => {
    const left = await kubectl(
      "get services -A -l mirror.linkerd.io/mirrored-service=true -o name",
    );
    return left === "" ? true : undefined;
  });
  await remove(kubectl, "mc uninstall");
  const left = await kubectl(
    "get namespaces,clusterroles,clusterrolebindings,crds -l linkerd.io/extension=multicluster -o name",
  );
  assert.equal(left, "");
});
