// The names `/$/io.buoyant.http.status/CODE`: a service that is only its answer.

import { Body } from "../io/body.ts";
import { HttpRsp } from "../io/message.ts";
import type { HttpService } from "../stack/types.ts";

/** Answers every request with `status`. */
export function synthetic(status: number): HttpService {
  return function synthetic(req) {
    req.body.discard();
    return Promise.resolve(new HttpRsp(status, [], Body.empty, req.version));
  };
}
