// Requests that wait for something: an answer of discovery, the binding of their name, their turn. Each leaves when it
// is let go, when its client leaves, or when its time is over.

import type { Clock, Timer } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { HttpService } from "./types.ts";

/** How long a request waits, and what it fails with then. */
export type Patience = {
  readonly clock: Clock;
  readonly waitMs: number;
  readonly fault: () => Fault;
};

type Waiter = {
  readonly req: HttpReq;
  readonly next: HttpService;
  readonly timer: Timer | undefined;
  readonly resolve: (rsp: Promise<HttpRsp>) => void;
  readonly reject: (fault: Fault) => void;
};

export class WaitingRoom {
  private readonly waiters = new Set<Waiter>();

  get size(): number {
    return this.waiters.size;
  }

  /** Keeps `req` until it is let go to `next`; without `patience` for as long as that takes. */
  wait(req: HttpReq, next: HttpService, patience?: Patience): Promise<HttpRsp> {
    return new Promise((resolve, reject) => {
      const timer = patience?.clock.after(patience.waitMs, () => {
        this.leave(waiter).reject(patience.fault());
      });
      const waiter: Waiter = { req, next, timer, resolve, reject };
      this.waiters.add(waiter);
      req.onCancel = (fault) => this.leave(waiter).reject(fault);
    });
  }

  /** Lets those who wait go on, in the order in which they came: all, or so many. */
  release(count = Infinity): void {
    for (const waiter of this.waiters) {
      if (count-- <= 0) return;
      this.leave(waiter).resolve(waiter.next(waiter.req));
    }
  }

  /** Fails all who wait. */
  refuse(fault: Fault): void {
    for (const waiter of this.waiters) this.leave(waiter).reject(fault);
  }

  // Before it goes on, for whoever sends it wants to hear of its client then.
  private leave(waiter: Waiter): Waiter {
    this.waiters.delete(waiter);
    waiter.timer?.cancel();
    waiter.req.onCancel = undefined;
    return waiter;
  }
}
