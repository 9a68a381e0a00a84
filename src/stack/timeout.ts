// How long a request may take: as a whole, its response after the request has ended, to the response's head, and
// between two signs of life. A request that takes longer is answered with a fault and taken back upstream; one whose
// response has begun is cut short. All requests of a route wait in the same lines, so that no timer is set for one.

import type { Clock, Timer } from "../base/clock.ts";
import { type Deadline, Deadlines } from "../base/deadlines.ts";
import { Fault, type FaultCode } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { seconds } from "./balance.ts";
import { startOf } from "./exchange.ts";
import type { HttpFilter, HttpService } from "./types.ts";

export type Timeouts = {
  /** From the request's head to the end of the response, retries included. */
  readonly requestMs?: number | undefined;
  /** From the end of the request to the end of the response. */
  readonly responseMs?: number | undefined;
  /** Without a byte in either direction; noticed up to a quarter later. */
  readonly idleMs?: number | undefined;
  /** From the request's head, or the start of the attempt, to the response's head. */
  readonly headMs?: number | undefined;
  /** What it is called when the head is late. Default `response-timeout`. */
  readonly headCode?: FaultCode;
};

/** Ends requests that exceed `limits`. Without any, it is no filter at all. */
export function timeout(limits: Timeouts, clock: Clock): HttpFilter {
  const { requestMs, responseMs, idleMs, headMs } = limits;
  if (!requestMs && !responseMs && !idleMs && !headMs) return (next) => next;
  const lines: Lines = {
    clock,
    idleMs,
    whole: line(clock, requestMs, "request-timeout"),
    response: line(clock, responseMs, "response-timeout"),
    head: line(clock, headMs, limits.headCode ?? "response-timeout"),
  };
  return (next: HttpService): HttpService =>
    function timeout(req) {
      return new Promise((resolve, reject) => {
        const timed = new Timed(req, lines, resolve, reject);
        next(req).then(
          (rsp) => timed.head(rsp),
          (thrown) => timed.fail(thrown),
        );
      });
    };
}

type Lines = {
  readonly clock: Clock;
  readonly idleMs: number | undefined;
  readonly whole: Deadlines<Timed> | undefined;
  readonly response: Deadlines<Timed> | undefined;
  readonly head: Deadlines<Timed> | undefined;
};

function line(clock: Clock, ms: number | undefined, code: FaultCode): Lines["whole"] {
  return ms ? new Deadlines(clock, ms, (timed) => timed.expire(code, ms)) : undefined;
}

// In parts of the idle time, how often it looks for signs of life.
const LOOKS = 4;

// One request under way.
class Timed {
  private readonly req: HttpReq;
  private readonly resolve: (rsp: HttpRsp) => void;
  private readonly reject: (thrown: unknown) => void;
  private rsp: HttpRsp | undefined;
  private readonly whole: Deadline | undefined;
  private readonly untilHead: Deadline | undefined;
  private response: Deadline | undefined;
  private idle: Timer | undefined;
  private over: boolean;

  constructor(
    req: HttpReq,
    { clock, idleMs, whole, response, head }: Lines,
    resolve: (rsp: HttpRsp) => void,
    reject: (thrown: unknown) => void,
  ) {
    const at = startOf(req, clock);
    this.req = req;
    this.resolve = resolve;
    this.reject = reject;
    this.rsp = undefined;
    this.whole = whole?.add(at, this);
    this.untilHead = head?.add(at, this);
    this.response = undefined;
    this.idle = undefined;
    this.over = false;
    if (response !== undefined) {
      req.body.onEnd(() => {
        if (!this.over) this.response = response.add(clock.now(), this);
      });
    }
    if (idleMs) this.watchIdle(idleMs, clock);
  }

  head(rsp: HttpRsp): void {
    // Too late: the client has its answer, and nobody will read this one.
    if (this.over) return rsp.body.cancel(this.req.cancelled!);
    this.rsp = rsp;
    this.untilHead?.cancel();
    if (rsp.body.ended !== undefined) this.stop();
    else rsp.body.onEnd(() => this.stop());
    this.resolve(rsp);
  }

  fail(thrown: unknown): void {
    this.stop();
    this.reject(thrown);
  }

  expire(code: FaultCode, ms: number): void {
    this.stop();
    const words = code.replace("-", " ");
    const fault = new Fault(code, `${words}: nothing more came within ${seconds(ms)}`);
    // Upstream first: whoever forwards the request must stop before anybody answers it again.
    if (this.rsp === undefined) this.req.cancel(fault);
    else this.rsp.body.cut(fault);
    this.reject(fault);
  }

  private stop(): void {
    this.over = true;
    this.whole?.cancel();
    this.untilHead?.cancel();
    this.response?.cancel();
    this.idle?.cancel();
  }

  private watchIdle(idleMs: number, clock: Clock): void {
    let passed = -1;
    let still = 0;
    this.idle = clock.every(idleMs / LOOKS, () => {
      const now = this.req.body.bytes + (this.rsp === undefined ? 0 : this.rsp.body.bytes + 1);
      still = now === passed ? still + 1 : 0;
      passed = now;
      if (still >= LOOKS) this.expire("idle-timeout", idleMs);
    });
  }
}
