// What tests of the router stand on: a router from a file, backends that tell what they were sent, and requests to it,
// all over real sockets.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { log } from "../../src/base/log.ts";
import { Linkerd } from "../../src/router/linkerd.ts";

log.filter = "off";

/** What a backend was sent. */
export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
};

export type Backend = {
  readonly port: number;
  readonly seen: Seen[];
  /** `127.0.0.1 port`, as a line of a namer's file. */
  readonly line: string;
  close(): Promise<void>;
};

type Answer = (seen: Seen, rsp: http.ServerResponse) => void;

/** A server of HTTP/1 that says its name, or what `answer` says; `/status/N` is answered with that status. */
export async function backend(
  t: TestContext,
  name: string,
  answer?: Answer,
  port = 0,
): Promise<Backend> {
  const seen: Seen[] = [];
  const server = http.createServer((req, rsp) => {
    void text(req).then((body) => {
      const one = { method: req.method!, url: req.url!, headers: req.headers, body };
      seen.push(one);
      const status = /^\/status\/(\d+)/.exec(one.url)?.[1];
      if (status !== undefined) rsp.statusCode = Number(status);
      if (answer) answer(one, rsp);
      else rsp.end(name);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const bound = (server.address() as AddressInfo).port;
  const close = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  t.after(close);
  return { port: bound, seen, line: `127.0.0.1 ${bound}`, close };
}

export type Running = {
  readonly linkerd: Linkerd;
  readonly folder: string;
  /** The port of a router's server. */
  port(label?: string, server?: number): number;
  readonly adminPort: number;
  /** Changes the file, or one beside it. */
  write(name: string, content: string): void;
  admin(path: string, options?: RequestOptions): Promise<Reply>;
  json(path: string): Promise<any>;
  metrics(): Promise<Record<string, number>>;
};

/**
 * Runs a router with `file` as its linkerd.yaml; `DIR` in it is a folder that holds `files`. Routers listen on the
 * addresses that the file says, the admin server on 127.0.0.100, all on ports of the kernel's choice.
 */
export async function run(
  t: TestContext,
  file: string,
  files: Record<string, string> = {},
): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "router-"));
  let content = "";
  const write = (name: string, given: string): void => {
    const withAdmin =
      name !== "linkerd.yaml" || /^admin:/m.test(given) ? given : `${ADMIN}${given}`;
    const filled = withAdmin.replaceAll("DIR", folder);
    if (name === "linkerd.yaml") content = filled;
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, filled);
  };
  for (const [name, given] of Object.entries(files)) write(name, given);
  write("linkerd.yaml", file);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const linkerd = await Linkerd.start({
    file: join(folder, "linkerd.yaml"),
    read: () => Promise.resolve(content),
    env: {},
  });
  t.after(() => linkerd.stop(100));
  const { admin: at } = linkerd.addrs;
  const admin = (path: string, options: RequestOptions = {}) =>
    send(at.port, path, { ip: at.ip, ...options });
  return {
    linkerd,
    folder,
    write,
    port: (label = "http", server = 0) => linkerd.addrs.routers[label]![server]!.port,
    adminPort: at.port,
    admin,
    json: async (path) => JSON.parse((await admin(path)).body),
    metrics: async () => JSON.parse((await admin("/admin/metrics.json")).body),
  };
}

const ADMIN = "admin: {ip: 127.0.0.100, port: 0}\n";

export type RequestOptions = {
  readonly ip?: string;
  readonly method?: string;
  readonly host?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  readonly agent?: http.Agent;
};

export type Reply = {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
};

/** Sends one request on a connection of its own; `path` may be a whole URL, as for a proxy. */
export function send(port: number, path: string, options: RequestOptions = {}): Promise<Reply> {
  const { ip = "127.0.0.1", method = "GET", host = "web", headers, body, agent = false } = options;
  return new Promise((resolve, reject) => {
    const req = http.request(
      { host: ip, port, path, method, agent, headers: { host, ...headers } },
      (rsp) => {
        text(rsp).then(
          (read) => resolve({ status: rsp.statusCode!, headers: rsp.headers, body: read }),
          reject,
        );
      },
    );
    req.on("error", reject);
    req.end(body);
  });
}

/** A port that nobody listens on, at this moment. */
export async function freePort(ip = "127.0.0.1"): Promise<number> {
  const server = net.createServer().listen(0, ip);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** How often each answer came in `count` requests. */
export async function tally(
  count: number,
  ask: () => Promise<Reply>,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { body } = await ask();
    counts[body] = (counts[body] ?? 0) + 1;
  }
  return counts;
}

/** Waits until `check` holds and does not throw; it is asked again and again, for 5 s. */
export async function eventually<T>(check: () => T | Promise<T>): Promise<NonNullable<T>> {
  const until = Date.now() + 5000;
  for (let cause: unknown; ;) {
    try {
      const found = await check();
      if (found) return found;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > until) throw new Error("it did not come true within 5 s", { cause });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
