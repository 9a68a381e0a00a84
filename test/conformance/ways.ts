// The ways that requests take through proxies, with a server of the test's at the end: `outbound`, where a sidecar
// beside the client sends to a workload without one, and `pair`, where the workload has a sidecar too. The proxies are
// processes, configured as on Kubernetes, with our control plane in this process and addresses of 127.0.0.0/8.

import { mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Credentials } from "../../src/io/tls.ts";
import { identityOf } from "../../src/platform/sidecar.ts";
import { startControlPlane } from "../support/controlplane.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { podYaml } from "../support/world.ts";
import { credentialsOf } from "../support/certificates.ts";
import type { At } from "./raw.ts";
import { Recorder } from "./recorder.ts";

export const WAYS = ["outbound", "pair"] as const;
export type Way = (typeof WAYS)[number];

/** The ports of both services, their workloads' ports, and what is declared to be spoken there. */
const PORTS = {
  http1: { service: 80, target: 8080, appProtocol: "http" },
  http2: { service: 81, target: 8081, appProtocol: "kubernetes.io/h2c" },
  opaque: { service: 82, target: 8082, appProtocol: "linkerd.io/opaque" },
  detect: { service: 83, target: 8080, appProtocol: undefined },
} as const;
type Spoken = keyof typeof PORTS;

/** The identities of the meshed workload and of its client. */
export const SERVER = identityOf("web", "ns", { trustDomain: "cluster.local" });
export const CLIENT = identityOf("client", "ns", { trustDomain: "cluster.local" });

const LARGE = 1 << 20;

// Test runs side by side must not meet.
const net = `127.93.${process.pid & 255}`;
const CONTROL = `${net}.1`;
const CLIENT_IP = `${net}.2`;
const ENDS = {
  outbound: { workload: `${net}.10`, service: `${net}.110`, name: "plain" },
  pair: { workload: `${net}.20`, service: `${net}.120`, name: "meshed" },
} as const;

export type Ways = {
  /** The HTTP/1 server at the end of both ways. */
  readonly recorder: Recorder;
  /** The HTTP/2 server at the end of both ways, which answers "hello", and to /large with a megabyte. */
  readonly h2: readonly Http2Server[];
  /** Where a client connects that speaks a protocol. */
  at(way: Way, spoken: Spoken): At;
  /** The workload's own address of a port, to listen at. */
  end(way: Way, spoken: Spoken): At;
  /** Where the server's sidecar takes connections of other proxies. */
  readonly inbound: At;
  /** What a proxy of the mesh shows to another. */
  credentials(name: string): Promise<Credentials>;
  /** The proxies: the client's and the server's. */
  readonly proxies: { readonly client: Proxy; readonly server: Proxy };
  /** A number that was not used before. */
  next(): number;
  stop(): Promise<void>;
};

/** Starts a control plane, both proxies and the servers behind them. */
export async function startWays(more: Record<string, string> = {}): Promise<Ways> {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-ways-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const closing: (() => unknown)[] = [remove];
  const stop = async (): Promise<void> => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const ends = Object.values(ENDS).map(({ workload }) => workload);
    const recorder = await Recorder.listen(ends, PORTS.http1.target);
    closing.push(() => recorder.close());
    const h2 = await hello(ends, PORTS.http2.target);
    closing.push(() => h2.forEach((each) => each.close()));
    const control = await startControlPlane(manifests(), { ip: CONTROL, port: 8086, folder });
    closing.push(() => control.stop());
    const client = startProxy(CLIENT_IP, {
      ...control.env({ pod: "client", serviceAccount: "client" }),
      ...listeners(),
      ...more,
    });
    const server = startProxy(ENDS.pair.workload, {
      ...control.env({ pod: "meshed", serviceAccount: "web" }),
      ...more,
    });
    closing.push(() => Promise.all([client.stop(), server.stop()]));
    await Promise.all([client.ready(), server.ready()]);
    let count = 0;
    const shown: Record<string, Promise<Credentials>> = {};
    return {
      recorder,
      h2,
      at: listenerOf,
      end: (way, spoken) => ({ host: ENDS[way].workload, port: PORTS[spoken].target }),
      inbound: { host: ENDS.pair.workload, port: 4143 },
      credentials: (name) => (shown[name] ??= credentialsOf(control.issuer, name)),
      proxies: { client, server },
      next: () => count++,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The environment by which the client's proxy listens for each port of each service. */
function listeners(): Record<string, string> {
  const all = WAYS.flatMap((way) =>
    (Object.keys(PORTS) as Spoken[]).map((spoken) => {
      const { host, port } = listenerOf(way, spoken);
      return [`${host}:${port}`, `${ENDS[way].service}:${PORTS[spoken].service}`] as const;
    }),
  );
  return {
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: all.map(([listen]) => listen).join(),
    LINKERD_PROXY_OUTBOUND_ORIGINALS: all.map((pair) => pair.join("=")).join(),
  };
}

function listenerOf(way: Way, spoken: Spoken): At {
  return { host: CLIENT_IP, port: (way === "pair" ? 6000 : 5000) + PORTS[spoken].service };
}

function manifests(): string {
  const ports = Object.entries(PORTS).map(
    ([name, { service, target, appProtocol }]) =>
      `{name: ${name}, port: ${service}, targetPort: ${target}${appProtocol ? `, appProtocol: ${appProtocol}` : ""}}`,
  );
  const services = Object.values(ENDS).map(
    ({ name, service }) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ns}
spec: {clusterIP: ${service}, selector: {app: ${name}}, ports: [${ports.join(", ")}]}
`,
  );
  return [
    ...services,
    podYaml("plain", ENDS.outbound.workload, { labels: "app: plain", meshed: false }),
    podYaml("meshed", ENDS.pair.workload, {
      labels: "app: meshed",
      annotations: '{config.linkerd.io/opaque-ports: "8082"}',
    }),
    podYaml("client", CLIENT_IP, { labels: "app: client" }),
  ].join("---");
}

/** Servers of HTTP/2 that answer "hello", and to /large with a megabyte. */
export async function hello(hosts: readonly string[], port: number): Promise<Http2Server[]> {
  return Promise.all(
    hosts.map(async (host) => {
      const server = createServer();
      server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
        stream.on("error", () => {});
        stream.respond({ ":status": 200 });
        stream.end(headers[":path"] === "/large" ? Buffer.alloc(LARGE) : "hello");
        stream.resume();
      });
      server.on("sessionError", () => {});
      await new Promise<void>((done) => server.listen(port, host, done));
      return server;
    }),
  );
}
