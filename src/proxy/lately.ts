// Whether an application has ended, by when it last answered: another one that cannot be reached has a fault to be told.

import type { Clock } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import type { HttpReq } from "../io/message.ts";
import type { Exchange, Watcher } from "../stack/exchange.ts";
import { isMeshed } from "./inboundmetrics.ts";
import type { Serving } from "./serving.ts";
import type { Sidecar } from "./sidecar.ts";

/** One that answered within this time and cannot be reached any more has ended. */
const ENDED_MS = 10_000;

/** Watches the requests to an application. */
export class Lately implements Watcher {
  private readonly clock: Clock;
  private readonly serving: Serving;
  private answeredAt: number;

  constructor({ clock, serving }: Sidecar) {
    this.clock = clock;
    this.serving = serving;
    this.answeredAt = -Infinity;
  }

  /** Whether a meshed client shall ask elsewhere: the application ended before us, which a native sidecar is told only
   * then, or is started anew, and clients may not have heard of it. */
  readonly refuses = (req: HttpReq, { code }: Fault): boolean =>
    code === "connect-failed" &&
    isMeshed(req) &&
    (this.serving.leaving || this.clock.now() - this.answeredAt < ENDED_MS);

  begin(): void {}

  head({ headAt }: Exchange): void {
    this.answeredAt = headAt;
  }

  end(): void {}
}
