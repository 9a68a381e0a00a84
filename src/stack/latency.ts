// The latency of an endpoint as its balancer sees it: a peak EWMA with a floor for endpoints that ask to be left
// alone. A failure that comes fast says nothing of how fast answers are; it counts as a second, for otherwise an
// endpoint that refuses everything would look like the best one.

import { PeakEwma } from "../base/ewma.ts";
import { header } from "../wire/headers.ts";
import type { HttpRsp } from "../io/message.ts";

/** How a balancer estimates latencies. Linkerd's: 30 ms at first, forgotten within 10 s, no penalty. */
export type Load = {
  readonly defaultRttMs: number;
  readonly decayMs: number;
  /** What a failing response costs its endpoint (`PenaltyPeakEwma`). */
  readonly penalty?:
    | { readonly penaltyMs: number; readonly decayMs: number; readonly maxRetryAfterMs: number }
    | undefined;
};

export const DEFAULT_LOAD: Load = { defaultRttMs: 30, decayMs: 10_000 };

const FAILURE_MS = 1000;

export class Latency {
  private readonly rtt: PeakEwma;
  private readonly penalty: Load["penalty"];
  private floor: number;
  private floorAt: number;

  constructor(load: Load, now: number) {
    this.rtt = new PeakEwma(load.defaultRttMs, load.decayMs, now);
    this.penalty = load.penalty;
    this.floor = 0;
    this.floorAt = now;
  }

  /** The estimate in ms. */
  cost(now: number): number {
    const rtt = this.rtt.value(now);
    return this.floor === 0 ? rtt : Math.max(rtt, this.floorNow(now));
  }

  /** An answer took `ms` to its head. */
  succeeded(ms: number, now: number): void {
    this.rtt.add(ms, now);
  }

  /** A failure took `ms`. */
  failed(ms: number, now: number): void {
    // Averaged, not taken as a peak: one failure in a hundred must not hide how fast the others were.
    this.rtt.average(FAILURE_MS, now);
    this.rtt.add(ms, now);
  }

  /** A response failed: keep away for a while, or as long as it asks for. */
  punish(rsp: HttpRsp, now: number): void {
    const { penalty } = this;
    if (penalty === undefined) return;
    const asked = Math.min(retryAfterMs(rsp) ?? 0, penalty.maxRetryAfterMs);
    this.floor = Math.max(this.floorNow(now), penalty.penaltyMs, asked);
    this.floorAt = now;
  }

  private floorNow(now: number): number {
    return this.floor * Math.exp((this.floorAt - now) / this.penalty!.decayMs);
  }
}

/** How long a response asks its client to stay away: Retry-After in seconds (RFC 9110 §10.2.3), or gRPC's pushback. */
export function retryAfterMs(rsp: HttpRsp): number | undefined {
  const seconds = header(rsp.headers, "retry-after");
  if (seconds !== undefined && /^\d{1,9}$/.test(seconds)) return Number(seconds) * 1000;
  const pushback =
    header(rsp.headers, "grpc-retry-pushback-ms") ??
    (rsp.body.ended?.trailers && header(rsp.body.ended.trailers, "grpc-retry-pushback-ms"));
  return pushback !== undefined && /^\d{1,9}$/.test(pushback) ? Number(pushback) : undefined;
}
