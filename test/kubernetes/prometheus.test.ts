// Viz with the Prometheus that it installs, on a cluster: proxies and the control plane are scraped by the job
// configuration of the chart, every table comes of it, policies that shut it out are named, and a Prometheus of one's own
// takes its place. PROMETHEUS_BIN is the path of a Prometheus with kubernetes_sd (the releases of prometheus.io have it,
// packages of some distributions do not); setup.ts packs an image with it, so LINKERD_LOAD must be there as well.
// Needs: KUBECONFIG, LINKERD_LOAD, PROMETHEUS_BIN, kubectl.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { eventually, HOME, kubectl, linkerd } from "./cluster.ts";
import { installMesh, removeViz } from "./mesh.ts";
import { rolledOut } from "./programs.ts";

const NS = "emojivoto";
const WORKLOADS = ["emoji", "voting", "web", "vote-bot"].map((name) => `deploy/${name}`);
const OWN_URL = "http://prometheus.linkerd-viz.svc:9090";

before(async () => {
  await removeViz();
  await installMesh();
  const install = await linkerd("viz install --set prometheus.enabled=true");
  await kubectl("apply -f -", install.stdout);
  const demo = await readFile(join(HOME, "demo/emojivoto/emojivoto.yaml"), "utf8");
  await kubectl("apply -f -", demo);
  await rolledOut(NS, ...WORKLOADS);
  await rolledOut("linkerd-viz", "deploy/prometheus");
});

after(async () => {
  await kubectl(`delete ns ${NS} --ignore-not-found`);
  await removeViz();
});

test("viz check is right about it", async () => {
  await viz("check --wait 2m", /√ prometheus is installed/);
});

test("it scrapes every proxy and the control plane", async (t) => {
  const url = await forwarded(t);
  await eventually("targets", async () => {
    const up = await ask(url, "up");
    const down = up.filter(({ value }) => value[1] !== "1");
    const names = up.map(({ metric }) => `${metric["job"]} ${metric["deployment"]}`);
    const components = up.map(({ metric }) => metric["component"]);
    const wanted = ["emoji", "voting", "web", "vote-bot", "prometheus"];
    return down.length === 0 &&
      wanted.every((name) => names.includes(`linkerd-proxy ${name}`)) &&
      ["destination", "identity", "proxy-injector"].every((name) => components.includes(name))
      ? true
      : undefined;
  });
  await viz(`stat-outbound deploy/web -n ${NS} --prometheusURL ${url}`, /^web +emoji-svc:8080 /m);
});

test("tables come of it", async () => {
  await viz(`stat deploy -n ${NS}`, /^emoji +1\/1 +100.00%[^]*^voting +1\/1 +\d/m);
  await viz(`stat svc -n ${NS}`, /^web-svc +- +[\d.]+% +[\d.]+rps/m);
  await viz(`edges deploy -n ${NS}`, /^web +emoji +emojivoto +emojivoto +√/m);
  // Its scrapes are nobody's calls.
  const { stdout } = await linkerd(`viz edges deploy -n ${NS}`);
  assert.doesNotMatch(stdout, /^prometheus/m);
  await viz(`routes svc/web-svc -n ${NS}`, /^\[DEFAULT\] +web-svc +\d/m);
  await viz(`stat-inbound deploy/web -n ${NS}`, /^web +\[default\]:8080 +\[default\] /m);
  await viz(`authz deploy/web -n ${NS}`, /default:all-unauthenticated/);
  await viz(`check --proxy -n ${NS} --wait 30s`, /√ prometheus is authorized to scrape/);
});

test("a policy that shuts it out is named, and allow-scrapes lets it in", async () => {
  const annotations = { "config.linkerd.io/default-inbound-policy": "deny" };
  const patch = JSON.stringify({ spec: { template: { metadata: { annotations } } } });
  await kubectl(["patch", "-n", NS, "deploy/emoji", "-p", patch]);
  await rolledOut(NS, "deploy/emoji");
  const check = `check --proxy -n ${NS} --wait 1s`;
  await viz(check, /‼ prometheus is authorized to scrape .*\n\s+\* emojivoto\/emoji-/);
  await kubectl("apply -f -", (await linkerd(`viz allow-scrapes -n ${NS}`)).stdout);
  await viz(check, /√ prometheus is authorized to scrape/);
});

test("one that somebody else runs does as well, and ours is not needed", async () => {
  const chosen = `--set prometheusUrl=${OWN_URL}`;
  await kubectl("apply -f -", (await linkerd(`viz install ${chosen}`)).stdout);
  // The mesh lets in everybody, but for this one's own policy.
  await kubectl("delete server -n linkerd-viz prometheus-admin");
  await rolledOut("linkerd-viz", "deploy/metrics-api");
  await viz("check --wait 30s", /√ prometheus is installed and configured correctly/);
  await viz(`stat deploy -n ${NS}`, /^web +1\/1 +\d/m);
  const { stdout } = await linkerd(`viz prune ${chosen}`);
  assert.match(stdout, /kind: Deployment\nmetadata:\n +name: prometheus\n/);
  await kubectl("delete -n linkerd-viz deploy/prometheus");
  await viz(
    "check --wait 1s",
    /× prometheus is installed .*\n +the Prometheus at http:\S+9090 cannot/,
  );
});

const viz = (words: string, wanted: RegExp): Promise<unknown> =>
  eventually(`viz ${words}`, async () => {
    const { stdout, stderr } = await linkerd(`viz ${words}`, "", 150_000);
    if (wanted.test(stdout)) return true;
    throw new Error(stdout + stderr);
  });

type Sample = { readonly metric: Record<string, string>; readonly value: [number, string] };

async function ask(url: string, query: string): Promise<Sample[]> {
  const rsp = await fetch(`${url}/api/v1/query?query=${query}`);
  return ((await rsp.json()) as { data: { result: Sample[] } }).data.result;
}

/** Where the Prometheus is while the test runs. */
async function forwarded(t: TestContext): Promise<string> {
  const child = spawn("kubectl", [
    "port-forward",
    "-n",
    "linkerd-viz",
    "deploy/prometheus",
    ":9090",
  ]);
  t.after(() => child.kill());
  let said = "";
  child.stdout.on("data", (bytes: Buffer) => (said += String(bytes)));
  const port = await eventually("a port", async () => /127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
  return `http://127.0.0.1:${port}`;
}
