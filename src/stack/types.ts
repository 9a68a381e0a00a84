// The four types that everything is made of. A service is a function from a request to a promise of a
// response; a filter wraps one; a bind makes one for a target. (Eriksen, "Your Server as a Function", 2013.)

import type { HttpReq, HttpRsp } from "../io/message.ts";

export type Service<Req, Rsp> = (req: Req) => Promise<Rsp>;

/** The outer call happens once for each target, the inner one for each request. */
export type Filter<Req, Rsp> = (next: Service<Req, Rsp>) => Service<Req, Rsp>;

export type Bind<Target, Req, Rsp> = (target: Target) => Service<Req, Rsp>;

export type HttpService = Service<HttpReq, HttpRsp>;
export type HttpFilter = Filter<HttpReq, HttpRsp>;

/** Wraps `service` in `filters`, the first being the first that a request meets. */
export function stack<Req, Rsp>(
  filters: readonly Filter<Req, Rsp>[],
  service: Service<Req, Rsp>,
): Service<Req, Rsp> {
  return filters.reduceRight((next, filter) => filter(next), service);
}
