// Which of a route's backends gets a request: the first that is available, or any available one by weight.

import { Fault } from "../base/fault.ts";
import type { Random } from "../base/random.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { Service } from "./types.ts";

/** Something to send requests to that knows whether it could. */
export interface Backend<Req = HttpReq, Rsp = HttpRsp> {
  readonly service: Service<Req, Rsp>;
  readonly available: boolean;
}

/** A backend of a route: `service` is the backend's behind the filters that the route has for it. */
export type Share<Req = HttpReq, Rsp = HttpRsp> = {
  readonly weight: number;
  readonly backend: { readonly available: boolean };
  readonly service: Service<Req, Rsp>;
};

/** Sends to the first available backend (`first`), to an available one by weight (`random`), or nowhere (`empty`).
 * When none is available, one gets the request all the same and says why it cannot serve it. */
export function distribute<Req = HttpReq, Rsp = HttpRsp>(
  kind: "first" | "random" | "empty",
  shares: readonly Share<Req, Rsp>[],
  random: Random,
): Service<Req, Rsp> {
  const [only] = shares;
  if (kind === "empty" || only === undefined) {
    return () => Promise.reject(new Fault("no-route", "this route has no backends"));
  }
  if (shares.length === 1) return only.service;
  if (kind === "first") {
    return function first(req) {
      for (const share of shares) if (share.backend.available) return share.service(req);
      return only.service(req);
    };
  }
  const all = shares.reduce((sum, { weight }) => sum + weight, 0);
  return function anyOf(req) {
    let sum = 0;
    for (const { backend, weight } of shares) if (backend.available) sum += weight;
    const none = sum === 0;
    let at = random.next() * (none ? all : sum);
    for (const { backend, weight, service } of shares) {
      if (!none && !backend.available) continue;
      at -= weight;
      if (at < 0) return service(req);
    }
    return only.service(req);
  };
}
