// What a router knows of one request while it is under way: the name it was given, the rules it brought along, its
// place in a trace, the service and client that it went to. It is the request's mark, so that whoever watches
// exchanges asks the service's classifier; one object for each request, all fields set in its constructor.

import type { Labels } from "../base/metrics.ts";
import type { HttpReq } from "../io/message.ts";
import { type Classify, type Mark, standard } from "../stack/classify.ts";
import type { LocalDtab } from "./localdtab.ts";
import type { HttpEndpoint } from "../stack/endpoint.ts";
import type { RouterClient } from "./routerclient.ts";
import type { ServicePath } from "./servicepath.ts";
import type { ServiceName } from "./servicename.ts";
import type { TraceId } from "./traceid.ts";

const NO_LABELS: Labels = {};

export class Routed implements Mark {
  readonly labels: Labels = NO_LABELS;
  classify: Classify = standard;
  /** The router's label. */
  readonly router: string;
  readonly dtab: LocalDtab;
  readonly trace: TraceId;
  /** Undefined until the request is identified. */
  name: ServiceName | undefined;
  service: ServicePath | undefined;
  /** The client that the last attempt went to, its residual, and its span. */
  client: RouterClient | undefined;
  residual: string;
  clientTrace: TraceId | undefined;

  constructor(router: string, dtab: LocalDtab, trace: TraceId) {
    this.router = router;
    this.dtab = dtab;
    this.trace = trace;
    this.name = undefined;
    this.service = undefined;
    this.client = undefined;
    this.residual = "";
    this.clientTrace = undefined;
  }
}

/** What its router knows of a request; undefined before its context has been read. */
export function routedOf(req: HttpReq): Routed | undefined {
  return req.route as Routed | undefined;
}

/** The endpoint that a request was sent to last. */
export function selectedOf(req: HttpReq): HttpEndpoint | undefined {
  return req.endpoint as HttpEndpoint | undefined;
}
