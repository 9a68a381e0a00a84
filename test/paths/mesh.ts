// A mesh for tests of whole paths: a real control plane, two sidecars in this process, real sockets between.
// Each mesh has loopback addresses of its own, so that tests may run side by side.

import { mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  request,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { startProxy, type RunningProxy } from "../../src/proxy/start.ts";
import { controlPlane, type ControlPlane } from "./plane.ts";
import { podYaml } from "../support/world.ts";

export type TestMesh = {
  /** The workload behind the service, another one of it, and the one that calls it. */
  readonly server: string;
  readonly second: string;
  readonly client: string;
  readonly plane: ControlPlane;
  /** The environment of the sidecar of a pod at an address. */
  readonly env: (pod: string, ip: string) => Record<string, string>;
  /** What makes a sidecar the outbound one of the client. */
  readonly outbound: Record<string, string>;
  /** Starts a sidecar. */
  readonly run: (env: Record<string, string>) => Promise<RunningProxy>;
  /** Starts the sidecars of the first server and of the client. */
  readonly start: (
    env?: Record<string, string>,
  ) => Promise<{ inbound: RunningProxy; outbound: RunningProxy }>;
};

/** Where the outbound sidecar stands for the service's ports. */
export const PORTS = { http: 14_080, db: 14_306 };

let meshes = 0;

/** A control plane for the service `web` (80 to 8080, 3306 to 3306) with one pod. */
export async function mesh(t: TestContext, annotations = ""): Promise<TestMesh> {
  const folder = mkdtempSync(join(tmpdir(), "paths-"));
  const { pid } = process;
  const net = `127.${100 + (pid % 100)}.${(Math.floor(pid / 100) % 16) * 16 + (meshes++ % 16)}`;
  const [control, server, client, second] = [`${net}.1`, `${net}.2`, `${net}.3`, `${net}.4`];
  const pods = [podYaml("web-1", server), podYaml("client", client, { labels: "app: client" })];
  const yaml = [serviceYaml(annotations), ...pods].join("\n---\n");
  const plane = await controlPlane(yaml, control, folder);
  const proxies: RunningProxy[] = [];
  t.after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.drain()));
    await plane.stop();
    rmSync(folder, { recursive: true });
  });
  const env = (pod: string, ip: string): Record<string, string> => ({
    ...plane.env(pod),
    LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${ip}:4143`,
    LINKERD2_PROXY_CONTROL_LISTEN_ADDR: `${ip}:4190`,
    LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `${ip}:4191`,
    LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD: "100ms",
    LINKERD2_PROXY_LOG: process.env["TEST_LOG"] ?? "off",
    LINKERD2_PROXY_CORES_MAX: process.env["TEST_CORES"] ?? "1",
    LINKERD_PROXY_INBOUND_ORIGINAL_IP: ip,
  });
  const run = async (variables: Record<string, string>): Promise<RunningProxy> => {
    const proxy = await startProxy(variables);
    proxies.push(proxy);
    await proxy.ready;
    return proxy;
  };
  const listens = [`${client}:${PORTS.http}`, `${client}:${PORTS.db}`];
  const outbound = {
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: listens.join(","),
    LINKERD_PROXY_OUTBOUND_ORIGINALS: `${listens[0]}=10.96.0.1:80,${listens[1]}=10.96.0.1:3306`,
  };
  return {
    server,
    second,
    client,
    plane,
    env,
    outbound,
    run,
    start: async (extra = {}) => {
      const [inbound, calling] = await Promise.all([
        run({ ...env("web-1", server), ...extra }),
        run({ ...env("client", client), ...outbound, ...extra }),
      ]);
      return { inbound, outbound: calling };
    },
  };
}

/** An HTTP/1 application at `ip:port`. */
export async function application(
  t: TestContext,
  ip: string,
  listener: RequestListener,
  port = 8080,
): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, ip, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

/** An application of bytes at `ip:port`. */
export async function tcpApplication(
  t: TestContext,
  ip: string,
  serve: (socket: Socket) => void,
  port = 3306,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, ip, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

export type Reply = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** One HTTP/1 request on a connection of its own; a POST when there is something to send. */
export function get(
  host: string,
  port: number,
  path = "/",
  headers: Record<string, string> = {},
  sent?: Buffer,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const method = sent ? "POST" : "GET";
    const fields = { host: "web.ns", ...headers };
    const req = request({ host, port, path, method, headers: fields, agent: false }, (rsp) => {
      let body = "";
      rsp.setEncoding("utf8");
      rsp.on("data", (chunk: string) => (body += chunk));
      rsp.on("end", () => resolve({ status: rsp.statusCode!, headers: rsp.headers, body }));
      rsp.on("error", reject);
    });
    req.on("error", reject);
    req.end(sent);
  });
}

/** Connects to `host:port`; reads come as strings. */
export async function tcp(t: TestContext, host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.setEncoding("latin1");
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

/** The next chunk that `socket` brings; "" when it ends. */
export function read(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const done = (text: string): void => {
      socket.off("data", done);
      socket.off("end", ended);
      socket.off("close", ended);
      resolve(text);
    };
    const ended = (): void => done("");
    socket.on("data", done);
    socket.on("end", ended);
    socket.on("close", ended);
  });
}

/** Waits until `check` holds, asking again and again; fails after some seconds. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`it did not come to be: ${check.toString()}`);
}

const serviceYaml = (annotations: string): string => `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns, annotations: {${annotations}}}
spec:
  clusterIP: 10.96.0.1
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}, {name: db, port: 3306, targetPort: db}]
`;

/** The first series of `name` whose labels include `labels`, on the admin page of the sidecar at `ip`. */
export async function metric(
  ip: string,
  name: string,
  labels: Record<string, string>,
): Promise<{ labels: Record<string, string>; value: number } | undefined> {
  const { body } = await get(ip, 4191, "/metrics");
  for (const line of body.split("\n")) {
    const [, found, text = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (found !== name) continue;
    const own = Object.fromEntries(
      [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, content]) => [key!, content!]),
    );
    if (Object.entries(labels).every(([key, content]) => own[key] === content)) {
      return { labels: own, value: Number(value) };
    }
  }
  return undefined;
}
