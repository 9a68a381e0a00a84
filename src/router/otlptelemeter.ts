// The telemeter `io.l5d.otlp`, which Linkerd 1 does not have: spans of sampled requests to a collector of OpenTelemetry,
// over gRPC. What a span says is what Linkerd 1's say.

import { H2Client } from "../io/h2client.ts";
import { dial } from "../io/dial.ts";
import { resolveHost } from "../name/inet.ts";
import type { Exchange } from "../stack/exchange.ts";
import { Multiplexed } from "../stack/connect.ts";
import type { Span } from "../stack/trace.ts";
import { Otlp } from "../proxy/otlp.ts";
import type { Linker } from "./routerparts.ts";
import { tagsOf } from "./spantags.ts";
import type { Routed } from "./routed.ts";
import type { Telemeter } from "./telemeter.ts";
import type { TraceId } from "./traceid.ts";

export type OtlpConfig = {
  readonly host: string;
  readonly port: number;
  readonly sampleRate: number;
  readonly serviceName: string;
};

const CONNECT_MS = 5000;
const LONG_ID_DIGITS = 32;

/** Sends spans to the collector that the settings name. */
export function otlpTelemeter(config: OtlpConfig, linker: Linker): Telemeter {
  const { host, port, sampleRate, serviceName } = config;
  const { clock, metrics, network } = linker;
  const collector = new Multiplexed(async () => {
    const [ip = host] = await resolveHost(host, network.dns);
    return new H2Client(await dial({ ip, port }, { clock, timeoutMs: CONNECT_MS }), { clock });
  });
  const scope = metrics.at("otlp");
  const sink = new Otlp(collector.service, {
    clock,
    authority: `${host}:${port}`,
    attributes: { "service.name": serviceName, "process.pid": String(process.pid) },
    counters: {
      sent: scope.counter("sent"),
      dropped: scope.counter("dropped"),
      failed: scope.counter("failed"),
    },
  });
  const tell = (kind: Span["kind"], trace: TraceId, x: Exchange, routed: Routed): void => {
    const end = clock.wall();
    sink.span({
      kind,
      name: kind === "server" ? x.req.method : `${x.req.method} ${routed.name?.text ?? ""}`.trim(),
      traceId: trace.traceId.padStart(LONG_ID_DIGITS, "0"),
      spanId: trace.spanId,
      parentId: trace.parentId === trace.spanId ? "" : trace.parentId,
      start: end - (x.endAt - x.at),
      end,
      failed: !x.success,
      attributes: tagsOf(x, routed),
    });
  };
  return {
    sampleRate,
    follows: true,
    server: (x, routed) => tell("server", routed.trace, x, routed),
    client: (x, routed) => {
      if (routed.clientTrace !== undefined) tell("client", routed.clientTrace, x, routed);
    },
    close: () => {
      sink.close();
      collector.close();
    },
  };
}
