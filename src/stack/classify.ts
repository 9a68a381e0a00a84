// What counts as success. The route decides, since services differ: a request carries the mark of its route, and
// whoever watches an exchange asks the mark's classifier at its end, when gRPC has said its status.

import { header, type Headers } from "../wire/headers.ts";
import type { Labels } from "../base/metrics.ts";
import type { HttpRsp } from "../io/message.ts";
import type { Exchange } from "./exchange.ts";
import type { HttpFilter } from "./types.ts";

/** Whether an exchange that has ended, without a fault, was a success. */
export type Classify = (x: Exchange) => boolean;

/** What a route says of its requests to everything behind it: `HttpReq.route` holds one. */
export type Mark = { readonly labels: Labels; readonly classify: Classify };

// Unknown, deadline exceeded, permission denied, internal, unavailable, data loss: what Linkerd counts as failures.
const GRPC_FAILURES = 0b1110_0000_1001_0100;

/** Linkerd's own rule: an HTTP status below 500; for gRPC, a status other than 2, 4, 7, 13, 14 and 15. */
export const standard: Classify = (x) =>
  x.rsp!.status < 500 && (x.grpcStatus === undefined || !isGrpcFailure(x.grpcStatus));

/** Whether the gRPC status is one of those that Linkerd counts as failures of a server. */
export function isGrpcFailure(status: number): boolean {
  return status > 16 || ((GRPC_FAILURES >> status) & 1) === 1;
}

/** The rule of a service profile: the first class that matches the status decides, else the standard. */
export function byClasses(
  classes: readonly { readonly match: (status: number) => boolean; readonly failure: boolean }[],
): Classify {
  if (classes.length === 0) return standard;
  return (x) => {
    for (const { match, failure } of classes) if (match(x.rsp!.status)) return !failure;
    return standard(x);
  };
}

/** Puts the mark of a route on its requests. */
export function mark(route: Mark): HttpFilter {
  return (next) =>
    function mark(req) {
      req.route = route;
      return next(req);
    };
}

/** Whether an exchange that has ended was a success: without a fault, and good in the eyes of its route. */
export function isSuccess(x: Exchange): boolean {
  if (x.fault !== undefined) return false;
  const route = x.req.route as Mark | undefined;
  return route === undefined ? standard(x) : route.classify(x);
}

/** The gRPC status in the trailers, or else in the head (a response without messages has no others). */
export function grpcStatusOf(rsp: HttpRsp, trailers: Headers | undefined): number | undefined {
  // gRPC needs HTTP/2; for HTTP/1 the search would cost and never find anything.
  if (rsp.version !== 20) return undefined;
  const text =
    (trailers === undefined ? undefined : header(trailers, "grpc-status")) ??
    header(rsp.headers, "grpc-status");
  if (text === undefined) return undefined;
  const status = Number(text);
  // What is not a number counts as Unknown, as gRPC clients do.
  return Number.isInteger(status) && status >= 0 ? status : 2;
}

/** Whether a message is gRPC's, by its content type. */
export function isGrpc(headers: Headers): boolean {
  return header(headers, "content-type")?.startsWith("application/grpc") ?? false;
}
