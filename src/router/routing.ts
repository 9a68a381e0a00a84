// From a request to the service that it means: it is named, and the name's service is found or bound. Names under
// different rules of their requests are different services.

import { Fault } from "../base/fault.ts";
import type { HttpReq } from "../io/message.ts";
import { printAddr } from "../stack/normalize.ts";
import type { HttpService } from "../stack/types.ts";
import type { Identifier } from "./identifier.ts";
import type { LocalDtab } from "./localdtab.ts";
import { routedOf } from "./routed.ts";
import type { ServiceName } from "./servicename.ts";
import type { ServicePath } from "./servicepath.ts";

/** The service of a name under the rules of a request, at the time of the request. */
export type FindService = (name: ServiceName, dtab: LocalDtab, now: number) => ServicePath;

/** Sends each request to the service of its name. */
export function byName(identify: Identifier, find: FindService): HttpService {
  return function byName(req) {
    const routed = routedOf(req)!;
    const name = identify(req);
    if (typeof name === "string") return Promise.reject(unknown(req, name));
    const service = find(name, routed.dtab, req.at);
    routed.name = name;
    routed.service = service;
    routed.classify = service.classify;
    return service.service(req);
  };
}

function unknown(req: HttpReq, reason: string): Fault {
  const from = printAddr(req.peer.remote);
  const message = `Unknown destination: Request("${req.method} ${req.path}", from /${from}) / ${reason}`;
  return new Fault("bad-request", message, { side: "client" });
}
