// Sends a request again when the answer says that another try may help. A budget that all retries of a backend share
// keeps them from making an outage worse; each try goes through the balancer afresh and avoids the endpoints that
// failed; a request whose body has outgrown the replay buffer, or that wants a tunnel, is sent once.

import { type Backoff, delays, type Delays } from "../base/backoff.ts";
import type { Budget } from "../base/budget.ts";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Counter } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import { HttpReq, type HttpRsp } from "../io/message.ts";
import { grpcStatusOf } from "./classify.ts";
import { isReplayable, Replay } from "./replay.ts";
import { timeout } from "./timeout.ts";
import type { HttpFilter, HttpService } from "./types.ts";

export type RetryPolicy = {
  /** How often a request is sent again at most. */
  readonly limit: number;
  /** The largest request body that is kept. Linkerd: 64 KiB. */
  readonly maxBodyBytes: number;
  readonly statuses: readonly { readonly from: number; readonly to: number }[];
  readonly grpcStatuses: readonly number[];
  /** How long an attempt may take to its response head; the last one may take as long as it likes. */
  readonly attemptMs: number | undefined;
  /** Pauses between attempts. Linkerd: 25 to 250 ms, jitter 1. */
  readonly backoff: Backoff | undefined;
  /** Decides in place of the statuses (Linkerd 1's response classifiers, service profiles). */
  readonly decides?:
    | ((req: HttpReq, rsp: HttpRsp, grpcStatus: number | undefined) => boolean)
    | undefined;
  /** Whether `decides` can tell only at the end of a response of HTTP/2. Default true. */
  readonly needsEnd?: boolean;
  /** How long, and over how many bytes, the end of a response is waited for. Default: a moment after its first bytes. */
  readonly untilEnd?: { readonly ms: number; readonly bytes: number };
  /** Decides after a fault, such as a timeout of one attempt. Default: what never reached an application may go again. */
  readonly decidesAfter?: ((req: HttpReq, fault: Fault) => boolean) | undefined;
  /** Each attempt is a request of its own, because something below may take one back alone. Default: as `attemptMs` says. */
  readonly apart?: boolean;
};

export type RetryCounters = {
  readonly requests: Counter;
  readonly successes: Counter;
  readonly limitExceeded: Counter;
  readonly overflow: Counter;
  /** Requests that were worth another try and too long to be kept. */
  readonly requestTooLong?: Counter;
  /** Responses whose end did not come in the bytes, or in the time, of `untilEnd`. */
  readonly responseTooLong?: Counter;
  readonly endTimeout?: Counter;
};

export type RetryOptions = {
  readonly clock: Clock;
  readonly random: Random;
  /** Pays for every retry; one for all routes of a backend. Without one, only the limit holds. */
  readonly budget?: Budget | undefined;
  readonly counters?: RetryCounters | undefined;
};

/** Retries by `policy`. A first attempt that succeeds costs one promise and a copy of the header list. */
export function retry(policy: RetryPolicy, options: RetryOptions): HttpFilter {
  const rules = new Rules(policy, options);
  const { budget } = options;
  return (next) => {
    // The last attempt may take as long as it likes, so only the others are timed.
    const timed = timeout({ headMs: policy.attemptMs }, options.clock)(next);
    return function retry(req) {
      budget?.deposit(req.at);
      if (policy.limit === 0 || req.upgrade !== undefined) return next(req);
      if (!isReplayable(req.body, policy.maxBodyBytes)) return next(req);
      return new Call(rules, next, timed, req).attempt();
    };
  };
}

class Rules {
  readonly policy: RetryPolicy;
  readonly options: RetryOptions;
  readonly grpc: boolean;
  private readonly statuses: Uint8Array;
  private readonly grpcStatuses: ReadonlySet<number>;

  constructor(policy: RetryPolicy, options: RetryOptions) {
    this.policy = policy;
    this.options = options;
    this.statuses = new Uint8Array(1000);
    for (const { from, to } of policy.statuses) this.statuses.fill(1, from, to + 1);
    this.grpcStatuses = new Set(policy.grpcStatuses);
    const decides = policy.decides !== undefined && policy.needsEnd !== false;
    this.grpc = policy.grpcStatuses.length > 0 || decides;
  }

  wants(req: HttpReq, rsp: HttpRsp, grpcStatus: number | undefined): boolean {
    const { decides } = this.policy;
    if (decides !== undefined) return decides(req, rsp, grpcStatus);
    if (this.statuses[rsp.status] === 1) return true;
    return grpcStatus !== undefined && this.grpcStatuses.has(grpcStatus);
  }

  wantsAfter(req: HttpReq, fault: Fault): boolean {
    const { decidesAfter } = this.policy;
    if (decidesAfter !== undefined) return decidesAfter(req, fault);
    if (fault.code === "response-timeout") return this.policy.attemptMs !== undefined;
    return fault.retryable && fault.code !== "load-shed";
  }
}

// One request and its attempts.
class Call {
  private readonly rules: Rules;
  private readonly next: HttpService;
  private readonly timed: HttpService;
  private readonly req: HttpReq;
  // Only for a body that streams: one that is all there can be sent any number of times as it is.
  private readonly replay: Replay | undefined;
  // The request as it came, since the filters and the client below change the one that they get.
  private readonly headers: string[];
  private readonly path: string;
  private readonly authority: string;
  private readonly scheme: string;
  private readonly version: HttpReq["version"];
  private delays: Delays | undefined;
  private current: HttpReq;
  private retries: number;

  constructor(rules: Rules, next: HttpService, timed: HttpService, req: HttpReq) {
    this.rules = rules;
    this.next = next;
    this.timed = timed;
    this.req = req;
    this.replay =
      req.body.whole === undefined ? new Replay(req.body, rules.policy.maxBodyBytes) : undefined;
    this.headers = req.headers.slice();
    this.path = req.path;
    this.authority = req.authority;
    this.scheme = req.scheme;
    this.version = req.version;
    this.delays = undefined;
    this.current = req;
    this.retries = 0;
  }

  attempt(): Promise<HttpRsp> {
    const { limit, attemptMs, apart } = this.rules.policy;
    const last = this.retries >= limit;
    const isApart = apart ?? attemptMs !== undefined;
    if (this.retries > 0 || isApart) this.current = this.copy();
    if (this.replay !== undefined) {
      this.current.body = this.replay.next();
      if (last) this.replay.settle();
    }
    const send = last ? this.next : this.timed;
    return send(this.current).then(
      (rsp) => this.judge(rsp),
      (thrown) => this.recover(Fault.from(thrown)),
    );
  }

  private judge(rsp: HttpRsp): HttpRsp | Promise<HttpRsp> {
    const { rules } = this;
    if (!rules.grpc || rsp.version !== 20) return this.conclude(rsp, undefined);
    const status = grpcStatusOf(rsp, rsp.body.ended?.trailers);
    if (status !== undefined || rsp.body.ended !== undefined) return this.conclude(rsp, status);
    return ending(rsp, rules).then((trailers) => this.conclude(rsp, grpcStatusOf(rsp, trailers)));
  }

  private conclude(rsp: HttpRsp, grpcStatus: number | undefined): HttpRsp | Promise<HttpRsp> {
    const { rules } = this;
    if (!rules.wants(this.req, rsp, grpcStatus)) {
      if (this.retries > 0) rules.options.counters?.successes.inc();
      return this.done(rsp);
    }
    if (!this.mayRetry()) return this.done(rsp);
    // A short answer is read to its end, which keeps its connection; a long one is not worth that.
    const { body } = rsp;
    if ((body.length ?? Infinity) <= rules.policy.maxBodyBytes) body.discard();
    else body.cancel(new Fault("cancelled", "the request is being retried", { side: "client" }));
    return this.again();
  }

  private recover(fault: Fault): Promise<HttpRsp> {
    if (this.rules.wantsAfter(this.req, fault) && this.mayRetry()) return this.again();
    this.done(undefined);
    return Promise.reject(fault);
  }

  private mayRetry(): boolean {
    const { policy, options } = this.rules;
    if (this.req.cancelled !== undefined) return false;
    if (this.replay?.lost) {
      options.counters?.requestTooLong?.inc();
      return false;
    }
    if (this.retries >= policy.limit) {
      options.counters?.limitExceeded.inc();
      return false;
    }
    if (options.budget === undefined || options.budget.withdraw()) return true;
    options.counters?.overflow.inc();
    return false;
  }

  private again(): Promise<HttpRsp> {
    const { policy, options } = this.rules;
    options.counters?.requests.inc();
    this.retries += 1;
    if (policy.backoff === undefined) return this.attempt();
    this.delays ??= delays(policy.backoff, options.random);
    const pauseMs = this.delays.next();
    return new Promise((resolve, reject) => {
      const timer = options.clock.after(pauseMs, () => resolve(this.attempt()));
      this.req.onCancel = (fault) => {
        timer.cancel();
        reject(fault);
      };
    });
  }

  private done<R extends HttpRsp | undefined>(rsp: R): R {
    this.replay?.settle();
    this.req.endpoint = this.current.endpoint;
    this.req.attempt = this.retries;
    return rsp;
  }

  private copy(): HttpReq {
    const { req, current } = this;
    const { headers, authority, version } = this;
    const copy = new HttpReq(
      req.method,
      this.path,
      authority,
      version,
      headers.slice(),
      req.body,
      req.peer,
      req.at,
    );
    copy.scheme = this.scheme;
    copy.absolute = req.absolute;
    copy.neverIndexed = req.neverIndexed;
    copy.inform = req.inform;
    copy.route = req.route;
    copy.attempt = this.retries;
    copy.tried = current.tried;
    if (current.endpoint !== undefined) (copy.tried ??= []).push(current.endpoint);
    req.onCancel = copy.cancel.bind(copy);
    return copy;
  }
}

// How often it looks whether a response goes on.
const LOOK_MS = 10;

// The trailers of a short response, or undefined for one that goes on for longer than it is waited for: nobody reads
// the body yet, so a call of one message, whose trailers come with it, ends by itself, and a stream shows its bytes.
function ending(rsp: HttpRsp, { policy, options }: Rules): Promise<string[] | undefined> {
  const { clock, counters } = options;
  const { untilEnd } = policy;
  const { body } = rsp;
  const until = clock.now() + (untilEnd?.ms ?? Infinity);
  let begun = false;
  return new Promise((resolve) => {
    const look = clock.every(LOOK_MS, () => {
      const isLong = untilEnd === undefined ? begun : body.bytes > untilEnd.bytes;
      begun = body.bytes > 0;
      if (!isLong && clock.now() < until) return;
      (isLong ? counters?.responseTooLong : counters?.endTimeout)?.inc();
      look.cancel();
      resolve(undefined);
    });
    body.onEnd(({ trailers }) => {
      look.cancel();
      resolve(trailers);
    });
  });
}
