// What stands behind a proxy: nginx for HTTP/1, HTTP/2 and gRPC, because it is never the bottleneck, and an echo of our
// own for plain TCP. All of them listen on every address, so that a service may have as many endpoints as one likes.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listening, type Measured, start, which } from "./process.ts";
import type { World } from "./world.ts";

/** What a client speaks to a service. */
export type Protocol = "http1" | "http2" | "grpc" | "tcp";

/** The port of a service and that of its workloads, by protocol. */
export const PORTS: Readonly<
  Record<Protocol, { readonly service: number; readonly target: number }>
> = {
  http1: { service: 80, target: 8080 },
  http2: { service: 81, target: 8081 },
  grpc: { service: 82, target: 8082 },
  tcp: { service: 83, target: 8083 },
};

/** The paths that HTTP backends know; their names are the sizes of the bodies in bytes. */
export const SIZES = { small: 61, middle: 10_240, large: 1_048_576 } as const;

/** The method of the gRPC backend: one message there, one back, each of 32 bytes. */
export const GRPC_PATH = "/bench.Echo/Unary";

/** The command that installs what backends and load need. */
export const INSTALL = "apt-get install nginx-light wrk nghttp2-client";

/** Starts all backends on the processors of the load. */
export async function startBackends(world: World): Promise<Measured[]> {
  const nginx = which("nginx");
  if (nginx === undefined) throw new Error(`The backend is nginx: ${INSTALL}`);
  const home = join(world.folder, "backend");
  mkdirSync(join(home, "www", "bench.Echo"), { recursive: true });
  for (const [name, bytes] of Object.entries(SIZES))
    writeFileSync(join(home, "www", name), "x".repeat(bytes));
  writeFileSync(join(home, "www", GRPC_PATH), grpcMessage(32));
  writeFileSync(join(home, "nginx.conf"), config(home, world.backend));
  const options = { cpus: world.loadCpus };
  const web = start(
    "backend",
    [nginx, "-e", "stderr", "-p", home, "-c", join(home, "nginx.conf")],
    options,
  );
  const program = fileURLToPath(new URL("streams.ts", import.meta.url));
  const echo = start(
    "echo",
    [process.execPath, program, "serve", world.backend, String(PORTS.tcp.target)],
    options,
  );
  await listening(world.plain, PORTS.grpc.target, web);
  await listening(world.plain, PORTS.tcp.target, echo);
  return [web, echo];
}

/** A gRPC message of `bytes` bytes in its envelope: a BytesValue of zeros. */
export function grpcMessage(bytes: number): Buffer {
  const message = Buffer.alloc(5 + bytes);
  message.writeUInt32BE(bytes, 1);
  message[5] = 0x0a;
  message[6] = bytes - 2;
  return message;
}

function config(home: string, host: string): string {
  return `
daemon off;
master_process off;
pid ${home}/nginx.pid;
worker_rlimit_nofile 65536;
events { worker_connections 32768; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type text/plain;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  http2_max_concurrent_streams 4096;
  client_body_temp_path ${home}/body;
  proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi;
  scgi_temp_path ${home}/scgi;
  open_file_cache max=16;
  root ${home}/www;
  server { listen ${host}:${PORTS.http1.target} backlog=4096; }
  server { listen ${host}:${PORTS.http2.target} http2 backlog=4096; }
  server {
    listen ${host}:${PORTS.grpc.target} http2 backlog=4096;
    default_type application/grpc;
    add_trailer grpc-status 0 always;
    # A file answers only GET, so POST is answered by way of its error.
    error_page 405 =200 $uri;
  }
}
`;
}
