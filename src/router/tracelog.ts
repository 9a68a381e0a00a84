// The telemeter `io.l5d.tracelog`: the spans of sampled requests as lines of the log.

import type { Log } from "../base/log.ts";
import type { Exchange } from "../stack/exchange.ts";
import type { Routed } from "./routed.ts";
import { LEVELS } from "./levels.ts";
import { tagsOf } from "./spantags.ts";
import type { Telemeter } from "./telemeter.ts";
import type { TraceId } from "./traceid.ts";

/** Logs each span with its tags; nothing at level OFF. */
export function tracelog(
  { sampleRate, level }: { sampleRate: number; level: string },
  log: Log,
): Telemeter {
  const logger = log.logger("tracelog");
  const as = LEVELS[level];
  const tell = (kind: string, trace: TraceId | undefined, x: Exchange, routed: Routed): void => {
    if (as === undefined || as === "off" || trace === undefined) return;
    const ids = `${trace.traceId}.${trace.spanId}<:${trace.parentId}`;
    const tookMs = (x.endAt - x.at).toFixed(1);
    logger[as](`${kind} ${ids}`, { tookMs, ...tagsOf(x, routed) });
  };
  return {
    sampleRate,
    follows: true,
    server: (x, routed) => tell("server", routed.trace, x, routed),
    client: (x, routed) => tell("client", routed.clientTrace, x, routed),
  };
}
