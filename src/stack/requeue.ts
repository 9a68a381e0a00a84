// Requeues: what surely never left goes to another endpoint at once, as often as a budget of its own allows. It stands
// where `queue` stands in a sidecar, but waits for one thing only, the first answer of discovery: Linkerd 1's pool
// never empties, so an endpoint that is broken is better than none.

import type { Budget } from "../base/budget.ts";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Counter } from "../base/metrics.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { Balancer } from "./balance.ts";
import type { Target } from "./endpoint.ts";
import type { HttpService } from "./types.ts";

export type RequeueOptions = {
  readonly clock: Clock;
  /** Pays for every requeue. */
  readonly budget: Budget;
  /** How long to wait for the first answer of discovery. */
  readonly waitMs: number;
  readonly counters: RequeueCounters;
};

export type RequeueCounters = {
  readonly requeues: Counter;
  readonly budgetExhausted: Counter;
  /** A request has been requeued as often as one may be. */
  readonly requestLimit: Counter;
};

// Finagle's limits for one request.
const MAX_REQUEUES = 25;
const SHARE_OF_BALANCE = 0.2;

type Waiter = {
  readonly req: HttpReq;
  readonly resolve: (rsp: Promise<HttpRsp>) => void;
  readonly reject: (fault: Fault) => void;
};

export class Requeue<T extends Target = Target> {
  readonly service: HttpService;
  readonly balancer: Balancer<HttpReq, HttpRsp, T>;
  private readonly options: RequeueOptions;
  private readonly waiters: Set<Waiter>;
  private readonly again: (req: HttpReq, fault: Fault) => Promise<HttpRsp>;

  constructor(balancer: Balancer<HttpReq, HttpRsp, T>, options: RequeueOptions) {
    this.balancer = balancer;
    this.options = options;
    this.waiters = new Set();
    this.again = (req, fault) => this.requeue(req, fault);
    this.service = (req) => {
      options.budget.deposit(req.at);
      return this.take(req);
    };
    balancer.onChange = () => this.changed();
  }

  /** Requests under way and waiting. */
  get pending(): number {
    let sum = this.waiters.size;
    for (const { pending } of this.balancer.endpoints.values()) sum += pending;
    return sum;
  }

  close(): void {
    this.balancer.close();
    const closed = new Fault("closed", `${this.balancer.name}: this client is no longer in use`);
    for (const waiter of this.waiters) waiter.reject(closed);
    this.waiters.clear();
  }

  private take(req: HttpReq): Promise<HttpRsp> {
    const now = this.options.clock.now();
    const endpoint = this.balancer.pick(now, req.tried);
    if (endpoint !== undefined) return endpoint.send(req, now, this.again);
    const { discovery } = this.balancer;
    return discovery.kind === "pending" ? this.wait(req) : Promise.reject(this.refusal());
  }

  private requeue(req: HttpReq, fault: Fault): Promise<HttpRsp> {
    const { budget, counters } = this.options;
    const tried = (req.tried ??= []);
    tried.push(req.endpoint);
    const most = Math.min(MAX_REQUEUES, Math.ceil(SHARE_OF_BALANCE * budget.balance));
    // Dialling the same few addresses over and over within a moment would find the same.
    if (tried.length > Math.min(most, this.balancer.endpoints.size)) {
      counters.requestLimit.inc();
      return Promise.reject(fault);
    }
    if (!budget.withdraw()) {
      counters.budgetExhausted.inc();
      return Promise.reject(fault);
    }
    counters.requeues.inc();
    return this.take(req);
  }

  private wait(req: HttpReq): Promise<HttpRsp> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        req,
        resolve: (rsp) => {
          timer.cancel();
          req.onCancel = undefined;
          resolve(rsp);
        },
        reject,
      };
      const timer = this.options.clock.after(this.options.waitMs, () => {
        this.waiters.delete(waiter);
        reject(this.refusal());
      });
      this.waiters.add(waiter);
      req.onCancel = (fault) => {
        timer.cancel();
        this.waiters.delete(waiter);
        reject(fault);
      };
    });
  }

  private changed(): void {
    if (this.waiters.size === 0 || this.balancer.discovery.kind === "pending") return;
    const waiting = [...this.waiters];
    this.waiters.clear();
    for (const waiter of waiting) waiter.resolve(this.take(waiter.req));
  }

  private refusal(): Fault {
    const { name, discovery } = this.balancer;
    if (discovery.kind === "pending") {
      const message = `${name}: its addresses are not known yet`;
      return new Fault("unavailable", message);
    }
    const why = discovery.kind === "failed" ? `: ${discovery.fault.message}` : "";
    return new Fault("no-endpoints", `${name}: no hosts are available${why}`, { retryable: false });
  }
}
