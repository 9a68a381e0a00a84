// Viz on a real cluster: what people type before it is there, who may tap and by which way, tables, the dashboard in a
// browser, and that nothing of it stays. The cluster must have our images and that of the demo.
// Needs: KUBECONFIG, kubectl, chromium|google-chrome.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { chromium } from "playwright-core";
import { TapByResourceRequestSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import { eventually, HOME, kubectl, linkerd, watched } from "./cluster.ts";
import { installMesh, removeViz } from "./mesh.ts";
import { rolledOut } from "./programs.ts";

const NS = "emojivoto";
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path))!;
const WEB = { namespace: NS, type: "deployment", name: "web" };
const TAP_WEB = toBinary(
  TapByResourceRequestSchema,
  create(TapByResourceRequestSchema, { target: { resource: WEB } }),
);
const SHY = { "viz.linkerd.io/disable-tap": "true" };

before(async () => {
  await removeViz();
  await kubectl("delete clusterrolebinding tap-ben --ignore-not-found");
  await installMesh();
  const demo = await readFile(join(HOME, "demo/emojivoto/emojivoto.yaml"), "utf8");
  await kubectl("apply -f -", demo);
  await settled();
});

after(async () => {
  await kubectl(`delete ns ${NS} --ignore-not-found`);
  await kubectl("delete clusterrolebinding tap-ben --ignore-not-found");
  await removeViz();
});

test("without viz, its verbs say what adds it", async () => {
  for (const verb of ["stat deploy", "top deploy", "tap deploy/web", "edges deploy", "dashboard"]) {
    const { code, stderr } = await linkerd(`viz ${verb}`);
    assert.equal(code, 1, verb);
    assert.match(stderr, /linkerd viz install/, verb);
  }
  assert.match((await linkerd("viz check --wait 1s")).stdout, /could not find the linkerd-viz/);
});

test("viz installs, and every row of its check is right", async () => {
  await kubectl("apply -f -", (await linkerd("viz install")).stdout);
  const { code, stdout } = await linkerd("viz check --wait 2m", "", 150_000);
  assert.equal(code, 0, stdout);
  for (const row of [
    "linkerd-viz ClusterRoles exist",
    "tap API server has valid cert",
    "tap API service is running",
    "viz extension pods are running",
    "prometheus is installed and configured correctly",
    "viz extension self-check",
  ])
    assert.match(stdout, new RegExp(`√ ${row}`));
});

test("it says on its admin port how it is", async () => {
  const pod = await kubectl("get pods -n linkerd-viz -l component=metrics-api -o name");
  const at = (page: string): Promise<string> =>
    kubectl(
      `get --raw /api/v1/namespaces/linkerd-viz/${pod.trim().replace("/", "s/")}:9995/proxy/${page}`,
    );
  assert.equal((await at("ready")).trim(), "ready");
  assert.match(await at("metrics"), /^process_resident_memory_bytes \d+/m);
});

test("pods that were there before cannot be tapped until they restart", async () => {
  assert.match((await linkerd(`viz list -n ${NS}`)).stdout, /^Pods missing tap configuration/);
  const { code, stderr } = await linkerd(`viz tap deploy/web -n ${NS}`);
  assert.equal(code, 1);
  assert.match(stderr, /restart its pods to enable tap/);
  await kubectl(`rollout restart -n ${NS} deploy`);
  await settled();
  await eventually("only new pods", async () => {
    const { stdout } = await linkerd(`viz list -n ${NS}`);
    return /^Pods with tap enabled:\n(\t\* .*\n){4}$/.test(stdout) ? true : undefined;
  });
});

test("A11: tap comes through the API server, with the errors of servers", async () => {
  const path = "/emojivoto.v1.VotingService/VoteDoughnut";
  const call =
    /^req id=\S+ proxy=out .* tls=true .* :authority=emoji-svc.emojivoto:8080[^]*^end id=\S+ proxy=out .* grpc-status=OK/m;
  await Promise.all([
    watched(`viz tap deploy/web -n ${NS}`, call),
    watched(`viz tap deploy/web -n ${NS} --path ${path}`, /^end .* grpc-status=Unknown /m, 120_000),
  ]);
});

test("who may not tap is told so, and what it takes", async () => {
  const { code, stdout, stderr } = await linkerd(`viz tap deploy/web -n ${NS} --as ana`);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /may not tap deployments in emojivoto: .*"watch" on deployments\/tap/);
});

test("a role counts for the resources that it names, and no others", async () => {
  const role = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "tapper", namespace: NS },
    rules: [{ apiGroups: ["tap.linkerd.io"], resources: ["deployments/tap"], verbs: ["watch"] }],
  };
  await kubectl("apply -f -", JSON.stringify(role));
  await kubectl(`create rolebinding tapper --role=tapper --user=ana -n ${NS}`);
  const words = `-n ${NS} --as ana`;
  await watched(`viz tap deploy/web ${words}`, /^req /m);
  for (const target of ["po", `ns/${NS}`])
    assert.match((await linkerd(`viz tap ${target} ${words}`)).stderr, /may not tap/, target);
});

test("the ClusterRole for taps lets a user tap everything", async () => {
  const role = "linkerd-linkerd-viz-tap-admin";
  await kubectl(`create clusterrolebinding tap-ben --clusterrole=${role} --user=ben`);
  await watched(`viz tap ns/${NS} --as ben`, /^req /m);
});

test("nobody but the API server reaches the tap API, and nobody taps through other ports", async () => {
  const ask = (url: string, code: string): Promise<string> =>
    inCluster(`process.env.NODE_TLS_REJECT_UNAUTHORIZED = 0;
      fetch("${url}/apis/tap.linkerd.io/v1alpha1/watch/namespaces/${NS}/deployments/web/tap", {
        method: "POST", headers: { "x-remote-user": "system:admin" },
        body: Buffer.from("${Buffer.from(TAP_WEB).toString("hex")}", "hex"),
      }).then(${code}, () => console.log("refused"))`);
  const status = "(rsp) => console.log(rsp.status)";
  assert.match(await ask("https://tap.linkerd-viz:443", status), /refused/);
  for (const at of ["metrics-api.linkerd-viz:8085", "tap.linkerd-viz:8088"])
    assert.match(await ask(`http://${at}`, status), /403/, at);
});

test("without the aggregation, taps go over a forwarded port, for those who may", async () => {
  const select = (component: string): string =>
    `patch svc tap -n linkerd-viz -p {"spec":{"selector":{"component":"${component}"}}}`;
  await kubectl(select("nothing"));
  await eventually("a warning of viz check", async () => {
    const { code, stdout } = await linkerd("viz check --wait 1s");
    return code === 0 && /‼ tap API service is running/.test(stdout) ? true : undefined;
  });
  await watched(`viz tap deploy/web -n ${NS}`, /^req /m);
  assert.match((await linkerd(`viz tap deploy/web -n ${NS} --as eve`)).stderr, /may not tap/);
  await kubectl(select("metrics-api"));
});

test("a pod that wants no taps has none", async () => {
  const patch = { spec: { template: { metadata: { annotations: SHY } } } };
  await kubectl(`patch deploy voting -n ${NS} -p ${JSON.stringify(patch)}`);
  await settled();
  await eventually("the refusal", async () => {
    const { stderr } = await linkerd(`viz tap deploy/voting -n ${NS}`, "", 8000);
    return /have tap disabled/.test(stderr) ? true : undefined;
  });
  assert.match(
    (await linkerd(`viz list -n ${NS}`)).stdout,
    /^Pods with tap disabled:\n\t\* .*voting/m,
  );
});

test("A10: top adds calls up, and the doughnut fails", async () => {
  const table = /^Source +Destination +Method +Path +Count +Best +Worst +Last +Success Rate\n/;
  await eventually("a doughnut", async () => {
    const { stdout } = await linkerd(`viz top deploy -n ${NS}`, "", 15_000);
    return table.test(stdout) && /VoteDoughnut +\d+ .* 0\.00%/.test(stdout) ? true : undefined;
  });
});

test("A13: with retries on, more is sent than is asked for", async () => {
  const profile = {
    apiVersion: "linkerd.io/v1alpha2",
    kind: "ServiceProfile",
    metadata: { name: `voting-svc.${NS}.svc.cluster.local`, namespace: NS },
    spec: {
      routes: [
        {
          name: "doughnut",
          condition: { method: "POST", pathRegex: "/emojivoto.v1.VotingService/VoteDoughnut" },
          isRetryable: true,
        },
      ],
    },
  };
  await kubectl("apply -f -", JSON.stringify(profile));
  await eventually("retries", async () => {
    const { stdout } = await linkerd(`viz routes svc/voting-svc -n ${NS} -o wide`);
    const names = "ROUTE SERVICE EFFECTIVE_SUCCESS EFFECTIVE_RPS ACTUAL_SUCCESS ACTUAL_RPS";
    assert.match(stdout, new RegExp(`^${names.replaceAll(" ", " +")}`));
    const [, effective, actual] =
      /^doughnut +voting-svc +\S+ +([\d.]+)rps +\S+ +([\d.]+)rps/m.exec(stdout) ?? [];
    return Number(actual) > Number(effective) ? true : undefined;
  });
});

test("A9, A14: stat of every kind, alone and with others", async () => {
  const rows = async (words: string) => (await linkerd(`viz stat ${words}`)).stdout;
  const seen = await eventually("probes and calls", async () => {
    const text = await rows(`deploy -n ${NS}`);
    return /^vote-bot +1\/1 +100.00%/m.test(text) && /^voting +1\/1 +\d/m.test(text)
      ? text
      : undefined;
  });
  assert.match(seen, /^emoji +1\/1 +100.00% +[\d.]+rps/m);
  assert.match(await rows(`svc -n ${NS}`), /^web-svc +- +[\d.]+% +[\d.]+rps/m);
  assert.match(await rows(`po -n ${NS}`), /^web-\S+ +Running +1\/1 +[\d.]+%/m);
  assert.match(await rows(`ns/${NS}`), /^emojivoto +4\/4 +[\d.]+%/m);
  assert.match(await rows("deploy -A"), /^emojivoto +web +1\/1/m);
  assert.match(await rows(`all -n ${NS}`), /^deploy\/web[^]*^po\/web[^]*^svc\/web-svc/m);
  assert.match(await rows(`deploy -n ${NS} --to svc/voting-svc`), /^web +1\/1 +[\d.]+%/m);
  assert.match(await rows(`deploy -n ${NS} --from deploy/vote-bot`), /^web +1\/1 +[\d.]+%/m);
  assert.match(await rows(`deploy -n ${NS} -o wide -t 30s`), /B\/s +[\d.]+B\/s$/m);
  const json = JSON.parse(await rows(`deploy/web -n ${NS} -o json`)) as { name: string }[];
  assert.deepEqual(
    json.map(({ name }) => name),
    ["web"],
  );
});

test("the data plane's metrics are there", async () => {
  const { code, stdout } = await linkerd(`viz check --proxy -n ${NS} --wait 1m`, "", 90_000);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /√ data plane proxy metrics are present in Prometheus/);
});

test("viz profile: routes of what is asked for", async () => {
  const { stdout } = await linkerd(
    `viz profile web-svc --tap deploy/web -n ${NS} --tap-duration 8s`,
  );
  assert.match(stdout, /name: web-svc.emojivoto.svc.cluster.local/);
  assert.match(stdout, /- name: GET \/api\/list\n/);
});

test("A5: the dashboard shows the cluster, and its calls as far as its account may see them", async (t) => {
  const words = ["viz", "dashboard", "--show", "url", "-p", "50790"];
  const child = spawn(process.execPath, [join(HOME, "bin/linkerd.mjs"), ...words]);
  t.after(() => child.kill());
  let said = "";
  child.stdout.on("data", (bytes: Buffer) => (said += String(bytes)));
  const url = await eventually("the address", async () => /http:\S+/.exec(said)?.[0]);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${url}/namespaces`);
  const workloads = page.getByRole("region", { name: "Workloads" });
  await workloads.locator("tr", { hasText: "emoji" }).first().waitFor();
  await workloads.locator("a.name", { hasText: "web" }).first().click();
  await page.getByRole("button", { name: "Watch calls" }).click();
  const calls = page.locator("section", { hasText: "Live calls" });
  await calls.locator("tr", { hasText: "/api/list" }).first().waitFor();
  await kubectl("delete clusterrolebinding linkerd-linkerd-viz-web-admin");
  for (const [path, button] of [
    [`/namespaces/${NS}/deployments/web`, "Watch calls"],
    [`/tap/${NS}`, "Start"],
  ] as const) {
    await page.goto(url + path);
    await page.getByText(/system:serviceaccount:linkerd-viz:web may not tap/).waitFor();
    assert.equal(await page.getByRole("button", { name: button }).count(), 0, button);
  }
  await page.goto(`${url}/namespaces/nothing`);
  await page.getByText("There are no workloads in “nothing” now.").waitFor();
  await page.getByLabel("Namespace").selectOption(NS);
  await workloads.locator("tr", { hasText: "vote-bot" }).waitFor();
  assert.equal(await workloads.getByText("kube-system").count(), 0);
});

test("A19: by its first name the command does the same", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "conduit-"));
  t.after(() => rmSync(dir, { recursive: true }));
  symlinkSync(join(HOME, "bin/linkerd.mjs"), join(dir, "conduit"));
  const child = spawn(join(dir, "conduit"), ["stat", "deploy", "-n", NS]);
  let stdout = "";
  child.stdout.on("data", (bytes: Buffer) => (stdout += String(bytes)));
  await once(child, "close");
  assert.match(stdout, /^NAME +MESHED[^]*^web +1\/1/m);
});

test("stat-inbound and stat-outbound: routes, and backends", async () => {
  const ask = async (words: string) => (await linkerd(`viz stat-${words} -n ${NS}`)).stdout;
  assert.match(await ask("inbound deploy/web"), /^web +\[default\]:8080 +\[default\] +\d/m);
  assert.match(
    await ask("outbound deploy"),
    /^web +voting-svc:8080 .*\n +└─* +─*► +voting-svc:8080/m,
  );
  const rows = JSON.parse(await ask("outbound deploy/web -o json")) as { backend?: string }[];
  assert.ok(rows.some(({ backend }) => backend === "emoji-svc"));
});

test("servers, their routes and authorizations are counted", async () => {
  const policy = (kind: string, name: string, spec: object, version = "v1alpha1") =>
    JSON.stringify({
      apiVersion: `policy.linkerd.io/${version}`,
      kind,
      metadata: { name, namespace: NS },
      spec,
    });
  const labels = { matchLabels: { app: "web-svc" } };
  const server = { podSelector: labels, port: "http", proxyProtocol: "HTTP/1" };
  await kubectl("apply -f -", policy("Server", "web-http", server, "v1beta3"));
  const ref = { group: "policy.linkerd.io", kind: "Server", name: "web-http" };
  const bot = [{ kind: "ServiceAccount", name: "default" }];
  const allow = { targetRef: ref, requiredAuthenticationRefs: bot };
  await kubectl("apply -f -", policy("AuthorizationPolicy", "bots", allow));
  await eventually("requests that were authorized", async () => {
    const [servers, rules, both] = await Promise.all(
      [`stat srv -n ${NS}`, `stat ap -n ${NS}`, `authz deploy/web -n ${NS}`].map(
        async (words) => (await linkerd(`viz ${words}`)).stdout,
      ),
    );
    const isThere =
      /^web-http +\S+ +[\d.]+%/m.test(servers!) &&
      /^bots +\S+ +[\d.]+%/m.test(rules!) &&
      /web-http +authorizationpolicy\/bots/.test(both!);
    return isThere ? true : undefined;
  });
});

test("proxies that let in nobody are named, and scraped when that is allowed", async () => {
  const annotations = { "config.linkerd.io/default-inbound-policy": "deny" };
  const patch = { spec: { template: { metadata: { annotations } } } };
  await kubectl(`patch deploy emoji -n ${NS} -p ${JSON.stringify(patch)}`);
  await settled();
  const row = (wanted: RegExp) =>
    eventually(String(wanted), async () => {
      const { stdout } = await linkerd(`viz check --proxy -n ${NS} --wait 1s`);
      return wanted.test(stdout) ? true : undefined;
    });
  await row(/‼ prometheus is authorized to scrape.*\n\s+\* emojivoto\/emoji-\S+: .* 403/);
  const { stdout, code, stderr } = await linkerd(`viz allow-scrapes -n ${NS}`);
  await kubectl("apply -f -", stdout);
  await row(/√ prometheus is authorized to scrape/);
  await kubectl("wait pod -l app=emoji-svc --for=condition=Ready --timeout=10s -n " + NS);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match((await linkerd("viz allow-scrapes")).stderr, /--namespace NAME/);
});

test("with --ha there are two of it, and nothing stays of either", async () => {
  const { stdout } = await linkerd("viz install --ha --ignore-cluster -o json");
  assert.match(stdout, /"PodDisruptionBudget"/);
  assert.match(stdout, /"replicas": 2/);
  assert.doesNotMatch((await linkerd("viz prune --wait 1m")).stdout, /kind/);
  await removeViz();
  const kinds = "clusterrole,clusterrolebinding,mutatingwebhookconfiguration,apiservice,ns";
  assert.doesNotMatch(
    await kubectl(`get ${kinds} -o name`),
    /linkerd-viz|tap[.-]injector|tap.linkerd/,
  );
  assert.doesNotMatch(await kubectl("get role,rolebinding -A -o name"), /linkerd-viz|tap-auth/);
});

/** Runs JavaScript in a container of the demo; resolves to what it prints. */
function inCluster(script: string): Promise<string> {
  const where = ["exec", "-n", NS, "deploy/web", "-c", "web-svc", "--"];
  return kubectl([...where, "node", "-e", script]);
}

const settled = (): Promise<void> =>
  rolledOut(NS, "deploy/emoji", "deploy/voting", "deploy/web", "deploy/vote-bot");
