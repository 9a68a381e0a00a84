// The kinds of telemeters: where metrics and traces go.

import { LEVELS } from "./levels.ts";
import { type KindValue, kinds } from "./yamlchoice.ts";
import { byFlag, experimental, hostPort, nothing } from "./yamlparts.ts";
import { int, port, scalar, text } from "./yamlscalars.ts";
import { preset, required } from "./yamltypes.ts";

const share = (written: string): number | undefined =>
  /^(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(written) && Number(written) <= 1
    ? Number(written)
    : undefined;
const unshared = "sampleRate must be between 0.0 and 1.0";
const sampleRate = scalar("a number from 0 to 1", share);
const levels = Object.keys(LEVELS);

export const telemeters = {
  "io.l5d.prometheus": {
    doc: "metrics for Prometheus on the admin port",
    fields: {
      path: preset(text, "/admin/metrics/prometheus", "where they are served"),
      prefix: preset(text, "", "stands before every name"),
    },
  },
  "io.l5d.influxdb": { doc: "metrics for InfluxDB on the admin port", ...nothing },
  "io.l5d.statsd": {
    doc: "metrics to StatsD",
    experimental: true,
    fields: {
      prefix: preset(text, "linkerd", "stands before every name"),
      hostname: preset(text, "127.0.0.1", "host of StatsD"),
      port: preset(port, 8125, "its port"),
      gaugeIntervalMs: preset(int(1), 10_000, "time between two datagrams"),
      sampleRate: preset(sampleRate, 0.01, "accepted and without effect: all are sent"),
    },
  },
  "io.l5d.tracelog": {
    doc: "traces into the log",
    fields: {
      sampleRate: preset(sampleRate, 1, "share of requests that are traced"),
      level: preset(
        scalar(
          `one of ${levels.join(", ")}`,
          (level) => (levels.includes(level) ? level : undefined),
          (level) => `Illegal log level: ${level}`,
        ),
        "INFO",
        "their level in the log",
      ),
    },
  },
  "io.l5d.recentRequests": {
    doc: "a page with the latest requests",
    fields: {
      sampleRate: required(
        scalar("a number from 0 to 1", share, () => unshared),
        "share of requests that are kept",
        unshared,
      ),
      capacity: preset(int(1), 10, "how many are kept"),
    },
  },
  "io.l5d.zipkin": {
    doc: "traces to Zipkin",
    fields: {
      ...hostPort("localhost", 9410),
      sampleRate: preset(sampleRate, 0.001, "share of requests that are traced"),
    },
  },
  "io.l5d.otlp": {
    doc: "traces to a collector of OpenTelemetry, over gRPC; Linkerd 1 does not have it",
    fields: {
      ...hostPort("localhost", 4317),
      sampleRate: preset(sampleRate, 0.001, "share of requests that are traced"),
      serviceName: preset(text, "linkerd", "the name of this process in traces"),
    },
  },
} as const;
const telemeterFields = { experimental };
export type TelemeterConfig = KindValue<typeof telemeters, typeof telemeterFields>;
export const telemeter = kinds<TelemeterConfig>("telemeter", telemeterFields, {
  experimental: (kind) => `The ${kind} telemeter ${byFlag}.`,
});
