// How many requests may be on their way at once. What exceeds it is refused at the door, before it costs anything.

import { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { Filter } from "./types.ts";

/** Refuses requests while `max` others wait for their response head. */
export function limit<Req = HttpReq, Rsp = HttpRsp>(max: number): Filter<Req, Rsp> {
  return (next) => {
    let underWay = 0;
    const ok = (rsp: Rsp): Rsp => {
      underWay -= 1;
      return rsp;
    };
    const failed = (thrown: Error): never => {
      underWay -= 1;
      throw thrown;
    };
    return function limit(req) {
      if (underWay >= max) {
        const message = `this proxy already has ${max} requests under way`;
        return Promise.reject(new Fault("load-shed", message, { retryable: false }));
      }
      underWay += 1;
      return next(req).then(ok, failed);
    };
  };
}
