// Refusals: faults with the gRPC status that proxies act on. A proxy gives up after one of these and tries
// again after anything else (linkerd2-proxy's rules).

import { GrpcFault } from "../stack/grpc.ts";

export const invalidArgument = (message: string): GrpcFault =>
  new GrpcFault("INVALID_ARGUMENT", message);

export const notFound = (message: string): GrpcFault => new GrpcFault("NOT_FOUND", message);

export const failedPrecondition = (message: string): GrpcFault =>
  new GrpcFault("FAILED_PRECONDITION", message);
