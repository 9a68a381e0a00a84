// The circuit breaker of an endpoint. It watches exchanges and shuts the endpoint when they fail too often; after a
// while it lets exactly one request through, and that one decides.
//
//   closed ──trips──▶ open ──delay──▶ probation ──a request──▶ probing ──success──▶ closed
//                      ▲                                          └──failure, longer delay──▶ open

import { type Backoff, type Delays, delays } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Random } from "../base/random.ts";
import { SuccessAverage, SuccessWindow } from "../base/window.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Exchange, Watcher } from "./exchange.ts";
import { retryAfterMs } from "./latency.ts";

/** When an endpoint is taken out of use, and for how long. Any of the rules given trips it. */
export type Accrual = {
  /** So many failures in a row. Linkerd 2: 7; Linkerd 1: 5. */
  readonly consecutive?: number | undefined;
  /** A success rate below the threshold over a time, once there were so many requests. */
  readonly rate?:
    | { readonly threshold: number; readonly windowMs: number; readonly minRequests: number }
    | undefined;
  /** A success rate below the threshold over the last so many requests (Linkerd 1's `successRate`). */
  readonly average?: { readonly threshold: number; readonly requests: number } | undefined;
  /** How long it stays out. Linkerd 2: 1 s to 60 s, jitter 0.5. */
  readonly backoff: Backoff;
  /** Stays out at least as long as the last response asked for, at most 5 min. */
  readonly honourRetryAfter?: boolean;
  /** Leaves at least so many endpoints of the backend in use. */
  readonly minReady?: number;
};

export type BreakerOptions = { readonly clock: Clock; readonly random: Random };

const MAX_RETRY_AFTER_MS = 300_000;
// A probe whose response has begun well but goes on, such as a stream, counts as a success after this time.
const PATIENCE_MS = 1000;

/** Breaks `endpoint` by `accrual`; add it to the endpoint's watchers. */
export class Breaker implements Watcher {
  private readonly endpoint: Pick<Endpoint<never, never>, "shut" | "open" | "keeper" | "target">;
  private readonly accrual: Accrual;
  private readonly clock: Clock;
  private readonly delays: Delays;
  private readonly window: SuccessWindow | undefined;
  private readonly average: SuccessAverage | undefined;
  private failures: number;
  private state: "closed" | "open" | "probation" | "probing";
  private probe: Exchange | undefined;
  private why: Fault | undefined;
  private timer: Timer | undefined;

  constructor(
    endpoint: Pick<Endpoint<never, never>, "shut" | "open" | "keeper" | "target">,
    accrual: Accrual,
    options: BreakerOptions,
  ) {
    const { rate, average } = accrual;
    this.endpoint = endpoint;
    this.accrual = accrual;
    this.clock = options.clock;
    this.delays = delays(accrual.backoff, options.random);
    this.window = rate && new SuccessWindow(rate.windowMs);
    this.average = average && new SuccessAverage(average.requests);
    this.failures = 0;
    this.state = "closed";
    this.probe = undefined;
    this.why = undefined;
    this.timer = undefined;
  }

  begin(x: Exchange): void {
    if (this.state !== "probation") return;
    this.state = "probing";
    this.probe = x;
    this.endpoint.shut("broken", this.why!);
  }

  head(x: Exchange): void {
    if (x !== this.probe || x.rsp!.body.ended !== undefined || x.rsp!.status >= 500) return;
    this.timer = this.clock.after(PATIENCE_MS, () => this.heal());
  }

  end(x: Exchange): void {
    if (x === this.probe) this.judge(x);
    else if (this.state === "closed" && !x.abandoned) this.count(x);
  }

  /** Judges nothing any more; for an endpoint that is closed, whose last request may be told of only now. */
  close(): void {
    this.timer?.cancel();
    this.probe = undefined;
    this.state = "open";
  }

  private count(x: Exchange): void {
    const { rate, average, consecutive, minReady = 0 } = this.accrual;
    const { keeper } = this.endpoint;
    this.failures = x.success ? 0 : this.failures + 1;
    // Being told to slow down is no failure of the server, but no reason to go on either.
    const served = x.success && x.rsp?.status !== 429 && x.grpcStatus !== 8;
    this.window?.add(served, x.endAt);
    this.average?.add(x.success);
    if (x.success && served) return;
    if (keeper !== undefined && keeper.readyCount <= minReady) return;
    if (
      (consecutive !== undefined && this.failures >= consecutive) ||
      (rate !== undefined && this.window!.below(rate.threshold, rate.minRequests, x.endAt)) ||
      (average !== undefined && this.average!.rate < average.threshold)
    ) {
      this.trip(x);
    }
  }

  private trip(x: Exchange): void {
    const { target } = this.endpoint;
    const { honourRetryAfter } = this.accrual;
    const asked = honourRetryAfter && x.rsp ? (retryAfterMs(x.rsp) ?? 0) : 0;
    const waitMs = Math.max(this.delays.next(), Math.min(asked, MAX_RETRY_AFTER_MS));
    this.state = "open";
    this.timer?.cancel();
    this.timer = this.clock.after(waitMs, () => this.probation());
    const last = x.fault?.message ?? `status ${x.grpcStatus ?? x.rsp?.status}`;
    const message = `circuit breaker open for ${target.ip}:${target.port}, last failure: ${last}`;
    this.why = new Fault("failfast", message, { cause: x.fault });
    this.endpoint.shut("broken", this.why);
  }

  private probation(): void {
    this.state = "probation";
    this.endpoint.open("broken");
  }

  private judge(x: Exchange): void {
    this.timer?.cancel();
    this.probe = undefined;
    if (x.abandoned) this.probation();
    else if (x.success) this.heal();
    else this.trip(x);
  }

  private heal(): void {
    this.probe = undefined;
    this.state = "closed";
    this.failures = 0;
    this.window?.clear();
    this.average?.clear();
    this.delays.reset();
    this.endpoint.open("broken");
  }
}
