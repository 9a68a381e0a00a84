// The edge where faults become responses. Whatever goes wrong behind it is answered in the client's language: an
// HTTP status, or a gRPC status in a response without messages, with the words of the fault in `l5d-proxy-error`.
// Each fault is logged once and counted once, here.

import { Fault, type FaultCode } from "../base/fault.ts";
import type { Logger } from "../base/log.ts";
import type { Counter, Family, Labels } from "../base/metrics.ts";
import { Body } from "../io/body.ts";
import { type HttpReq, HttpRsp, type HttpVersion } from "../io/message.ts";
import { printGrpcMessage } from "../wire/grpc.ts";
import { H2 } from "../wire/h2error.ts";
import { isGrpc } from "./classify.ts";
import type { HttpFilter } from "./types.ts";

export type RescueOptions = {
  readonly log: Logger;
  /** Counts each fault by its kind, for example the family `outbound_http_errors_total`. */
  readonly errors: Family<Counter>;
  /** Labels that stand before `error`. */
  readonly labels?: Labels;
  /** Whether the client may see `l5d-proxy-error` and `l5d-proxy-connection`: inbound only meshed ones may. Default yes. */
  readonly informs?: (req: HttpReq) => boolean;
  /** Faults that clients of HTTP/2 get as REFUSED_STREAM, so that another proxy asks elsewhere. Default none. */
  readonly refuses?: (req: HttpReq, fault: Fault) => boolean;
};

/** Linkerd's words for the `error` label; a code without one is an answer by policy, which other metrics count. */
export const ERROR_LABELS: Readonly<Record<FaultCode, string>> = {
  "no-endpoints": "failfast",
  failfast: "failfast",
  "load-shed": "loadshed",
  "connect-timeout": "i/o",
  "connect-failed": "i/o",
  "identity-required": "identity required",
  "no-route": "",
  "invalid-policy": "unexpected",
  io: "i/o",
  "bad-response": "i/o",
  "response-timeout": "response timeout",
  "request-timeout": "response timeout",
  "idle-timeout": "response timeout",
  "refused-stream": "i/o",
  reset: "i/o",
  forbidden: "",
  "rate-limited": "",
  unauthenticated: "",
  "bad-request": "unexpected",
  "uri-too-long": "unexpected",
  "headers-too-large": "unexpected",
  "body-too-large": "unexpected",
  "header-timeout": "response timeout",
  "expectation-failed": "unexpected",
  "not-implemented": "unexpected",
  "bad-version": "unexpected",
  cancelled: "",
  "gateway-loop": "gateway loop",
  "gateway-domain": "gateway domain invalid",
  injected: "",
  protocol: "i/o",
  "bad-input": "unexpected",
  "not-found": "unexpected",
  "in-use": "unexpected",
  "no-permission": "unexpected",
  unavailable: "unexpected",
  closed: "i/o",
  unexpected: "unexpected",
};

/** Answers every fault of what is behind it. */
export function rescue(options: RescueOptions): HttpFilter {
  const { log, errors, labels = {}, informs = () => true, refuses } = options;
  const counters = new Map<FaultCode, Counter>();
  const count = (code: FaultCode): void => {
    const error = ERROR_LABELS[code];
    if (error === "") return;
    let counter = counters.get(code);
    if (!counter) counters.set(code, (counter = errors.with({ ...labels, error })));
    counter.inc();
  };
  const answer = (req: HttpReq, version: HttpVersion, thrown: unknown): HttpRsp => {
    const fault = Fault.from(thrown);
    count(fault.code);
    const fields = { error: fault, method: req.method, authority: req.authority, path: req.path };
    if (fault.code === "unexpected") log.error("Request failed", fields);
    else if (fault.side === "client") log.debug("Request failed", fields);
    else log.info("Request failed", { code: fault.code, ...fields });
    if (version === 20 && refuses?.(req, fault)) {
      const detail = H2.REFUSED_STREAM;
      throw new Fault("refused-stream", fault.message, { side: "upstream", detail, cause: fault });
    }
    return replyTo(req, fault, informs(req), version);
  };
  return (next) =>
    function rescue(req) {
      // As the client spoke it; filters behind this one may make it what another proxy carried.
      const { version } = req;
      return next(req).then(undefined, (thrown: unknown) => answer(req, version, thrown));
    };
}

/** The response that tells `fault` to the client of `req`; `version` is the one that the client speaks. */
function replyTo(
  req: HttpReq,
  fault: Fault,
  informs: boolean,
  version: HttpVersion = req.version,
): HttpRsp {
  const { closes } = fault.meaning;
  const { status, grpcStatus } = statusesOf(req, fault);
  const headers =
    grpcStatus === undefined
      ? ["content-length", "0"]
      : ["content-type", "application/grpc", "grpc-status", String(grpcStatus)];
  if (grpcStatus !== undefined)
    headers.push("grpc-message", printGrpcMessage(fault.message.slice(0, MAX_TEXT)));
  if (fault.code === "rate-limited") headers.push(...limitHeaders(fault, grpcStatus !== undefined));
  if (informs) headers.push("l5d-proxy-error", headerText(fault.message));
  if (informs && closes) headers.push("l5d-proxy-connection", "close");
  // An HTTP/2 connection carries other requests, which are well.
  const close = closes && version !== 20;
  if (close) headers.push("connection", "close");
  const rsp = new HttpRsp(status, headers, Body.empty, version);
  rsp.close = close;
  rsp.fault = fault;
  return rsp;
}

// Limits are for a second, within which there is room again: told as RFC 9110 §10.2.3 or gRPC (proposal A6) has it, and
// in the manner of draft-ietf-httpapi-ratelimit-headers-10.
function limitHeaders({ detail: rps }: Fault, isCall: boolean): string[] {
  const wait = isCall ? ["grpc-retry-pushback-ms", "1000"] : ["retry-after", "1"];
  if (rps === undefined) return wait;
  return [...wait, "ratelimit-policy", `"local";q=${rps};w=1`, "ratelimit", '"local";r=0;t=1'];
}

function statusesOf(req: HttpReq, fault: Fault): { status: number; grpcStatus?: number } {
  const { code, detail, meaning } = fault;
  if (code === "injected" && detail !== undefined) {
    // Both kinds of status can be injected; no number is both.
    return detail >= 100 ? { status: detail } : { status: 200, grpcStatus: detail };
  }
  return isGrpc(req.headers) ? { status: 200, grpcStatus: meaning.grpc } : { status: meaning.http };
}

const MAX_TEXT = 512;

/** Text that may stand in a field value: visible ASCII and spaces, at most 512 characters (RFC 9110 §5.5). */
function headerText(text: string): string {
  const safe = text.replace(/[^\x20-\x7e]+/g, " ").trim();
  return safe.length <= MAX_TEXT ? safe : `${safe.slice(0, MAX_TEXT - 3)}...`;
}
