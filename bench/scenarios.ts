// What is measured, as a table: the hop that a scenario needs, the load on it, and the figures that it yields.

import { setTimeout as sleep } from "node:timers/promises";
import { GRPC_PATH, PORTS } from "./backend.ts";
import {
  atRate,
  type Done,
  firstAnswer,
  h2load,
  handshakes,
  hold,
  streams,
  type Target,
  wrk,
} from "./load.ts";
import type { Mesh } from "./mesh.ts";
import { type Hop, MANY, type Peer, type Running } from "./peers.ts";
import type { Cpu, Measured } from "./process.ts";
import type { Metric } from "./report.ts";
import type { World } from "./world.ts";

const SETTLED_MS = 2_000;

/** What one run yielded; a metric that it could not tell is absent. */
export type Sample = { readonly [M in Metric]?: number };

/** What a scenario works with. */
export type Run = {
  readonly world: World;
  readonly mesh: Mesh;
  readonly peer: Peer;
  readonly hop: Hop;
  readonly seconds: number;
  /** How long a proxy is warmed up. */
  readonly warmup: number;
};

export type Scenario = {
  readonly name: string;
  readonly title: string;
  readonly hop: Hop;
  /** What is counted: requests unless said otherwise. */
  readonly unit?: string;
  /** Whether it means anything without a proxy. */
  readonly direct: boolean;
  /** Workers of each proxy, where that is not what --cores says. */
  readonly cores?: number;
  measure(run: Run): Promise<Sample>;
};

type Load = (world: World, target: Target, seconds: number) => Promise<Done>;

const one = (protocol: Hop["protocol"], endpoints = 1): Hop => ({
  protocol,
  between: "one",
  door: "sidecar",
  endpoints,
});
const pair: Hop = { ...one("http1"), between: "pair" };
const router = (protocol: Hop["protocol"]): Hop => ({ ...one(protocol), door: "router" });

const http1 =
  (path: string, connections: number, closing = false): Load =>
  (world, target, seconds) =>
    wrk(world, target, seconds, { path, connections, closing });

const http2: Load = (world, target, seconds) =>
  h2load(world, target, seconds, { path: "/small", connections: 4, streams: 16 });

const grpc: Load = (world, target, seconds) =>
  h2load(world, target, seconds, { path: GRPC_PATH, connections: 4, streams: 16, grpc: true });

const pour: Load = (world, target, seconds) => streams(world, target, seconds, "pour", 1);
const echo: Load = (world, target, seconds) => streams(world, target, seconds, "echo", 200);

/** Every scenario, in the order of the report. */
export const SCENARIOS: readonly Scenario[] = [
  saturated("http1", "HTTP/1 hop, 64 connections, 61 bytes", one("http1"), http1("/small", 64)),
  saturated("http2", "HTTP/2 hop, 4 connections × 16 streams, 61 bytes", one("http2"), http2),
  saturated("grpc", "gRPC unary, 4 connections × 16 streams", one("grpc"), grpc),
  {
    name: "router",
    title: "Router (linkerd.yaml, dtab, fs namer), HTTP/1, 64 connections, 61 bytes",
    hop: router("http1"),
    direct: true,
    async measure(run) {
      const from = performance.now();
      return running(run, async ({ target, proxies }) => {
        await firstAnswer(target);
        const readyMs = performance.now() - from;
        const load = http1("/small", 64);
        await load(run.world, target, run.warmup);
        const sample = await loaded(run, load, target, proxies);
        return proxies.length > 0 ? { ...sample, readyMs } : sample;
      });
    },
  },
  saturated(
    "router-h2",
    "Router (linkerd.yaml, dtab, fs namer), HTTP/2, 4 connections × 16 streams",
    router("http2"),
    http2,
  ),
  saturated(
    "pair",
    "Meshed pair, HTTP/1 at both ends, mutual TLS between",
    pair,
    http1("/small", 64),
  ),
  saturated("pour", "Opaque TCP, one connection, one way", one("tcp"), pour, "MB"),
  saturated(
    "echo",
    "Opaque TCP, 200 connections, 100 bytes to and fro",
    one("tcp"),
    echo,
    "messages",
  ),
  saturated(
    "churn",
    "HTTP/1, a new connection for each request",
    one("http1"),
    http1("/small", 16, true),
  ),
  {
    name: "handshake",
    title: "Mutual TLS, a new connection for each request, server's proxy",
    hop: pair,
    unit: "connections",
    direct: false,
    measure: (run) =>
      running(run, async ({ proxies, identity }) => {
        const server = proxies[0]!;
        const target = { host: run.world.meshed, port: PORTS.http1.target };
        const load: Load = (world, to, seconds) => handshakes(world, to, seconds, identity);
        await load(run.world, target, run.warmup);
        return loaded(run, load, target, [server]);
      }),
  },
  saturated("10k", "HTTP/1, 64 connections, 10 kB", one("http1"), http1("/middle", 64)),
  saturated("1m", "HTTP/1, 16 connections, 1 MB", one("http1"), http1("/large", 16)),
  {
    name: "latency",
    title: "HTTP/1 at 1,000 requests a second, open loop",
    hop: one("http1"),
    direct: true,
    measure: (run) =>
      running(run, async ({ target, proxies }) => {
        await http1("/small", 64)(run.world, target, run.warmup);
        const load: Load = (world, to, seconds) => atRate(world, to, seconds, 1_000);
        return loaded(run, load, target, proxies);
      }),
  },
  saturated(
    "cores",
    "One listener, HTTP/1, 64 connections, 61 bytes",
    one("http1"),
    http1("/small", 64),
  ),
  memory("idle", "Memory, idle", one("http1"), 0),
  memory("connections", "Memory, 1,000 connections", one("http1"), 1_000),
  memory("endpoints", "Memory, 1,000 endpoints", one("http1", MANY), 1),
  {
    name: "start",
    title: "From exec to the first answer",
    hop: one("http1"),
    direct: false,
    async measure(run) {
      const from = performance.now();
      return running(run, async ({ target }) => {
        await firstAnswer(target);
        return { readyMs: performance.now() - from };
      });
    },
  },
];

/** The scenario `cores` once for each number of workers up to `most`; another scenario as it is. */
export function scaled(scenario: Scenario, most: number): readonly Scenario[] {
  if (scenario.name !== "cores") return [scenario];
  return Array.from({ length: most }, (_, i) => {
    const cores = i + 1;
    return { ...scenario, cores, title: `${scenario.title}, ${cores} of ${most} workers` };
  });
}

/** A scenario of load as much as goes. */
function saturated(name: string, title: string, hop: Hop, load: Load, unit?: string): Scenario {
  return {
    name,
    title,
    hop,
    direct: true,
    ...(unit !== undefined && { unit }),
    measure: (run) =>
      running(run, async ({ target, proxies }) => {
        await load(run.world, target, run.warmup);
        return loaded(run, load, target, proxies);
      }),
  };
}

/** A scenario of memory, with `connections` held open that had one request each. */
function memory(name: string, title: string, hop: Hop, connections: number): Scenario {
  return {
    name,
    title,
    hop,
    direct: false,
    measure: (run) =>
      running(run, async ({ target, proxies }) => {
        await firstAnswer(target);
        // What only starting has needed may be given back a moment later.
        await sleep(SETTLED_MS);
        if (connections === 0) return memoryOf(proxies);
        return hold(run.world, target, connections, ({ errors }) => ({
          ...memoryOf(proxies),
          errors,
        }));
      }),
  };
}

async function running(run: Run, body: (it: Running) => Promise<Sample>): Promise<Sample> {
  const it = await run.peer.start(run.world, run.mesh, run.hop);
  try {
    return await body(it);
  } finally {
    await Promise.all(it.proxies.map((proxy) => proxy.stop()));
  }
}

/** Runs `load` and says what it cost the proxies. */
async function loaded(
  run: Run,
  load: Load,
  target: Target,
  proxies: readonly Measured[],
): Promise<Sample> {
  const before = cpuOf(proxies);
  const done = await load(run.world, target, run.seconds);
  const after = cpuOf(proxies);
  const { units, errors, seconds, p50, p99, p999 } = done;
  const perUnit = (cpuSeconds: number): number => (cpuSeconds * 1e6) / units;
  return {
    rate: units / seconds,
    errors,
    ...(p50 !== undefined && p99 !== undefined && p999 !== undefined && { p50, p99, p999 }),
    ...(proxies.length > 0 && {
      user: perUnit(after.user - before.user),
      system: perUnit(after.system - before.system),
      total: perUnit(after.user + after.system - before.user - before.system),
      ...memoryOf(proxies),
    }),
  };
}

function cpuOf(proxies: readonly Measured[]): Cpu {
  const all = proxies.map((proxy) => proxy.cpu());
  return {
    user: all.reduce((sum, cpu) => sum + cpu.user, 0),
    system: all.reduce((sum, cpu) => sum + cpu.system, 0),
  };
}

function memoryOf(proxies: readonly Measured[]): Sample {
  const all = proxies.map((proxy) => proxy.memory());
  return {
    rssMb: all.reduce((sum, { rssKb }) => sum + rssKb, 0) / 1_024,
    privateMb: all.reduce((sum, { privateKb }) => sum + privateKb, 0) / 1_024,
  };
}
