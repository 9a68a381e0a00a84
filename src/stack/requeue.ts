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
import { type Patience, WaitingRoom } from "./waitingroom.ts";

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

export class Requeue<T extends Target = Target> {
  readonly service: HttpService;
  readonly balancer: Balancer<HttpReq, HttpRsp, T>;
  private readonly options: RequeueOptions;
  private readonly waiting: WaitingRoom;
  private readonly patience: Patience;
  private readonly again: (req: HttpReq, fault: Fault) => Promise<HttpRsp>;

  constructor(balancer: Balancer<HttpReq, HttpRsp, T>, options: RequeueOptions) {
    this.balancer = balancer;
    this.options = options;
    this.waiting = new WaitingRoom();
    this.patience = { ...options, fault: () => this.refusal() };
    this.again = (req, fault) => this.requeue(req, fault);
    this.service = (req) => {
      options.budget.deposit(req.at);
      return this.take(req);
    };
    balancer.onChange = () => {
      if (balancer.discovery.kind !== "pending") this.waiting.release();
    };
  }

  /** Requests under way and waiting. */
  get pending(): number {
    let sum = this.waiting.size;
    for (const { pending } of this.balancer.endpoints.values()) sum += pending;
    return sum;
  }

  close(): void {
    this.balancer.close();
    const closed = new Fault("closed", `${this.balancer.name}: this client is no longer in use`);
    this.waiting.refuse(closed);
  }

  private readonly take = (req: HttpReq): Promise<HttpRsp> => {
    const now = this.options.clock.now();
    const endpoint = this.balancer.pick(now, req.tried);
    if (endpoint !== undefined) return endpoint.send(req, now, this.again);
    if (this.balancer.discovery.kind !== "pending") return Promise.reject(this.refusal());
    return this.waiting.wait(req, this.take, this.patience);
  };

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
