// What all parts of a sidecar share: settings, the two things that tests replace, metrics, identity,
// knowledge, taps and spans. Made once by start.ts; a part takes the whole and uses what it needs.

import type { BindBucket } from "../base/buckets.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Registry } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Scope } from "../base/scope.ts";
import type { Watch } from "../base/watch.ts";
import type { H2Options } from "../io/h2link.ts";
import type { Credentials } from "../io/tls.ts";
import type { Taps } from "../stack/tap.ts";
import type { SpanSink } from "../stack/trace.ts";
import type { Discovery } from "./discover.ts";
import type { Settings } from "./env.ts";
import type { Serving } from "./serving.ts";

export type Sidecar = {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly logger: Logger;
  /** Closes with the process. */
  readonly scope: Scope;
  /** Our certificate and roots; pending until the first certificate. */
  readonly credentials: Watch<Credentials>;
  /** The SNI by which other proxies ask for us. */
  readonly serverName: string;
  readonly discover: Discovery;
  /** The buckets of rate limits that threads share; undefined for a single thread. */
  readonly buckets: BindBucket | undefined;
  readonly taps: Taps;
  readonly spans: SpanSink | undefined;
  /** The connections that are being served, for the drain. */
  readonly serving: Serving;
};

/** How HTTP/2 connections of a side are run; clients use the windows only. */
export function h2Options({ settings, clock }: Sidecar, side: "inbound" | "outbound"): H2Options {
  const own = settings[side];
  return {
    clock,
    streamWindowBytes: own.h2StreamWindowBytes ?? settings.h2.streamWindowBytes,
    connectionWindowBytes: own.h2ConnectionWindowBytes ?? settings.h2.connectionWindowBytes,
    ...given("maxConcurrentStreams", own.h2MaxStreams),
    ...given("maxHeaderListBytes", own.h2MaxHeaderBytes),
    ...given("maxFrameBytes", own.h2MaxFrameBytes),
    ...given("keepAliveIntervalMs", own.h2KeepaliveMs),
    ...given("keepAliveTimeoutMs", own.h2KeepaliveTimeoutMs),
  };
}

function given<K extends string>(key: K, value: number | undefined): { [P in K]?: number } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: number };
}
