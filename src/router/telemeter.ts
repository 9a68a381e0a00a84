// Telemeters: whoever wants to hear of each request that a router has served (recent requests, trace logs, Zipkin,
// plug-ins). They hear of it when it is over, and never change it.

import type { Exchange, Watcher } from "../stack/exchange.ts";
import { type Routed, routedOf } from "./routed.ts";
import { chanceOf } from "./traceid.ts";

export interface Telemeter {
  /** The share of requests that it wants, 0 to 1; the same for all telemeters of a trace. */
  readonly sampleRate: number;
  /** Whether it follows traces, so that what it samples is to be sampled by the next proxy as well. */
  readonly follows?: boolean;
  /** A router has answered a request. */
  server?(x: Exchange, routed: Routed): void;
  /** A client of a router has got its answer, for each attempt. */
  client?(x: Exchange, routed: Routed): void;
  close?(): void;
}

/** Tells telemeters of the requests of a server. */
export function serverSpans(telemeters: readonly Telemeter[]): Watcher[] {
  return telemeters.flatMap((telemeter) =>
    telemeter.server === undefined
      ? []
      : [told(telemeter, (x, routed) => telemeter.server!(x, routed))],
  );
}

/** Tells telemeters of the attempts of a client. */
export function clientSpans(telemeters: readonly Telemeter[]): Watcher[] {
  return telemeters.flatMap((telemeter) =>
    telemeter.client === undefined
      ? []
      : [told(telemeter, (x, routed) => telemeter.client!(x, routed))],
  );
}

function told(
  { sampleRate, follows = false }: Telemeter,
  tell: (x: Exchange, routed: Routed) => void,
): Watcher {
  return {
    begin() {},
    head() {},
    end(x) {
      const routed = routedOf(x.req);
      if (routed === undefined) return;
      const { trace } = routed;
      const sampled =
        follows && trace.sampled !== undefined ? trace.sampled : chanceOf(trace) < sampleRate;
      if (sampled) tell(x, routed);
    },
  };
}
