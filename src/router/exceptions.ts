// The names that Linkerd 1's metrics have for failures: classes of the JVM's, which dashboards match on.

import type { FaultCode } from "../base/fault.ts";

const NAMES: Readonly<Partial<Record<FaultCode, string>>> = {
  "no-route": "com.twitter.finagle.NoBrokersAvailableException",
  "no-endpoints": "com.twitter.finagle.NoBrokersAvailableException",
  "connect-failed": "com.twitter.finagle.ConnectionFailedException",
  "connect-timeout": "com.twitter.finagle.ConnectionFailedException",
  "request-timeout": "com.twitter.finagle.GlobalRequestTimeoutException",
  "response-timeout": "com.twitter.finagle.IndividualRequestTimeoutException",
  "load-shed": "com.twitter.finagle.RejectedException",
  cancelled: "com.twitter.finagle.CancelledRequestException",
  io: "com.twitter.finagle.ChannelClosedException",
  reset: "com.twitter.finagle.buoyant.h2.Reset",
  "refused-stream": "com.twitter.finagle.buoyant.h2.Reset$Refused",
  unavailable: "com.twitter.finagle.RequestTimeoutException",
};

/** A response that its classifier calls a failure. */
export const FAILED_RESPONSE =
  "com.twitter.finagle.service.ResponseClassificationSyntheticException";

/** The name of a fault in metrics. */
export function exceptionName(code: FaultCode): string {
  return NAMES[code] ?? code;
}
