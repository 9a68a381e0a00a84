// How long a request may take: as a whole, its response after the request has ended, and between two signs of life.
// A request that takes longer is answered with a fault and taken back upstream; one whose response has begun is
// cut short. One timer of the wheel for each limit that is set, none for a route without limits.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault, type FaultCode } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { seconds } from "./balance.ts";
import type { HttpFilter, HttpService } from "./types.ts";

export type Timeouts = {
  /** From the request's head to the end of the response, retries included. */
  readonly requestMs?: number | undefined;
  /** From the end of the request to the end of the response. */
  readonly responseMs?: number | undefined;
  /** Without a byte in either direction; noticed up to a quarter later. */
  readonly idleMs?: number | undefined;
  /** From the request's head to the response's. */
  readonly headMs?: number | undefined;
};

/** Ends requests that exceed `limits`. Without any, it is no filter at all. */
export function timeout(limits: Timeouts, clock: Clock): HttpFilter {
  const { requestMs, responseMs, idleMs, headMs } = limits;
  if (!requestMs && !responseMs && !idleMs && !headMs) return (next) => next;
  return (next: HttpService): HttpService =>
    function timeout(req) {
      return new Promise((resolve, reject) => {
        const deadline = new Deadline(req, limits, clock, reject);
        next(req).then(
          (rsp) => {
            deadline.head(rsp);
            resolve(rsp);
          },
          (thrown: Error) => {
            deadline.stop();
            reject(thrown);
          },
        );
      });
    };
}

// In parts of the idle time, how often it looks for signs of life.
const LOOKS = 4;

class Deadline {
  private readonly req: HttpReq;
  private readonly reject: (fault: Fault) => void;
  private rsp: HttpRsp | undefined;
  private whole: Timer | undefined;
  private response: Timer | undefined;
  private idle: Timer | undefined;
  private untilHead: Timer | undefined;
  private over: boolean;

  constructor(req: HttpReq, limits: Timeouts, clock: Clock, reject: (fault: Fault) => void) {
    const { requestMs, responseMs, idleMs, headMs } = limits;
    this.req = req;
    this.reject = reject;
    this.rsp = undefined;
    this.whole = requestMs
      ? clock.after(requestMs, this.expire("request-timeout", requestMs))
      : undefined;
    this.untilHead = headMs
      ? clock.after(headMs, this.expire("response-timeout", headMs))
      : undefined;
    this.response = undefined;
    this.idle = undefined;
    this.over = false;
    if (responseMs) {
      req.body.onEnd(() => {
        if (this.over) return;
        this.response = clock.after(responseMs, this.expire("response-timeout", responseMs));
      });
    }
    if (idleMs) this.watchIdle(idleMs, clock);
  }

  head(rsp: HttpRsp): void {
    this.rsp = rsp;
    this.untilHead?.cancel();
    rsp.body.onEnd(() => this.stop());
  }

  stop(): void {
    this.over = true;
    this.whole?.cancel();
    this.response?.cancel();
    this.idle?.cancel();
    this.untilHead?.cancel();
  }

  private watchIdle(idleMs: number, clock: Clock): void {
    let passed = -1;
    let still = 0;
    const expire = this.expire("idle-timeout", idleMs);
    this.idle = clock.every(idleMs / LOOKS, () => {
      const now = this.req.body.bytes + (this.rsp === undefined ? 0 : this.rsp.body.bytes + 1);
      still = now === passed ? still + 1 : 0;
      passed = now;
      if (still >= LOOKS) expire();
    });
  }

  private expire(code: FaultCode, ms: number): () => void {
    return () => {
      if (this.over) return;
      this.stop();
      const words = code.replace("-", " ");
      const fault = new Fault(code, `${words}: nothing more came within ${seconds(ms)}`);
      // The request first: whoever forwards it must stop before anybody answers it again.
      if (this.rsp === undefined) this.req.cancel(fault);
      else this.rsp.body.cut(fault);
      this.reject(fault);
    };
  }
}
