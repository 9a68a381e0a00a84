// Refusals: faults with the gRPC status that proxies act on. A proxy gives up on the first three and tries
// again after anything else (linkerd2-proxy's rules).

import { Fault } from "../base/fault.ts";

export const GRPC = {
  invalidArgument: 3,
  notFound: 5,
  failedPrecondition: 9,
  unavailable: 14,
} as const;

export const invalidArgument = (message: string): Fault =>
  new Fault("bad-request", message, { detail: GRPC.invalidArgument });

export const notFound = (message: string): Fault =>
  new Fault("not-found", message, { detail: GRPC.notFound });

export const failedPrecondition = (message: string): Fault =>
  new Fault("bad-request", message, { detail: GRPC.failedPrecondition });
