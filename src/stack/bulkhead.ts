// How many requests may be on their way at once, from head to end, and how many may wait for their turn: with one
// request on each connection of HTTP/1, this is the size of a pool of connections. (Linkerd 1's `hostConnectionPool`.)

import { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { HttpFilter, HttpService } from "./types.ts";

export type BulkheadOptions = { readonly max: number; readonly maxWaiters: number };

type Waiter = { readonly req: HttpReq; readonly go: (rsp: Promise<HttpRsp>) => void };

/** Lets `max` requests through at a time; others wait in order, at most `maxWaiters` of them. */
export function bulkhead({ max, maxWaiters }: BulkheadOptions): HttpFilter {
  return (next) => {
    const waiters = new Set<Waiter>();
    let underWay = 0;
    const leave = (): void => {
      underWay -= 1;
      const [first] = waiters;
      if (first === undefined) return;
      waiters.delete(first);
      first.req.onCancel = undefined;
      first.go(enter(first.req));
    };
    const failed = (thrown: Error): never => {
      leave();
      throw thrown;
    };
    const enter: HttpService = (req) => {
      underWay += 1;
      return next(req).then((rsp) => {
        rsp.body.onEnd(leave);
        return rsp;
      }, failed);
    };
    return function bulkhead(req) {
      if (underWay < max) return enter(req);
      if (waiters.size >= maxWaiters) {
        const message = `${max} connections are in use and ${maxWaiters} requests wait for one`;
        return Promise.reject(new Fault("load-shed", message, { retryable: false }));
      }
      return new Promise((resolve, reject) => {
        const waiter: Waiter = { req, go: resolve };
        waiters.add(waiter);
        req.onCancel = (fault) => {
          waiters.delete(waiter);
          reject(fault);
        };
      });
    };
  };
}
