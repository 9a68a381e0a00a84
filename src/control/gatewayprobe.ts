// Whether the gateway of another cluster answers: each of its addresses is asked for its readiness, as load balancers
// ask. Names are resolved anew each time, and keep what they meant while that fails.

import { lookup } from "node:dns/promises";
import type { Clock, Timer } from "../base/clock.ts";
import type { Registry } from "../base/metrics.ts";
import { source, type Watch } from "../base/watch.ts";
import { ipFamily } from "../io/ip.ts";
import { nodeHttp } from "../platform/nodehttp.ts";
import { parseGoDuration } from "../platform/quantity.ts";
import { gatewayHosts, type Link } from "./link.ts";

/** An address of a gateway; `ip` is absent for a name that means none. */
export type GatewayAddress = {
  readonly address: string;
  readonly ip?: string;
  /** Undefined while nothing is known. */
  readonly alive: boolean | undefined;
  /** Why it is not alive. */
  readonly message: string;
};

const BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000];

/** The addresses of a Link's gateway, and whether they answer, while somebody observes it. */
export function watchGateway(
  link: Link,
  registry: Registry,
  clock: Clock,
): Watch<readonly GatewayAddress[]> {
  return source((set) => {
    const prober = new Prober(link, registry, clock, (value) => set({ kind: "ok", value }));
    return () => prober.close();
  });
}

type Probed = { alive: boolean | undefined; message: string; failures: number; busy: boolean };

class Prober {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #tell: (addresses: readonly GatewayAddress[]) => void;
  readonly #metrics: ReturnType<typeof gatewayMetrics>;
  /** Addresses by the name that they were found under. */
  readonly #hosts: Map<string, readonly string[]>;
  readonly #probed = new Map<string, Probed>();
  readonly #timer: Timer;
  #closed = false;

  constructor(
    link: Link,
    registry: Registry,
    clock: Clock,
    tell: (addresses: readonly GatewayAddress[]) => void,
  ) {
    this.#link = link;
    this.#clock = clock;
    this.#tell = tell;
    this.#metrics = gatewayMetrics(registry, link.metadata.name);
    this.#hosts = new Map(gatewayHosts(link).map((host) => [host, []]));
    const periodMs = parseGoDuration(link.spec.probeSpec.period)!;
    this.#timer = clock.every(Math.max(periodMs, 100), () => void this.#turn());
    void this.#turn();
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
    this.#metrics.enabled.set(0);
    this.#metrics.alive.set(0);
  }

  async #turn(): Promise<void> {
    await Promise.all([...this.#hosts.keys()].map((host) => this.#resolve(host)));
    if (this.#closed) return;
    const wanted = new Set([...this.#hosts.values()].flat());
    for (const ip of this.#probed.keys()) if (!wanted.has(ip)) this.#probed.delete(ip);
    for (const ip of wanted) {
      if (!this.#probed.has(ip))
        this.#probed.set(ip, { alive: undefined, message: "", failures: 0, busy: false });
      void this.#probe(ip, this.#probed.get(ip)!);
    }
    this.#publish();
  }

  async #resolve(host: string): Promise<void> {
    if (ipFamily(host) !== undefined) return void this.#hosts.set(host, [host]);
    const found = await lookup(host, { all: true }).catch(() => []);
    if (found.length > 0) this.#hosts.set(host, found.map(({ address }) => address).sort());
  }

  async #probe(ip: string, of: Probed): Promise<void> {
    if (of.busy) return;
    of.busy = true;
    const { port, path, timeout, failureThreshold } = this.#link.spec.probeSpec;
    const before = this.#clock.now();
    const url = { host: ip, port: Number(port), path };
    const refusal = await ask(url, parseGoDuration(timeout)!, this.#clock);
    of.busy = false;
    if (this.#closed) return;
    const tookMs = this.#clock.now() - before;
    this.#metrics.probes(refusal === undefined).inc();
    of.message = refusal ?? "";
    of.failures = refusal === undefined ? 0 : of.failures + 1;
    if (refusal === undefined) {
      of.alive = true;
      this.#metrics.latency.set(Math.round(tookMs));
      this.#metrics.latencies.observe(tookMs);
    } else if (of.failures >= Number(failureThreshold)) of.alive = false;
    this.#publish();
  }

  #publish(): void {
    const addresses = [...this.#hosts].flatMap(([host, ips]): GatewayAddress[] =>
      ips.length === 0
        ? [{ address: host, alive: false, message: `the name ${host} does not resolve` }]
        : ips.map((ip) => {
            const { alive, message } = this.#probed.get(ip) ?? { alive: undefined, message: "" };
            return { address: host, ip, alive, message: alive === false ? message : "" };
          }),
    );
    // Said each time, as the prober before this one ends after this one began.
    this.#metrics.enabled.set(this.#hosts.size > 0 ? 1 : 0);
    this.#metrics.alive.set(addresses.some(({ alive }) => alive) ? 1 : 0);
    this.#tell(addresses);
  }
}

function gatewayMetrics(registry: Registry, cluster: string) {
  const labels = { target_cluster_name: cluster };
  const gauge = (name: string, help: string) => registry.gauge(name, help).with(labels);
  const probes = registry.counter("gateway_probes", "Probes of the gateway.");
  return {
    alive: gauge("gateway_alive", "Whether an address of the gateway answers."),
    enabled: gauge("gateway_enabled", "Whether the Link has a gateway."),
    latency: gauge("gateway_latency", "Latency of the last probe that was answered, in ms."),
    latencies: registry
      .histogram("gateway_probe_latency_ms", "Latencies of probes.", BUCKETS_MS)
      .with(labels),
    probes: (good: boolean) => probes.with({ ...labels, probe_successful: String(good) }),
  };
}

// Resolves to what is wrong, if anything.
function ask(
  url: { readonly host: string; readonly port: number; readonly path: string },
  timeoutMs: number,
  clock: Clock,
): Promise<string | undefined> {
  const where = `http://${url.host.includes(":") ? `[${url.host}]` : url.host}:${url.port}${url.path}`;
  return new Promise((resolve) => {
    const req = nodeHttp().request({ ...url, agent: false });
    const finish = (refusal?: string): void => {
      timer.cancel();
      resolve(refusal && `${where}: ${refusal}`);
    };
    const timer = clock.after(timeoutMs, () => {
      finish(`no answer in ${timeoutMs / 1000} s`);
      req.destroy();
    });
    req.on("response", (rsp) => {
      rsp.resume();
      finish(rsp.statusCode === 200 ? undefined : `answers ${rsp.statusCode}`);
    });
    req.on("error", ({ message }) => finish(message || "no answer"));
    req.end();
  });
}
