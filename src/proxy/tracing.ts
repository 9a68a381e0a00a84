// Where spans go, by the settings: to a collector, with what describes this proxy; or nowhere.

import { readFile } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Registry } from "../base/metrics.ts";
import type { Scope } from "../base/scope.ts";
import type { Credentials } from "../io/tls.ts";
import type { SpanSink } from "../stack/trace.ts";
import { controlService } from "./controlclient.ts";
import type { Env, Settings } from "./env.ts";

export type TracingOptions = {
  readonly env: Env;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly scope: Scope;
  readonly credentials: () => Credentials | undefined;
};

/** The sink of spans; undefined when there is no collector, and then requests are not traced at all. */
export async function spanSink(options: TracingOptions): Promise<SpanSink | undefined> {
  const { clock, registry, scope } = options;
  const { trace } = options.settings;
  const { collectorAddr: addr, collectorName: name } = trace;
  if (addr === undefined) return undefined;
  const { Otlp } = await import("./otlp.ts");
  const service = controlService({ ...options, topic: "opentelemetry", addr, name });
  const attributes = await resourceAttributes(options);
  const counter = (what: string, help: string) =>
    registry.counter(`opentelemetry_span_${what}_total`, help).with({});
  const counters = {
    sent: counter("exports", "Spans that were sent"),
    dropped: counter("drops", "Spans that were dropped"),
    failed: counter("export_failures", "Requests to the collector that failed"),
  };
  const authority = `${addr.host}:${addr.port}`;
  const sink = new Otlp(service, { clock, attributes, authority, counters });
  scope.defer(() => sink.close());
  return sink;
}

async function resourceAttributes({
  env,
  settings: { trace },
}: TracingOptions): Promise<Record<string, string>> {
  const file = trace.attributesPath
    ? await readFile(trace.attributesPath, "utf8").catch(() => "")
    : "";
  return {
    "process.pid": String(process.pid),
    ...(env["HOSTNAME"] ? { "host.name": env["HOSTNAME"] } : {}),
    ...parsePairs(env["OTEL_RESOURCE_ATTRIBUTES"] ?? "", ","),
    // The downward API writes labels one a line, with their values in quotes.
    ...parsePairs(file, "\n"),
    ...parsePairs(trace.extraAttributes ?? "", ","),
    ...(trace.serviceName ? { "service.name": trace.serviceName } : {}),
  };
}

function parsePairs(text: string, separator: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const part of text.split(separator)) {
    const at = part.indexOf("=");
    if (at <= 0) continue;
    const value = part.slice(at + 1).trim();
    pairs[part.slice(0, at).trim()] = value.startsWith('"') ? value.slice(1, -1) : value;
  }
  return pairs;
}
