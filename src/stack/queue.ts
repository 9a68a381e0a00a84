// The queue in front of a balancer. While an endpoint is ready it costs one test; when none is, requests wait for
// one, up to a time; then the backend is in failfast, and everything fails at once until an endpoint is ready
// again. A backend that is known to have no endpoints fails at once: nothing there could come back in time. A request
// that every endpoint refuses waits for another one, at most as long: discovery may lag behind a backend that ends. Each
// refusal says which backend, how many endpoints it has, in which state, since when and why.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault, type FaultCode } from "../base/fault.ts";
import { HttpReq, type HttpRsp } from "../io/message.ts";
import { type Balancer, describe, seconds } from "./balance.ts";
import type { Endpoint, Target } from "./endpoint.ts";
import type { Backend } from "./distribute.ts";
import { startOf } from "./exchange.ts";
import type { Service } from "./types.ts";

export type QueueOptions = {
  readonly clock: Clock;
  /** How many requests may wait. Linkerd's control plane says 100. */
  readonly capacity: number;
  /** How long the backend may be unready before it fails fast. Linkerd: 3 s. */
  readonly failfastMs: number;
  readonly watcher?: QueueWatcher;
};

// Discovery lags by seconds at most, however long a queue may wait for a connection.
const MOST_LAG_MS = 3000;

/** What metrics want to know of a queue. */
export interface QueueWatcher {
  /** A request was taken; `waitedMs` is 0 for one that did not wait. */
  passed(waitedMs: number): void;
  /** How many wait now. */
  length(n: number): void;
  /** It can be used from now on, or no longer; `failfast` when that has lasted too long. */
  gate(state: "open" | "shut" | "failfast"): void;
  /** How many endpoints are ready, and how many are not. */
  endpoints(ready: number, pending: number): void;
}

type Waiter<Req, Rsp> = {
  readonly req: Req;
  readonly at: number;
  /** What all endpoints answered that there were: it waits for another one. */
  readonly refused: Fault | undefined;
  resolve: (rsp: Rsp | Promise<Rsp>) => void;
  reject: (fault: Fault) => void;
};

/** A backend: a balancer with its queue. */
export class Queue<Req = HttpReq, Rsp = HttpRsp, T extends Target = Target> implements Backend<
  Req,
  Rsp
> {
  readonly service: Service<Req, Rsp>;
  readonly balancer: Balancer<Req, Rsp, T>;
  private readonly options: QueueOptions;
  private readonly waiters: Set<Waiter<Req, Rsp>>;
  private readonly again: (req: Req, fault: Fault) => Promise<Rsp>;
  private unreadySince: number | undefined;
  private failfast: boolean;
  private timer: Timer | undefined;
  /** Since when, and when last, a request was refused by all endpoints. */
  private refusedSince: number;
  private refusedLast: number;
  private refusedTimer: Timer | undefined;
  private closed: boolean;

  constructor(balancer: Balancer<Req, Rsp, T>, options: QueueOptions) {
    this.balancer = balancer;
    this.options = options;
    this.waiters = new Set();
    this.unreadySince = undefined;
    this.failfast = false;
    this.timer = undefined;
    this.refusedSince = -Infinity;
    this.refusedLast = -Infinity;
    this.refusedTimer = undefined;
    this.closed = false;
    this.service = (req) => this.take(req, this.startOf(req));
    this.again = (req, fault) => this.retake(req, fault);
    balancer.onChange = () => this.changed();
    this.changed();
  }

  /** Whether a request would be sent or may wait: false in failfast and without endpoints. */
  get available(): boolean {
    return this.balancer.available || !(this.failfast || this.isEmpty);
  }

  /** For people: how many wait, and whether the backend can be used. */
  get state(): { readonly waiting: number; readonly gate: "open" | "shut" | "failfast" } {
    const gate = this.failfast ? "failfast" : this.unreadySince === undefined ? "open" : "shut";
    return { waiting: this.waiters.size, gate };
  }

  /** Whether requests wait or are under way: a cache must not close it then. */
  get busy(): boolean {
    if (this.waiters.size > 0) return true;
    for (const { pending } of this.balancer.endpoints.values()) if (pending > 0) return true;
    return false;
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.refusedTimer?.cancel();
    this.balancer.close();
    this.refuseAll();
  }

  private startOf(req: Req): number {
    const { clock } = this.options;
    return req instanceof HttpReq ? startOf(req, clock) : clock.now();
  }

  private take(req: Req, now: number): Promise<Rsp> {
    const tried = req instanceof HttpReq ? req.tried : undefined;
    const endpoint = this.balancer.pick(now, tried);
    if (endpoint === undefined) return this.wait(req);
    this.options.watcher?.passed(0);
    return endpoint.send(req, now, this.again);
  }

  // A connection could not be made. Its endpoint is shut now; another one may do, or this one a moment later. One that
  // can be reached and refuses the same request twice means it.
  private retake(req: Req, fault: Fault): Promise<Rsp> {
    const { clock, failfastMs } = this.options;
    const now = clock.now();
    if (req instanceof HttpReq) {
      const endpoint = req.endpoint as Endpoint;
      const tried = (req.tried ??= []);
      if (now - req.at >= failfastMs) return Promise.reject(fault);
      if (endpoint.ready && tried.includes(endpoint)) return this.waitForAnother(req, now, fault);
      tried.push(endpoint);
    } else if (!this.balancer.available) {
      return Promise.reject(fault);
    }
    return this.take(req, now);
  }

  private wait(req: Req): Promise<Rsp> {
    if (this.failfast || this.isEmpty || this.closed) return Promise.reject(this.refusal());
    if (this.isFull) return Promise.reject(this.full());
    return this.enqueue(req);
  }

  // For as long as nothing but refusals come, the time counts from the first of them.
  private waitForAnother(req: Req & HttpReq, now: number, fault: Fault): Promise<Rsp> {
    const { clock, failfastMs } = this.options;
    const patienceMs = Math.min(failfastMs, MOST_LAG_MS);
    if (this.balancer.pickFresh(now, req.tried!) !== undefined) return this.take(req, now);
    if (now - this.refusedLast >= patienceMs) this.refusedSince = now;
    this.refusedLast = now;
    const leftMs = this.refusedSince + patienceMs - now;
    if (leftMs <= 0 || this.isFull || this.closed) return Promise.reject(fault);
    this.refusedTimer?.cancel();
    this.refusedTimer = clock.after(leftMs, () => this.refuse((waiter) => waiter.refused));
    return this.enqueue(req, fault);
  }

  private enqueue(req: Req, refused?: Fault): Promise<Rsp> {
    const { clock } = this.options;
    return new Promise((resolve, reject) => {
      const waiter: Waiter<Req, Rsp> = { req, at: clock.now(), refused, resolve, reject };
      this.waiters.add(waiter);
      this.options.watcher?.length(this.waiters.size);
      if (req instanceof HttpReq) {
        req.onCancel = (fault) => {
          this.leave(waiter);
          reject(fault);
        };
      }
    });
  }

  private leave(waiter: Waiter<Req, Rsp>): void {
    this.waiters.delete(waiter);
    if (waiter.req instanceof HttpReq) waiter.req.onCancel = undefined;
    this.options.watcher?.length(this.waiters.size);
  }

  private get isFull(): boolean {
    return this.waiters.size >= this.options.capacity;
  }

  private get isEmpty(): boolean {
    return this.balancer.endpoints.size === 0 && this.balancer.discovery.kind === "ok";
  }

  private changed(): void {
    const { watcher } = this.options;
    const { readyCount, endpoints } = this.balancer;
    watcher?.endpoints(readyCount, endpoints.size - readyCount);
    if (this.closed) return;
    if (this.balancer.available) this.open();
    else this.shut();
  }

  private open(): void {
    if (this.unreadySince !== undefined) {
      this.unreadySince = undefined;
      this.failfast = false;
      this.timer?.cancel();
      this.options.watcher?.gate("open");
    }
    const now = this.options.clock.now();
    for (const waiter of this.waiters) {
      // Each one sent may shut an endpoint that is on probation, so ask again for each.
      const endpoint = this.pickFor(waiter, now);
      if (endpoint === undefined) continue;
      this.leave(waiter);
      this.options.watcher?.passed(now - waiter.at);
      waiter.resolve(endpoint.send(waiter.req, now, this.again));
    }
  }

  private pickFor(
    { req, refused }: Waiter<Req, Rsp>,
    now: number,
  ): Endpoint<Req, Rsp, T> | undefined {
    if (refused === undefined) return this.balancer.pick(now, undefined);
    return this.balancer.pickFresh(now, (req as HttpReq).tried!);
  }

  private shut(): void {
    const { clock, failfastMs, watcher } = this.options;
    if (this.unreadySince === undefined) {
      this.unreadySince = clock.now();
      watcher?.gate("shut");
      this.timer = clock.after(failfastMs, () => {
        this.failfast = true;
        watcher?.gate("failfast");
        this.refuseAll();
      });
    }
    if (this.isEmpty) this.refuseAll();
  }

  private refuseAll(): void {
    if (this.waiters.size === 0) return;
    const refusal = this.refusal();
    this.refuse((waiter) => waiter.refused ?? refusal);
  }

  private refuse(faultOf: (waiter: Waiter<Req, Rsp>) => Fault | undefined): void {
    for (const waiter of this.waiters) {
      const fault = faultOf(waiter);
      if (fault === undefined) continue;
      this.leave(waiter);
      waiter.reject(fault);
    }
  }

  private refusal(): Fault {
    const { name } = this.balancer;
    if (this.closed) return new Fault("closed", `${name}: this backend is no longer in use`);
    const now = this.options.clock.now();
    const { reason, text, fault } = describe(this.balancer, now);
    const since = seconds(now - (this.unreadySince ?? now));
    const code: FaultCode = this.isEmpty ? "no-endpoints" : "failfast";
    const words = code === "failfast" ? `service in fail-fast (${reason})` : reason;
    return new Fault(code, `${name}: ${words} for ${since}: ${text}`, { cause: fault });
  }

  private full(): Fault {
    const { capacity } = this.options;
    const { text } = describe(this.balancer, this.options.clock.now());
    const message = `${this.balancer.name}: queue-full (${capacity} requests wait): ${text}`;
    return new Fault("load-shed", message, { retryable: false });
  }
}
