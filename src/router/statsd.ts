// The telemeter `io.l5d.statsd`: all metrics to StatsD over UDP, by Linkerd 1's names. Linkerd 1 sent a datagram for a
// share of all counts; here the sum of each interval goes out whole, so nothing is sampled and no request pays for it.

import { createSocket, type Socket } from "node:dgram";
import type { Timer } from "../base/clock.ts";
import { Counter } from "../base/metrics.ts";
import { Summary } from "../base/summary.ts";
import { statistics } from "./metricpages.ts";
import type { Metric, MetricScope } from "./metrictree.ts";
import type { Linker } from "./routerparts.ts";
import type { Telemeter } from "./telemeter.ts";

export type StatsdConfig = {
  readonly prefix: string;
  readonly hostname: string;
  readonly port: number;
  readonly gaugeIntervalMs: number;
};

// What fits into a packet on any network.
const MAX_BYTES = 1400;

export class Statsd implements Telemeter {
  readonly sampleRate = 0;
  readonly #config: StatsdConfig;
  readonly #metrics: MetricScope;
  readonly #socket: Socket;
  readonly #timer: Timer;
  readonly #told = new WeakMap<Metric, number>();

  constructor(config: StatsdConfig, { clock, metrics }: Linker) {
    this.#config = config;
    this.#metrics = metrics;
    this.#socket = createSocket("udp4").unref();
    const failed = metrics.counter("statsd", "failed");
    // Nobody answers datagrams; what the kernel refuses is all that is ever known.
    this.#socket.on("error", () => failed.inc());
    // What others have told already is theirs.
    for (const [, metric] of metrics.leaves()) {
      if (metric instanceof Counter) this.#told.set(metric, metric.value);
    }
    this.#timer = clock.every(config.gaugeIntervalMs, () => this.#send());
  }

  close(): void {
    this.#timer.cancel();
    this.#socket.close();
  }

  #send(): void {
    let packet = "";
    for (const line of this.#lines()) {
      if (packet.length + line.length > MAX_BYTES) {
        this.#emit(packet);
        packet = "";
      }
      packet += line;
    }
    this.#emit(packet);
  }

  #emit(packet: string): void {
    const { port, hostname } = this.#config;
    if (packet !== "") this.#socket.send(packet.trimEnd(), port, hostname);
  }

  *#lines(): Generator<string> {
    for (const [path, metric] of this.#metrics.leaves()) {
      const name = `${this.#config.prefix}.${nameOf(path)}`;
      if (metric instanceof Counter) {
        const more = metric.value - (this.#told.get(metric) ?? 0);
        this.#told.set(metric, metric.value);
        if (more > 0) yield `${name}:${more}|c\n`;
      } else if (metric instanceof Summary) {
        for (const [stat, value] of statistics(metric.read())) yield `${name}.${stat}:${value}|g\n`;
      } else yield* gauge(name, metric());
    }
  }
}

// A sign would mean a change.
function* gauge(name: string, value: number): Generator<string> {
  if (!Number.isFinite(value)) return;
  if (value < 0) yield `${name}:0|g\n`;
  yield `${name}:${value}|g\n`;
}

function nameOf(path: readonly string[]): string {
  return path
    .join("/")
    .replace(/[^/A-Za-z0-9]/g, "_")
    .replace(/\/+/g, ".");
}
