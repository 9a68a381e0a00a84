// Response classifiers: what counts as a failure of a service, and which failures are worth another try. The kinds are
// a table; the rules that all share (marked responses, clients that left) stand below it.

import type { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { header } from "../wire/headers.ts";
import { bindPlugin, type Plugins } from "./plugin.ts";
import type { ServicePolicy } from "./routerconfig.ts";

export interface Classifier {
  /** Whether a response is a success; `grpcStatus` is known at the end of a gRPC response. */
  isSuccess(rsp: HttpRsp, grpcStatus: number | undefined): boolean;
  /** Whether a request that failed, by its response or with a fault, may be sent again. */
  isRetryable(req: HttpReq, rsp: HttpRsp | undefined, grpcStatus: number | undefined): boolean;
  /** Whether only the end of a response tells. */
  readonly needsEnd?: boolean;
  /** Whether `isRetryable` may ever say yes. */
  readonly retries?: boolean;
}

type Config = ServicePolicy["responseClassifier"];
type Grpc = { readonly successStatusCodes: readonly number[] };

const READ = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const IDEMPOTENT = new Set([...READ, "PUT", "DELETE"]);
const ALL = new Set([...IDEMPOTENT, "POST", "PATCH"]);
const NONE = new Set<string>();
const UNAVAILABLE = 14;

const isBelow500 = (rsp: HttpRsp): boolean => rsp.status < 500;

function byStatus(methods: ReadonlySet<string>): Classifier {
  return {
    isSuccess: isBelow500,
    isRetryable: (req) => methods.has(req.method),
    retries: methods.size > 0,
  };
}

function grpc(
  { successStatusCodes }: Grpc,
  isRetryable: (status: number | undefined) => boolean,
  retries = true,
): Classifier {
  return {
    isSuccess: (rsp, status) =>
      status === undefined ? isBelow500(rsp) : successStatusCodes.includes(status),
    isRetryable: (_, __, status) => isRetryable(status),
    needsEnd: true,
    retries,
  };
}

const allSuccessful: Classifier = {
  isSuccess: () => true,
  isRetryable: () => false,
  retries: false,
};
const unavailable = (status: number | undefined): boolean =>
  status === undefined || status === UNAVAILABLE;

const SUFFIXES: Readonly<Record<string, (settings: never) => Classifier>> = {
  nonRetryable5XX: () => byStatus(NONE),
  retryableRead5XX: () => byStatus(READ),
  retryableIdempotent5XX: () => byStatus(IDEMPOTENT),
  retryableAll5XX: () => byStatus(ALL),
  allSuccessful: () => allSuccessful,
  "grpc.default": (settings: Grpc) => grpc(settings, unavailable),
  "grpc.compliant": (settings: Grpc) => grpc(settings, unavailable),
  "grpc.alwaysRetryable": (settings: Grpc) => grpc(settings, () => true),
  "grpc.neverRetryable": (settings: Grpc) => grpc(settings, () => false, false),
  "grpc.retryableStatusCodes": (settings: Grpc & { retryableStatusCodes: readonly number[] }) =>
    grpc(
      settings,
      (status) => status !== undefined && settings.retryableStatusCodes.includes(status),
    ),
};

/** The classifier that a service's settings choose. */
export function bindClassifier(config: Config, plugins: Plugins): Classifier {
  const suffix = /^io\.l5d\.(?:http|h2)\.(.*)$/.exec(config.kind)?.[1];
  const builtIn = suffix === undefined ? undefined : SUFFIXES[suffix];
  if (builtIn) return builtIn(config as never);
  const category = plugins.parts.httpClassifier?.[config.kind] ? "httpClassifier" : "h2Classifier";
  return bindPlugin(plugins, category, config);
}

/** Whether a response asks for another try: it failed, and its classifier or the next proxy says that one may help. */
export function wantsRetry(
  classifier: Classifier,
  req: HttpReq,
  rsp: HttpRsp,
  grpcStatus: number | undefined,
): boolean {
  if (classifier.isSuccess(rsp, grpcStatus)) return false;
  if (header(rsp.headers, "l5d-retryable") === "true") return true;
  return classifier.isRetryable(req, rsp, grpcStatus);
}

// Failures after which the method decides; what surely never arrived goes again in any case.
const MAY_GO_AGAIN = new Set<Fault["code"]>([
  "response-timeout",
  "io",
  "bad-response",
  "reset",
  "protocol",
  "refused-stream",
  "connect-failed",
  "connect-timeout",
]);

/** Whether a request that ended in a fault may be sent again. */
export function wantsRetryAfter(classifier: Classifier, req: HttpReq, fault: Fault): boolean {
  if (fault.side === "client" || fault.code === "no-endpoints") return false;
  return MAY_GO_AGAIN.has(fault.code) && classifier.isRetryable(req, undefined, undefined);
}
