// The scraper: asks every proxy for its metrics at a steady beat and puts the answers into the store.
// A proxy that is slow or away misses its turn; it never holds up the others.

import type { Agent } from "node:http";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Close, Watch } from "../base/watch.ts";
import type { SocketAddr } from "../io/conn.ts";
import { clientTls } from "../io/tls.ts";
import { nodeHttp, nodeHttps } from "../platform/nodehttp.ts";
import { type Own, serverAt } from "./own.ts";
import type { Relabel, Store } from "./store.ts";
import type { MeshPod, World } from "./world.ts";

/** Reads the metrics of a pod's proxy; rejects when it cannot. */
export type ReadMetrics = (pod: MeshPod) => Promise<string>;

/** Scrapes all meshed pods of `world`, which somebody observes, every `intervalMs` until closed. */
export function scrape(
  world: Watch<World>,
  store: Store,
  clock: Clock,
  intervalMs: number,
  read: ReadMetrics,
): Close {
  const busy = new Set<string>();
  const turn = (): void => {
    store.turn();
    for (const pod of world.value?.pods ?? []) {
      if (!pod.meshed || pod.ip === "" || busy.has(pod.ip)) continue;
      busy.add(pod.ip);
      // The pod's name, because an address may belong to another pod tomorrow.
      const name = `${pod.namespace}/${pod.name}`;
      read(pod)
        .then(
          (text) => store.take(name, pod.metricLabels, text, asProbes(pod)),
          (error: Error) => store.miss(name, error.message),
        )
        .finally(() => busy.delete(pod.ip));
    }
  };
  const timer = clock.every(intervalMs, turn);
  return () => timer.cancel();
}

// Requests to the admin port are ours or kubelet's: probes, that is, and no connections of the application.
function asProbes({ adminPort }: MeshPod): Relabel {
  const port = String(adminPort);
  return (family, labels) => {
    const { direction, target_port } = labels;
    if (direction === undefined || target_port !== port) return labels;
    // A Prometheus with a proxy of its own would seem to call everybody.
    if (direction === "outbound" || family.startsWith("tcp_")) return undefined;
    return { ...labels, route_name: "probe" };
  };
}

/** What a proxy has to answer in at least, however fast the beat. */
const LEAST_MS = 5000;
// A dump of this size is no proxy's.
const MOST_BYTES = 32 << 20;
/** Of the answer of one that refuses, in characters. */
const MOST_TOLD = 200;

/** Reads `/metrics` of admin ports over connections that are kept while one goes on asking: as viz itself when it has an
 * identity of its own, else in the clear. */
export function metricsReader(timeoutMs: number, own?: Own): ReadMetrics {
  const options = { keepAlive: true, maxSockets: 1 };
  const agent = new (own ? nodeHttps() : nodeHttp()).Agent(options);
  return async (pod) => {
    const mine = own?.();
    if (own && !mine) throw new Fault("unavailable", "viz has no certificate yet");
    const tls = mine && clientTls(mine, serverAt(mine, pod));
    const addr = { ip: pod.ip, port: pod.adminPort };
    return readText(addr, "/metrics", Math.max(timeoutMs, LEAST_MS), { agent, ...tls });
  };
}

/** The text at a path of an HTTP server, over TLS when `more` says how; rejects unless it is answered with 200, and whole,
 * in time. */
export function readText(
  addr: SocketAddr,
  path: string,
  timeoutMs: number,
  more: Partial<ReturnType<typeof clientTls>> & { readonly agent?: Agent } = {},
): Promise<string> {
  const where = `${addr.ip}:${addr.port}${path}`;
  const failure = (why: string): Fault => new Fault("unavailable", `${where} ${why}`);
  return new Promise((resolve, reject) => {
    const { get } = more.secureContext ? nodeHttps() : nodeHttp();
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (error: Error): void => {
      const late = failure(`did not answer within ${timeoutMs / 1000} s`);
      reject(signal.aborted ? late : Fault.from(error, "unavailable"));
    };
    const options = { agent: false, host: addr.ip, port: addr.port, path, signal, ...more };
    const request = get(options, (rsp) => {
      const chunks: Buffer[] = [];
      let size = 0;
      rsp.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if ((size += chunk.length) > MOST_BYTES) request.destroy(failure("answers too much"));
      });
      rsp.on("error", fail);
      rsp.on("end", () => {
        const body = Buffer.concat(chunks).toString("utf8");
        if (rsp.statusCode === 200) return resolve(body);
        const [line] = body.slice(0, MOST_TOLD).split("\n");
        reject(failure(`answered ${rsp.statusCode}${line && `: ${line}`}`));
      });
    });
    request.on("error", fail);
  });
}
