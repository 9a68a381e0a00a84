// Load, one function for each program that makes it: wrk for HTTP/1, h2load for HTTP/2 and gRPC, our own for the rest.
// Each runs on the processors of the load and resolves to how much it did.

import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { grpcMessage } from "./backend.ts";
import { output, start, which } from "./process.ts";
import { CLIENT_PROXY, type World } from "./world.ts";

/** Where load is sent. */
export type Target = { readonly host: string; readonly port: number };

/** What was done: requests, messages or megabytes, in how many seconds, and latencies in µs where they are known. */
export type Done = {
  readonly units: number;
  readonly errors: number;
  readonly seconds: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly p999?: number;
};

/** The authority of all requests. */
export const HOST = "app.bench.svc.cluster.local";

/** HTTP/1: requests one after the other on each of `connections`; with `closing`, each on a connection of its own. */
export async function wrk(
  world: World,
  target: Target,
  seconds: number,
  options: { path: string; connections: number; closing?: boolean },
): Promise<Done> {
  const script = join(world.folder, "report.lua");
  writeFileSync(script, LUA);
  const close = options.closing ? ["-H", "Connection: close"] : [];
  const text = await output(
    "wrk",
    [
      need("wrk"),
      "-t1",
      `-c${options.connections}`,
      `-d${whole(seconds)}s`,
      "-s",
      script,
      "-H",
      `Host: ${HOST}`,
      ...close,
      `http://${target.host}:${target.port}${options.path}`,
    ],
    { cpus: world.loadCpus, timeoutMs: limit(seconds) },
  );
  return lastLine(text);
}

const LUA = `
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{"units":%d,"errors":%d,"seconds":%.3f,"p50":%d,"p99":%d,"p999":%d}\\n',
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
`;

/** HTTP/2: `streams` requests at once on each of `connections`; with `grpc`, each of them a unary call. */
export async function h2load(
  world: World,
  target: Target,
  seconds: number,
  options: { path: string; connections: number; streams: number; grpc?: boolean },
): Promise<Done> {
  const body = join(world.folder, "message");
  if (options.grpc) writeFileSync(body, grpcMessage(32));
  const grpc = ["-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers"];
  const text = await output(
    "h2load",
    [
      need("h2load"),
      "-t1",
      `-c${options.connections}`,
      `-m${options.streams}`,
      `-D${whole(seconds)}`,
      "-H",
      `:authority: ${HOST}`,
      ...(options.grpc ? grpc : []),
      `http://${target.host}:${target.port}${options.path}`,
    ],
    { cpus: world.loadCpus, timeoutMs: limit(seconds) },
  );
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  const units = number(/status codes: (\d+) 2xx/);
  // Requests that a run leaves unfinished at its end are no errors; what got another status is.
  const errors =
    number(/(\d+) failed/) + number(/(\d+) 4xx/) + number(/(\d+) 5xx/) + number(/(\d+) 3xx/);
  return { units, errors, seconds: number(/finished in ([\d.]+)s/) };
}

/** HTTP/1 at a fixed rate, whether answers come or not. */
export function atRate(world: World, target: Target, seconds: number, rate: number): Promise<Done> {
  return own(world, seconds, ["client.ts", "rate", ...at(target), "/small", seconds, rate]);
}

/** Mutual TLS connections with one request each, to a server that shows `identity`. */
export function handshakes(
  world: World,
  target: Target,
  seconds: number,
  { name, folder }: { readonly name: string; readonly folder: string },
): Promise<Done> {
  const args = ["handshake", ...at(target), "/small", seconds, 8, name, folder];
  // The rules take this user's connections for those of a proxy, and send them to the server's.
  return own(world, seconds, ["client.ts", ...args], CLIENT_PROXY);
}

/** Plain TCP: megabytes on one connection, or messages to and fro on `connections`. */
export function streams(
  world: World,
  target: Target,
  seconds: number,
  role: "pour" | "echo",
  connections: number,
): Promise<Done> {
  return own(world, seconds, ["streams.ts", role, ...at(target), seconds, connections]);
}

/** Opens `count` connections, sends one request on each, and keeps them while `look` looks at the proxy. */
export async function hold<T>(
  world: World,
  target: Target,
  count: number,
  look: (done: Done) => T,
): Promise<T> {
  const command = nodeCommand(["client.ts", "hold", ...at(target), "/small", count]);
  const holder = start("hold", command, { cpus: world.loadCpus });
  try {
    const until = performance.now() + 30_000;
    while (holder.running && !holder.output.includes("}")) {
      if (performance.now() > until) throw new Error(`${count} connections took longer than 30 s`);
      await sleep(20);
    }
    return look(lastLine(holder.output));
  } finally {
    await holder.stop();
  }
}

/** Waits until `target` answers a request with 200. */
export async function firstAnswer(target: Target, timeoutMs = 10_000): Promise<void> {
  const until = performance.now() + timeoutMs;
  let said = "nothing";
  while (performance.now() < until) {
    said = (await answer(target)) || said;
    if (/^HTTP\/1.1 200/.test(said)) return;
    await sleep(2);
  }
  throw new Error(`no 200 from ${target.host}:${target.port} in ${timeoutMs} ms, but ${said}`);
}

function answer({ host, port }: Target): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host, port }, () =>
      socket.write(`GET /small HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`),
    );
    socket.setTimeout(1_000, () => socket.destroy());
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

async function own(
  world: World,
  seconds: number,
  [program, ...args]: readonly (string | number)[],
  uid?: number,
): Promise<Done> {
  const options = { cpus: world.loadCpus, timeoutMs: limit(seconds) };
  const user = uid === undefined || !world.redirects ? {} : { uid };
  const command = nodeCommand([program!, ...args]);
  return lastLine(await output(String(program), command, { ...options, ...user }));
}

function nodeCommand([program, ...args]: readonly (string | number)[]): string[] {
  const file = fileURLToPath(new URL(String(program), import.meta.url));
  return [process.execPath, file, ...args.map(String)];
}

function lastLine(text: string): Done {
  return JSON.parse(text.trimEnd().split("\n").at(-1)!) as Done;
}

function need(program: string): string {
  const path = which(program);
  if (path === undefined)
    throw new Error(`${program} is missing: apt-get install wrk nghttp2-client`);
  return path;
}

const at = ({ host, port }: Target): [string, number] => [host, port];

/** wrk and h2load take whole seconds. */
const whole = (seconds: number): number => Math.max(1, Math.round(seconds));

const limit = (seconds: number): number => seconds * 1_000 + 15_000;
