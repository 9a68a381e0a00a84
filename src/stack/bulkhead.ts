// How many requests may be on their way at once, from head to end, and how many may wait for their turn: with one
// request on each connection of HTTP/1, this is the size of a pool of connections. (Linkerd 1's `hostConnectionPool`.)

import { Fault } from "../base/fault.ts";
import type { HttpFilter, HttpService } from "./types.ts";
import { WaitingRoom } from "./waitingroom.ts";

export type BulkheadOptions = { readonly max: number; readonly maxWaiters: number };

/** Lets `max` requests through at a time; others wait in order, at most `maxWaiters` of them. */
export function bulkhead({ max, maxWaiters }: BulkheadOptions): HttpFilter {
  return (next) => {
    const waiting = new WaitingRoom();
    let underWay = 0;
    const leave = (): void => {
      underWay -= 1;
      waiting.release(1);
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
      if (waiting.size >= maxWaiters) {
        const message = `${max} connections are in use and ${maxWaiters} requests wait for one`;
        return Promise.reject(new Fault("load-shed", message, { retryable: false }));
      }
      return waiting.wait(req, enter);
    };
  };
}
