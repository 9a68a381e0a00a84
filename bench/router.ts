// Our router under measurement: a linkerd.yaml with one rule and one namer, the folder that this namer reads, and the
// program as users start it.

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROXY_ENV } from "../src/platform/sidecar.ts";
import { PORTS } from "./backend.ts";
import { HOST } from "./load.ts";
import { endpointsOf, type Hop, type Running, targetOf } from "./peers.ts";
import { listening, start } from "./process.ts";
import { CLIENT_PROXY, OUTBOUND_PORT, type World } from "./world.ts";

const ADMIN_PORT = 9990;

const PROGRAM = fileURLToPath(new URL("../bin/linkerd.mjs", import.meta.url));

/** Starts a router in front of the client. */
export async function startRouter(world: World, hop: Hop): Promise<Running> {
  const home = join(world.folder, "router");
  const disco = join(home, "disco");
  mkdirSync(disco, { recursive: true, mode: 0o777 });
  const file = join(home, "linkerd.yaml");
  writeFileSync(file, config(world, hop, disco));
  const { target: port } = PORTS[hop.protocol];
  writeFileSync(
    join(disco, HOST),
    endpointsOf(world, hop)
      .map((ip) => `${ip} ${port}\n`)
      .join(""),
  );
  if (world.redirects) execFileSync("chown", ["-R", String(CLIENT_PROXY), home]);
  const proxy = start("ours", [process.execPath, PROGRAM, file], {
    cpus: world.proxyCpus,
    env: { ...PROXY_ENV, NODE_COMPILE_CACHE: join(world.folder, "compiled") },
    ...(world.redirects && { uid: CLIENT_PROXY }),
  });
  await listening(world.local, OUTBOUND_PORT, proxy);
  return {
    target: targetOf(world, hop),
    proxies: [proxy],
    identity: { name: "", folder: "" },
  };
}

function config({ local }: World, { protocol }: Hop, disco: string): string {
  return `
admin: {ip: ${local}, port: ${ADMIN_PORT}}
namers: [{kind: io.l5d.fs, rootDir: ${disco}}]
routers:
- protocol: ${protocol === "http1" ? "http" : "h2"}
  dtab: /svc => /#/io.l5d.fs
  servers: [{ip: ${local}, port: ${OUTBOUND_PORT}}]
`;
}
