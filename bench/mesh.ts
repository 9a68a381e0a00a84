// The sidecars under measurement, ours and the stock one, and the control plane that drives them both: ours, in this
// process, on a handful of resources in memory. Both are told the same by the same environment.

import { execFileSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programArgv } from "../src/cli/running.ts";
import { identityOf, PROXY_ENV } from "../src/platform/sidecar.ts";
import { newKeyAndCsr } from "../src/proxy/csr.ts";
import { credentialsOf } from "../test/support/certificates.ts";
import { type ControlPlane, startControlPlane } from "../test/support/controlplane.ts";
import { podYaml } from "../test/support/world.ts";
import { PORTS } from "./backend.ts";
import { type Hop, MANY, type Running, serviceOf, targetOf } from "./peers.ts";
import { listening, type Measured, start } from "./process.ts";
import {
  addressOf,
  CLIENT_PROXY,
  INBOUND_PORT,
  OUTBOUND_PORT,
  SERVER_PROXY,
  type World,
} from "./world.ts";

export type Mesh = ControlPlane;

const CONTROL_PORT = 8086;
const DOMAIN = "cluster.local";

/** What a sidecar stands beside; ports of the other's are moved out of the way. */
const ENDS = {
  client: {
    pod: "client",
    serviceAccount: "client",
    uid: CLIENT_PROXY,
    port: OUTBOUND_PORT,
    listen: {
      OUTBOUND: OUTBOUND_PORT,
      INBOUND: 4243,
      CONTROL: 4290,
      ADMIN: 4291,
    },
  },
  server: {
    pod: "meshed",
    serviceAccount: "web",
    uid: SERVER_PROXY,
    port: INBOUND_PORT,
    listen: {
      OUTBOUND: 4240,
      INBOUND: INBOUND_PORT,
      CONTROL: 4190,
      ADMIN: 4191,
    },
  },
} as const;

/** Starts the control plane, and makes a certificate of its authority for clients of ours. */
export async function startMesh(world: World): Promise<Mesh> {
  const mesh = await startControlPlane(manifests(world), {
    ip: world.local,
    port: CONTROL_PORT,
    folder: world.folder,
  });
  const { certPem, keyPem, rootsPem } = await credentialsOf(
    mesh.issuer,
    identityOf("load", "ns", { trustDomain: DOMAIN }),
  );
  const folder = certificatesOf(world);
  mkdirSync(folder);
  writeFileSync(join(folder, "ca.crt"), rootsPem);
  writeFileSync(join(folder, "tls.crt"), certPem);
  writeFileSync(join(folder, "tls.key"), keyPem);
  return mesh;
}

const certificatesOf = ({ folder }: World): string => join(folder, "mesh");

/** Our own proxy, started as images and local meshes start it. */
export function ours(world: World, mesh: Mesh, hop: Hop): Promise<Running> {
  return sidecars(world, mesh, hop, "ours", programArgv("proxy"));
}

/** The stock one. */
export function linkerd2Proxy(
  world: World,
  mesh: Mesh,
  hop: Hop,
  program: string,
): Promise<Running> {
  return sidecars(world, mesh, hop, "linkerd2-proxy", [program]);
}

async function sidecars(
  world: World,
  mesh: Mesh,
  hop: Hop,
  name: string,
  command: readonly string[],
): Promise<Running> {
  const startOne = async (end: keyof typeof ENDS): Promise<Measured> => {
    const { pod, serviceAccount, uid, port, listen } = ENDS[end];
    const env = { ...mesh.env({ pod, serviceAccount }), ...originals(world, hop) };
    for (const [side, at] of Object.entries(listen))
      env[`LINKERD2_PROXY_${side}_LISTEN_ADDR`] = `${world.local}:${at}`;
    env["LINKERD2_PROXY_CORES"] = String(world.cores);
    env["LINKERD2_PROXY_LOG"] = "error";
    Object.assign(env, PROXY_ENV);
    env["NODE_COMPILE_CACHE"] = join(world.folder, "compiled");
    const home = env["LINKERD2_PROXY_IDENTITY_DIR"]!;
    provide(home, env["LINKERD2_PROXY_IDENTITY_LOCAL_NAME"]!);
    if (world.redirects) execFileSync("chown", ["-R", String(uid), home]);
    const proxy = start(name, command, {
      cpus: world.proxyCpus,
      env,
      ...(world.redirects && { uid }),
    });
    await listening(world.local, port, proxy);
    return proxy;
  };
  const server = hop.between === "pair" ? [await startOne("server")] : [];
  return {
    target: targetOf(world, hop),
    proxies: [...server, await startOne("client")],
    identity: {
      name: identityOf("web", "ns", { trustDomain: DOMAIN }),
      folder: certificatesOf(world),
    },
  };
}

/** Without redirection, our proxy is told what its listener stands for. */
function originals(world: World, hop: Hop): Record<string, string> {
  if (world.redirects) return {};
  const original = `${serviceOf(world, hop)}:${PORTS[hop.protocol].service}`;
  return { LINKERD_PROXY_OUTBOUND_ORIGINALS: `${world.local}:${OUTBOUND_PORT}=${original}` };
}

/** The key and the request that linkerd2-proxy wants to find. */
function provide(folder: string, name: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const { keyPem, csr } = newKeyAndCsr(name);
  writeFileSync(join(folder, "csr.der"), csr);
  writeFileSync(
    join(folder, "key.p8"),
    createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" }),
  );
}

function manifests(world: World): string {
  const { plain, meshed, many } = world.services;
  return [
    serviceYaml("plain", plain, "{app: plain}"),
    serviceYaml("meshed", meshed, "{app: meshed}"),
    serviceYaml("many", many, "{}"),
    podYaml("plain", world.plain, { labels: "app: plain", meshed: false }),
    podYaml("meshed", world.meshed, { labels: "app: meshed" }),
    podYaml("client", world.local, { labels: "app: client" }),
    sliceYaml(world),
  ].join("---");
}

const SPOKEN = {
  http1: "http",
  http2: "kubernetes.io/h2c",
  grpc: "kubernetes.io/h2c",
  tcp: "linkerd.io/opaque",
} as const;

function serviceYaml(name: string, ip: string, selector: string): string {
  const ports = Object.entries(PORTS).map(
    ([port, { service, target }]) =>
      `{name: ${port}, port: ${service}, targetPort: ${target}, appProtocol: ${SPOKEN[port as keyof typeof SPOKEN]}}`,
  );
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ns}
spec: {clusterIP: ${ip}, selector: ${selector}, ports: [${ports.join(", ")}]}
`;
}

function sliceYaml(world: World): string {
  const endpoints = Array.from(
    { length: MANY },
    (_, n) => `{addresses: [${addressOf(world, n)}], conditions: {ready: true}}`,
  );
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: many-1, namespace: ns, labels: {kubernetes.io/service-name: many}}
addressType: IPv4
ports: [{name: http1, port: ${PORTS.http1.target}}]
endpoints: [${endpoints.join(", ")}]
`;
}
