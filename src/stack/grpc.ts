// What both sides of gRPC over our own HTTP services share: faults with a gRPC status, and the options of a call.
// grpcserver.ts serves, grpcclient.ts calls, grpcmessages.ts carries the messages of a stream.

import type { Clock } from "../base/clock.ts";
import { Fault, type FaultCode, type FaultOptions } from "../base/fault.ts";
import {
  GRPC,
  grpcOfReset,
  type GrpcStatus,
  grpcStatusName,
  printGrpcMessage,
} from "../wire/grpc.ts";
import type { Headers } from "../wire/headers.ts";

export type GrpcOptions = {
  readonly clock: Clock;
  /** The largest message that is taken; default 4 MiB, as elsewhere in gRPC. */
  readonly maxMessageBytes?: number;
};

export const MAX_MESSAGE_BYTES = 4 << 20;

// What a status is closest to among faults, for the filters that look at one.
const CODES: Record<GrpcStatus, FaultCode> = {
  OK: "unexpected",
  CANCELLED: "cancelled",
  UNKNOWN: "unexpected",
  INVALID_ARGUMENT: "bad-request",
  DEADLINE_EXCEEDED: "request-timeout",
  NOT_FOUND: "not-found",
  ALREADY_EXISTS: "in-use",
  PERMISSION_DENIED: "forbidden",
  RESOURCE_EXHAUSTED: "rate-limited",
  FAILED_PRECONDITION: "bad-input",
  ABORTED: "unavailable",
  OUT_OF_RANGE: "bad-input",
  UNIMPLEMENTED: "not-implemented",
  INTERNAL: "unexpected",
  UNAVAILABLE: "unavailable",
  DATA_LOSS: "unexpected",
  UNAUTHENTICATED: "unauthenticated",
};

/** A fault with a gRPC status of its own: thrown by methods, and what calls are rejected with. */
export class GrpcFault extends Fault {
  readonly status: GrpcStatus;

  constructor(status: GrpcStatus, message: string, options: FaultOptions = {}) {
    super(CODES[status], message, { detail: GRPC[status], ...options });
    this.status = status;
  }

  /** Whatever was thrown, with the gRPC status that it stands for. */
  static override from(thrown: unknown): GrpcFault {
    if (thrown instanceof GrpcFault) return thrown;
    const fault = Fault.from(thrown);
    const status =
      fault.code === "reset" && fault.detail !== undefined
        ? grpcOfReset(fault.detail)
        : grpcStatusName(fault.meaning.grpc);
    const { side, retryable } = fault;
    return new GrpcFault(status, fault.message, { side, retryable, cause: fault });
  }
}

/** The trailers (or head) that tell the end of a call. */
export function grpcTrailers(fault: GrpcFault | undefined, more: Headers): Headers {
  if (fault === undefined) return ["grpc-status", "0", ...more];
  const status = String(GRPC[fault.status]);
  return ["grpc-status", status, "grpc-message", printGrpcMessage(fault.message), ...more];
}
