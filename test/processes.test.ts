// The local mesh with real processes, without sidecars: starting, calling, rolling, failing, stopping.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Pod } from "../src/platform/kinds.ts";
import { startLocal } from "../src/platform/local.ts";
import type { LogLine } from "../src/platform/logs.ts";
import { parseManifests } from "../src/platform/manifests.ts";
import type { Mesh } from "../src/platform/mesh.ts";
import { connectMesh } from "../src/platform/remote.ts";

const dir = mkdtempSync(join(tmpdir(), "mesh-"));
after(() => rmSync(dir, { recursive: true, force: true }));

// Says who it is, or asks UPSTREAM.
const SERVER = `
const http = require("node:http");
const { HOST, PORT, NAME, UPSTREAM, NOBODY } = process.env;
http.createServer(async (req, rsp) => {
  if (req.url === "/up") return rsp.end(await (await fetch(UPSTREAM)).text());
  rsp.end(NAME + " " + process.env.POD + " " + process.env.MODE);
}).listen(PORT, NOBODY ?? HOST, () => console.log("listening"));
process.on("SIGTERM", () => process.exit(0));
`;

function deployment(name: string, env: string, replicas = 1): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: ${name}
          command: [node, -e, ${JSON.stringify(SERVER)}]
          env:
            - {name: PORT, value: "8080"}
            - {name: NAME, value: ${name}}
            - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: MODE, valueFrom: {configMapKeyRef: {name: modes, key: mode}}}
${env}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop, annotations: {local.linkerd.io/publish: "28480"}}
spec: {selector: {app: ${name}}, ports: [{port: 80, targetPort: http}]}
`;
}

const MODES = (mode: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: modes, namespace: shop}
data: {mode: ${mode}}
`;

const WEB = (extra = ""): string =>
  [
    MODES("calm"),
    deployment("web", `            - {name: UPSTREAM, value: "http://api/"}${extra}`),
    deployment("api", ""),
  ].join("---");

const file = join(dir, "shop.yaml");

async function podsOf(mesh: Mesh, accept: (pods: Pod[]) => boolean): Promise<Pod[]> {
  const pods = await mesh.resources.watch("Pod").next((map) => accept([...map.values()]));
  return [...pods.values()];
}

const named = (pods: readonly Pod[], app: string): Pod[] =>
  pods.filter((pod) => pod.metadata.labels["app"] === app);

const ready = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  pod.status!.conditions.some((c) => c.type === "Ready" && c.status === "True");

// Slices follow pods a moment later.
async function routable(mesh: Mesh, count: number): Promise<void> {
  await mesh.resources.watch("EndpointSlice").next((slices) => {
    const endpoints = [...slices.values()].flatMap((slice) => slice.endpoints);
    return endpoints.filter((each) => each.conditions.ready).length === count;
  });
}

async function ask(mesh: Mesh, service: string, path = "/"): Promise<string> {
  const { published } = await mesh.status.next(({ published: all }) =>
    all.some((each) => each.service === `shop/${service}`),
  );
  const { address } = published.find((each) => each.service === `shop/${service}`)!;
  return (await fetch(`http://${address}${path}`)).text();
}

test("a mesh runs manifests as processes", async (t) => {
  writeFileSync(file, WEB());
  const options = { env: process.env, manifests: [file], stateDir: join(dir, "state") };
  const mesh = await startLocal(options);
  t.after(() => mesh.close());
  await podsOf(mesh, (pods) => pods.length === 2 && pods.every(ready));
  await routable(mesh, 2);

  await t.test("services are reached by name, from within and from outside", async () => {
    assert.match(await ask(mesh, "web"), /^web web-\w{9}-\w{5} calm$/);
    assert.match(await ask(mesh, "web", "/up"), /^api api-/);
  });

  await t.test("a second mesh on the same folder is refused", async () => {
    await assert.rejects(startLocal(options), /runs on .* already; stop it with/);
  });

  await t.test("the folder is its owner's only", () => {
    assert.equal(statSync(options.stateDir).mode & 0o777, 0o700);
    assert.equal(statSync(join(options.stateDir, "mesh.sock")).mode & 0o777, 0o600);
  });

  const remote = connectMesh(join(options.stateDir, "mesh.sock"));

  await t.test("another process sees the same over the socket", async () => {
    const pods = await podsOf(remote, (all) => all.length === 2);
    const own = await podsOf(mesh, () => true);
    assert.deepEqual(pods.map((p) => p.metadata.uid).sort(), own.map((p) => p.metadata.uid).sort());
    await assert.rejects(remote.resources.reviewToken("nonsense", "x"), {
      code: "unauthenticated",
    });
    const lines: LogLine[] = [];
    const close = await remote.logs({ pod: `shop/${named(pods, "web")[0]!.metadata.name}` }, (l) =>
      lines.push(l),
    );
    while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    close();
    assert.equal(lines[0]!.line, "listening");
  });

  await t.test("a changed manifest rolls: never is nobody ready", async () => {
    const [before] = named(await podsOf(mesh, () => true), "web");
    let least = Infinity;
    const watching = mesh.resources.watch("EndpointSlice").each((slices) => {
      const web = [...slices.values()].find(
        (s) => s.metadata.labels["kubernetes.io/service-name"] === "web",
      );
      least = Math.min(least, web!.endpoints.filter((e) => e.conditions.ready).length);
    });
    writeFileSync(file, WEB("\n            - {name: EXTRA, value: new}"));
    await podsOf(mesh, (pods) => {
      const web = named(pods, "web");
      return web.length === 1 && ready(web[0]!) && web[0]!.metadata.uid !== before!.metadata.uid;
    });
    watching();
    assert.ok(least >= 1, `${least} were ready`);
  });

  await t.test("a broken manifest changes nothing and is told", async () => {
    writeFileSync(file, WEB().replace("replicas: 1", "replicas: one"));
    const { notices } = await mesh.status.next((status) => status.notices.length > 0);
    assert.match(notices.at(-1)!, /shop\.yaml:\d+:\d+ spec\.replicas is "one"; expected/);
    assert.equal((await podsOf(mesh, () => true)).length, 2);
    writeFileSync(file, WEB());
  });

  await t.test("scale and restart", async () => {
    await remote.scale("Deployment", "shop/api", 2);
    const two = await podsOf(mesh, (pods) => named(pods, "api").filter(ready).length === 2);
    await remote.scale("Deployment", "shop/api", 1);
    await podsOf(mesh, (pods) => named(pods, "api").length === 1);
    await remote.restart("Deployment", "shop/api");
    const old = new Set(two.map((pod) => pod.metadata.uid));
    await podsOf(mesh, (pods) => {
      const api = named(pods, "api");
      return api.length === 1 && ready(api[0]!) && !old.has(api[0]!.metadata.uid);
    });
    await assert.rejects(
      remote.scale("Deployment", "shop/none", 1),
      /has no Deployment shop\/none/,
    );
  });

  await t.test("mistakes of a workload become its status", async () => {
    const { resources } = parseManifests([
      ["image.yaml", deployment("image", "").replace(/command: .*\n/, "image: nginx\n")],
      ["twice.yaml", deployment("twice", "            - {name: NOBODY, value: 0.0.0.0}")],
    ]);
    await remote.apply(resources);
    const pods = await podsOf(mesh, (all) => {
      const waiting = named(all, "twice")[0]?.status?.containerStatuses[0]?.state?.waiting;
      return (
        named(all, "image")[0]?.status?.message !== undefined && waiting?.message !== undefined
      );
    });
    assert.match(
      named(pods, "image")[0]!.status!.message!,
      /only the image nginx.*give it a command/,
    );
    const { waiting } = named(pods, "twice")[0]!.status!.containerStatuses[0]!.state!;
    assert.match(waiting!.message!, /already listens on 8080.*HOST.*--transparent/);
    for (const name of ["image", "twice"]) await remote.remove("Deployment", `shop/${name}`);
    await podsOf(mesh, (all) => all.length === 2);
  });

  await t.test("a command can be run as a service", async () => {
    const lines = await remote.run({
      name: "echo",
      namespace: "shop",
      port: 9000,
      argv: ["node", "-e", SERVER],
    });
    assert.deepEqual(lines, ["service/echo created", "deployment.apps/echo created"]);
    const nothing = { name: "none", namespace: "shop", port: 9001, argv: ["no-such-program"] };
    await assert.rejects(remote.run(nothing), /there is no program "no-such-program"/);
    await podsOf(mesh, (all) => named(all, "echo").some(ready));
  });

  await t.test("stop leaves nothing", async () => {
    const ips = (await podsOf(mesh, () => true)).map((pod) => pod.status!.podIP!);
    await remote.stop();
    await mesh.stopped;
    for (const ip of ips) await assert.rejects(fetch(`http://${ip}:8080/`));
    await assert.rejects(remote.stop(), /no local mesh answers/);
  });
});

const KINDS = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: kinds}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      initContainers: [{name: init, command: [sh, -c, 'echo prepared']}]
      containers:
        - name: db
          command: [sh, -c, 'trap "exit 0" TERM; echo "$(NAME)"; sleep 60 & wait']
          env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: kinds}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: kinds}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: once, command: [sh, -c, 'echo done']}]}
---
apiVersion: v1
kind: Pod
metadata: {name: crash, namespace: kinds}
spec: {containers: [{name: crash, command: [sh, -c, 'echo oh no; exit 3']}]}
`;

test("other kinds of workloads, after a mesh that was killed", async (t) => {
  const kinds = join(dir, "kinds.yaml");
  writeFileSync(kinds, KINDS);
  const stateDir = join(dir, "other");
  mkdirSync(stateDir);
  // A killed mesh leaves its socket behind.
  const script = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script, join(stateDir, "mesh.sock")]);
  const mesh = await startLocal({ env: process.env, manifests: [kinds], stateDir });
  t.after(() => mesh.close());
  const of = (pods: Pod[], name: string): Pod | undefined =>
    pods.find((pod) => pod.metadata.name.startsWith(name));

  await t.test("a StatefulSet's pods have names that stay, and addresses by them", async () => {
    const pods = await podsOf(mesh, (all) =>
      ["db-0", "db-1"].every((name) => all.some((pod) => pod.metadata.name === name && ready(pod))),
    );
    const { initContainerStatuses } = of(pods, "db-0")!.status!;
    assert.equal(initContainerStatuses[0]!.state!.terminated!.exitCode, 0);
    const line = await new Promise<string>((done) => {
      void mesh.logs({ pod: "kinds/db-1" }, (each) => done(each.line));
    });
    assert.equal(line, "db-1");
    const slices = await mesh.resources
      .watch("EndpointSlice")
      .next((all) => [...all.values()].flatMap((slice) => slice.endpoints).length === 2);
    const hosts = [...slices.values()].flatMap(({ endpoints }) =>
      endpoints.map((e) => e.hostname!),
    );
    assert.deepEqual(new Set(hosts), new Set(["db-0", "db-1"]));
  });

  await t.test("a Job ends, a crashing pod is tried again and says why", async () => {
    const pods = await podsOf(
      mesh,
      (all) =>
        of(all, "once")?.status?.phase === "Succeeded" &&
        of(all, "crash")!.status!.containerStatuses[0]!.restartCount > 0,
    );
    const [crash] = of(pods, "crash")!.status!.containerStatuses;
    assert.equal(crash!.lastState!.terminated!.exitCode, 3);
    assert.match(crash!.lastState!.terminated!.message!, /ended with code 3: oh no/);
    const jobs = await mesh.resources
      .watch("Job")
      .next((all) => all.get("kinds/once")?.status?.succeeded === 1);
    assert.equal(jobs.size, 1);
  });
});
