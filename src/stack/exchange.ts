// One exchange: a request sent on, and what became of it. Everything that learns from traffic (latency, breakers,
// metrics) is a Watcher of exchanges; the one filter `observe` tells all of them, so that watching costs one
// promise and one end hook however many watch. Watchers only look: they never change a message.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { BodyEnd } from "../io/body.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { grpcStatusOf, isSuccess } from "./classify.ts";
import type { HttpFilter, HttpService } from "./types.ts";

/** Sees every exchange. Calls come in order: begin, head unless it failed before, end; each once. */
export interface Watcher {
  /** The request is about to be sent. */
  begin(x: Exchange): void;
  /** The response head is there: `rsp` and `headAt` are set. */
  head(x: Exchange): void;
  /** It is over: `success`, `grpcStatus`, `endAt` and `fault` are set. */
  end(x: Exchange): void;
}

export class Exchange {
  readonly req: HttpReq;
  /** When it began, by the clock of whoever watches. */
  readonly at: number;
  rsp: HttpRsp | undefined;
  headAt: number;
  endAt: number;
  /** What cut it short: before the head, or in the middle of the response body. */
  fault: Fault | undefined;
  /** The status of a gRPC response, from its trailers or its head; undefined for any other response. */
  grpcStatus: number | undefined;
  /** What the route's classifier says of it. */
  success: boolean;
  private readonly clock: Clock;
  private readonly watchers: readonly Watcher[];

  constructor(req: HttpReq, at: number, clock: Clock, watchers: readonly Watcher[]) {
    this.req = req;
    this.at = at;
    this.rsp = undefined;
    this.headAt = at;
    this.endAt = at;
    this.fault = undefined;
    this.grpcStatus = undefined;
    this.success = true;
    this.clock = clock;
    this.watchers = watchers;
  }

  /** Whether the client left: then its outcome says nothing about the server. */
  get abandoned(): boolean {
    return this.fault !== undefined && this.fault.side === "client";
  }

  /** Sends the request on and tells the watchers all that becomes of it. */
  through(next: HttpService): Promise<HttpRsp> {
    this.begin();
    return next(this.req).then(
      (rsp) => this.head(rsp),
      (thrown) => {
        throw this.fail(thrown);
      },
    );
  }

  /** Tells the watchers that it begins. */
  begin(): void {
    const { watchers } = this;
    for (let i = 0; i < watchers.length; i++) watchers[i]!.begin(this);
  }

  /** Takes the response head; returns it, for the end of a promise chain. */
  head(rsp: HttpRsp): HttpRsp {
    const { watchers } = this;
    this.rsp = rsp;
    // Several layers watch the same response; asking for the time would cost each of them 50 ns.
    if (rsp.at === 0) rsp.at = this.clock.now();
    this.headAt = rsp.at;
    for (let i = 0; i < watchers.length; i++) watchers[i]!.head(this);
    const { ended } = rsp.body;
    if (ended === undefined) {
      rsp.body.onEnd((end) => this.finish(end));
    } else {
      rsp.endAt = rsp.at;
      this.finish(ended);
    }
    return rsp;
  }

  /** Takes what was thrown in place of a response; returns it as a fault. */
  fail(thrown: unknown): Fault {
    const fault = Fault.from(thrown);
    this.fault = fault;
    this.settle(this.clock.now());
    return fault;
  }

  private finish(end: BodyEnd): void {
    const rsp = this.rsp!;
    this.fault = end.fault;
    this.grpcStatus = grpcStatusOf(rsp, end.trailers);
    if (rsp.endAt === 0) rsp.endAt = this.clock.now();
    this.settle(rsp.endAt);
  }

  private settle(now: number): void {
    const { watchers } = this;
    this.endAt = now;
    this.success = isSuccess(this);
    for (let i = 0; i < watchers.length; i++) watchers[i]!.end(this);
  }
}

/** The filter that shows every exchange to `watchers`; no filter at all when nobody watches. */
export function observe(clock: Clock, watchers: readonly Watcher[]): HttpFilter {
  if (watchers.length === 0) return (next) => next;
  return (next: HttpService): HttpService =>
    function observe(req) {
      return new Exchange(req, startOf(req, clock), clock, watchers).through(next);
    };
}

/** When an attempt begins: the first one in the moment in which the request's head had been read, a later one now. */
export function startOf(req: HttpReq, clock: Clock): number {
  return req.attempt === 0 ? req.at : clock.now();
}
