// What the destination service takes at scale, and how soon proxies hear of a change: so many pods in so many services,
// whose endpoints become unready and ready again so many times a second, and so many streams. Pods are objects on nodes
// that are none; nothing runs them. `node bin/node.mjs test/kubernetes/scale.ts` on the cluster of KUBECONFIG; the flags
// are the keys of FLAGS. It prints lines of the table in docs/scale.md, and takes away what it made.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Destination } from "../../proto/gen/destination_pb.js";
import { systemClock as clock } from "../../src/base/clock.ts";
import { findApi } from "../../src/control/kubeprocess.ts";
import { dial } from "../../src/io/dial.ts";
import { H2Client } from "../../src/io/h2client.ts";
import type { KubeApi } from "../../src/platform/kubeapi.ts";
import { grpcClient } from "../../src/stack/grpcclient.ts";
import { kubectl } from "./cluster.ts";

const FLAGS = { pods: 1000, services: 200, streams: 200, changes: 50, seconds: 30 };
const NS = "scale";
const NODES = 10;
const STREAMS_A_CONNECTION = 10;
const patch = { method: "PATCH", type: "application/merge-patch+json" } as const;
const slices = `/apis/discovery.k8s.io/v1/namespaces/${NS}/endpointslices`;
const podsPath = `/api/v1/namespaces/${NS}/pods`;

type Sizes = typeof FLAGS;

const options = Object.fromEntries(
  Object.entries(FLAGS).map(
    ([name, size]) => [name, { type: "string", default: String(size) }] as const,
  ),
);
const { values } = parseArgs({ options });
const sizes = Object.fromEntries(
  Object.entries(values).map(([name, text]) => [name, Number(text)]),
) as Sizes;
const api = findApi(process.env);
try {
  await removeAll();
  await makeAll(sizes);
  await measure(sizes);
} finally {
  await removeAll();
  api.close();
}

async function measure({ pods, services, streams, changes, seconds }: Sizes): Promise<void> {
  const { plane, port } = await startPlane();
  /** When a change of a service was sent, and when a watch on the API server had it. */
  const sent: (number | undefined)[] = [];
  const known: (number | undefined)[] = [];
  const [delays, ours]: [number[], number[]] = [[], []];
  const heard = (service: number): void => {
    const [at, now] = [sent[service], performance.now()];
    if (at === undefined) return;
    delays.push(now - at);
    ours.push(Math.max(0, now - (known[service] ?? now)));
  };
  const stop = api.stream(`${slices}?watch=1`, {
    line: (line) => {
      const { name } = (JSON.parse(line) as { object: { metadata: { name: string } } }).object
        .metadata;
      known[Number(name.slice(1))] ??= performance.now();
    },
    end: () => {},
  });
  await openStreams(port, { streams, services }, heard);
  plane.send("heap");
  const [heapMb] = (await once(plane, "message")) as [number];
  const idleMb = rssMb(plane);
  const [cpuBefore, started] = [cpuMs(plane), performance.now()];
  const answered: number[] = [];
  let peakMb = idleMb;
  let isReady = true;
  for (let i = 0; performance.now() - started < seconds * 1000; i++) {
    const service = i % services;
    if (service === 0) isReady = !isReady;
    const at = performance.now();
    // One that nobody has heard of by its next turn counts for the time that it took until then.
    [sent[service], known[service]] = [at, undefined];
    void change(service, isReady, { pods, services }).then(() => {
      answered.push(performance.now() - at);
    });
    peakMb = Math.max(peakMb, rssMb(plane));
    const next = started + ((i + 1) * 1000) / changes;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
  }
  const elapsedMs = performance.now() - started;
  const cpu = (100 * (cpuMs(plane) - cpuBefore)) / elapsedMs;
  stop();
  plane.disconnect();
  const made = (1000 * answered.length) / elapsedMs;
  const cells = [
    `${pods} in ${services}`,
    streams,
    made.toFixed(0),
    `${cpu.toFixed(0)} %`,
    `${heapMb.toFixed(0)} MB`,
    `${idleMb.toFixed(0)}, ${peakMb.toFixed(0)} MB`,
    `${percentile(delays, 0.5)}, ${percentile(delays, 0.99)} ms`,
    `${percentile(ours, 0.5)}, ${percentile(ours, 0.99)} ms`,
    `${percentile(answered, 0.5)}, ${percentile(answered, 0.99)} ms`,
    delays.length,
  ];
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
}

async function startPlane(): Promise<{ plane: ChildProcess; port: number }> {
  const port = await freePort();
  const plane = fork(join(import.meta.dirname, "scaleplane.ts"), [String(port)], {
    execArgv: ["--expose-gc"],
  });
  await once(plane, "message");
  return { plane, port };
}

// Each stream is of one service, as a proxy's; those of one connection stand for one proxy.
async function openStreams(
  port: number,
  { streams, services }: { streams: number; services: number },
  heard: (service: number) => void,
): Promise<void> {
  const first: Promise<void>[] = [];
  for (let i = 0; i < streams; i += STREAMS_A_CONNECTION) {
    const h2 = new H2Client(await dial({ ip: "127.0.0.1", port }, { clock, timeoutMs: 5000 }), {
      clock,
    });
    const client = grpcClient(Destination, (req) => h2.request(req), "dst", { clock });
    for (let k = i; k < Math.min(i + STREAMS_A_CONNECTION, streams); k++) {
      const service = k % services;
      const path = `s${service}.${NS}.svc.cluster.local:80`;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      first.push(promise);
      const follow = async (): Promise<void> => {
        for await (const _ of client.get({ path, scheme: "k8s", contextToken: `ns:${NS}` })) {
          resolve();
          heard(service);
        }
      };
      follow().catch(reject);
    }
  }
  await Promise.all(first);
}

// What a kubelet and a controller do when a pod's readiness changes: the pod's status, and then its slice.
async function change(
  service: number,
  isReady: boolean,
  { pods, services }: { pods: number; services: number },
): Promise<void> {
  const [victim = 0] = podsOf(service, { pods, services });
  const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
  const body = { status: { phase: "Running", conditions } };
  await api.request(`${podsPath}/p${victim}/status`, { ...patch, body });
  const endpoints = endpointsOf(service, { pods, services }, isReady);
  await api.request(`${slices}/s${service}`, { ...patch, body: { endpoints } });
}

function podsOf(service: number, { pods, services }: { pods: number; services: number }): number[] {
  const count = Math.floor(pods / services);
  return Array.from({ length: count }, (_, i) => service * count + i);
}

function ipOf(pod: number): string {
  return `10.250.${pod >> 8}.${pod & 255}`;
}

function endpointsOf(
  service: number,
  size: { pods: number; services: number },
  isFirstReady: boolean,
) {
  return podsOf(service, size).map((pod, i) => ({
    addresses: [ipOf(pod)],
    conditions: { ready: i > 0 || isFirstReady },
    nodeName: `scale-${pod % NODES}`,
    targetRef: { kind: "Pod", name: `p${pod}`, namespace: NS },
  }));
}

async function makeAll(size: Sizes): Promise<void> {
  await kubectl(`create namespace ${NS}`);
  const post = (path: string, body: unknown): Promise<unknown> =>
    api.request(path, { method: "POST", body });
  // Pods cannot be made before the account that they run as.
  while (!(await kubectl(`get sa -n ${NS} -o name`)).includes("default")) continue;
  const work: (() => Promise<unknown>)[] = [];
  for (let i = 0; i < NODES; i++)
    work.push(() =>
      post("/api/v1/nodes", { metadata: { name: `scale-${i}`, labels: { scale: "fake" } } }),
    );
  for (let i = 0; i < size.pods; i++) work.push(() => makePod(api, i));
  for (let i = 0; i < size.services; i++) {
    const metadata = { name: `s${i}` };
    const ports = [{ name: "http", port: 80, targetPort: 8080 }];
    work.push(() => post(`/api/v1/namespaces/${NS}/services`, { metadata, spec: { ports } }));
    const slice = {
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": `s${i}` } },
      addressType: "IPv4",
      endpoints: endpointsOf(i, size, true),
      ports: [{ name: "http", port: 8080 }],
    };
    work.push(() => post(slices, slice));
  }
  const workers = Array.from({ length: 16 }, async () => {
    for (let next = work.shift(); next; next = work.shift()) await next();
  });
  await Promise.all(workers);
}

async function makePod(server: KubeApi, i: number): Promise<void> {
  const labels = { app: `d${i % 100}`, "linkerd.io/control-plane-ns": "linkerd" };
  const env = Array.from({ length: 40 }, (_, k) => ({ name: `SETTING_${k}`, value: `value-${k}` }));
  const container = (name: string) => ({
    name,
    image: "none",
    env,
    ports: [{ containerPort: name === "app" ? 8080 : 4143 }],
  });
  const spec = {
    nodeName: `scale-${i % NODES}`,
    tolerations: [{ operator: "Exists" }],
    terminationGracePeriodSeconds: 0,
    containers: [container("app"), container("linkerd-proxy")],
  };
  await server.request(podsPath, {
    method: "POST",
    body: { metadata: { name: `p${i}`, labels }, spec },
  });
  const status = { phase: "Running", podIP: ipOf(i), podIPs: [{ ip: ipOf(i) }] };
  await server.request(`${podsPath}/p${i}/status`, { ...patch, body: { status } });
}

async function removeAll(): Promise<void> {
  await kubectl(`delete namespace ${NS} --ignore-not-found --wait=false`);
  await kubectl("delete nodes -l scale=fake");
  await kubectl(`wait --for=delete namespace/${NS} --timeout=85s`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

function rssMb({ pid }: ChildProcess): number {
  const [, kb] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kb) / 1024;
}

// The kernel counts in hundredths of a second.
function cpuMs({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

function percentile(numbers: readonly number[], share: number): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN).toFixed(0);
}
