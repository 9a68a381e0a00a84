// What the next hop is told of where a request goes, and what the client is told of how it went: `l5d-dst-*`, the
// context of the attempt, and `l5d-success-class`.

import type { Random } from "../base/random.ts";
import type { HttpRsp } from "../io/message.ts";
import type { HttpFilter } from "../stack/types.ts";
import { setHeader } from "../wire/headers.ts";
import { grpcStatusOf } from "../stack/classify.ts";
import type { Classifier } from "./classifiers.ts";
import { writeContext } from "./context.ts";
import { routedOf } from "./routed.ts";
import type { BoundLeaf } from "./servicepath.ts";
import type { Propagator } from "./yamltraffic.ts";

/** Writes service, client, residual and context of an attempt. */
export function destined(
  { id, residual }: BoundLeaf,
  propagator: Propagator["kind"],
  random: Random,
): HttpFilter {
  return (next) =>
    function destined(req) {
      const routed = routedOf(req)!;
      const { headers } = req;
      headers.push("l5d-dst-service", routed.name!.text, "l5d-dst-client", id);
      if (residual !== "/") headers.push("l5d-dst-residual", residual);
      routed.residual = residual;
      writeContext(headers, routed, propagator, random);
      // A client that takes us for its proxy names the host in the target; the server knows it from Host.
      req.absolute = false;
      return next(req);
    };
}

/** Tells the client in `l5d-success-class` what the service's classifier says, where the head tells. */
export function successClass(classifier: Classifier): HttpFilter {
  const marked = (rsp: HttpRsp): HttpRsp => {
    const grpcStatus = grpcStatusOf(rsp, rsp.body.ended?.trailers);
    const isTold = classifier.needsEnd !== true || grpcStatus !== undefined || rsp.version !== 20;
    if (isTold) {
      setHeader(
        rsp.headers,
        "l5d-success-class",
        classifier.isSuccess(rsp, grpcStatus) ? "1.0" : "0.0",
      );
    }
    return rsp;
  };
  return (next) =>
    function successClass(req) {
      return next(req).then(marked);
    };
}
