// What a router tells its client when it has no response: Linkerd 1's statuses and words, with `l5d-err` as the mark of
// an answer that is the proxy's own. A name that leads nowhere is answered with all that was tried to find it, as text
// or as JSON.

import { Fault, type FaultCode } from "../base/fault.ts";
import type { Logger } from "../base/log.ts";
import { Body } from "../io/body.ts";
import { type HttpReq, HttpRsp } from "../io/message.ts";
import type { Delegation } from "../name/delegate.ts";
import { printPrefix, type Dtab } from "../name/dtab.ts";
import { printDelegation } from "../name/explain.ts";
import { printTree } from "../name/nametree.ts";
import { printAddr } from "../stack/normalize.ts";
import type { HttpFilter } from "../stack/types.ts";
import { H2 } from "../wire/h2error.ts";
import { header, type Headers, setHeader } from "../wire/headers.ts";
import { printDuration } from "./duration.ts";
import type { RequestRouterConfig } from "./routerconfig.ts";
import { type Routed, routedOf, selectedOf } from "./routed.ts";

export type AnswerOptions = {
  readonly logger: Logger;
  /** The router's own rules, for the text of a routing error. */
  readonly dtab: Dtab;
  /** Longer texts are cut. */
  readonly maxBodyBytes: number;
};

// Of `l5d-err`: enough for a sentence, and no burden for a client's limits.
const MAX_HEADER_BYTES = 1024;
const DEFAULT_KB = 5120;

/** The statuses; what is not named here is 502, a gateway that has no response. */
const STATUSES: Readonly<Partial<Record<FaultCode, number>>> = {
  "bad-request": 400,
  "bad-input": 400,
  "gateway-loop": 400,
  "request-timeout": 503,
  "response-timeout": 503,
  "load-shed": 503,
  "body-too-large": 413,
  forbidden: 403,
  "rate-limited": 429,
  unauthenticated: 401,
};

/** Faults that HTTP/2 clients are told as responses; the others reset the stream. */
const H2_RESPONSES = new Set<FaultCode>([
  "no-route",
  "no-endpoints",
  "unavailable",
  "connect-failed",
  "connect-timeout",
  "gateway-loop",
  "bad-input",
  "request-timeout",
  "response-timeout",
  "load-shed",
  "forbidden",
  "rate-limited",
  "unauthenticated",
]);

const NACK = "Request was not processed by the server due to an error and is safe to retry";

/** The answers of a router as its file describes them. */
export function answersOf(config: RequestRouterConfig, logger: Logger): AnswerOptions {
  const maxKB = config.protocol === "http" ? config.maxErrResponseKB : DEFAULT_KB;
  return { logger, dtab: config.dtab, maxBodyBytes: maxKB * 1024 };
}

/** Answers every fault of what is behind it. */
export function answer(options: AnswerOptions): HttpFilter {
  return (next) =>
    function answer(req) {
      return next(req).then(undefined, (thrown: unknown) =>
        answerTo(req, Fault.from(thrown), options),
      );
    };
}

async function answerTo(req: HttpReq, fault: Fault, options: AnswerOptions): Promise<HttpRsp> {
  const { logger } = options;
  const routed = routedOf(req);
  const fields = { error: fault, method: req.method, name: routed?.name?.text ?? req.authority };
  if (fault.code === "unexpected") logger.error("Request failed", fields);
  else if (fault.side === "client") logger.debug("Request failed", fields);
  else logger.info("Request failed", { code: fault.code, ...fields });
  // An HTTP/2 client knows by the reset that it may try again, or that it is too late.
  if (req.version === 20 && !H2_RESPONSES.has(fault.code)) throw resetOf(fault);
  if (fault.code === "load-shed") return nack(req, fault);
  const isUnbound = fault.code === "no-route" || fault.code === "no-endpoints";
  const service = isUnbound ? routed?.service : undefined;
  if (service === undefined) return reply(req, fault, textOf(req, fault, routed), options);
  const tried = await service.explain();
  const text = unbound(fault, routed!, options.dtab);
  const rsp = reply(req, fault, text, options);
  const isJson = (header(req.headers, "accept") ?? "").includes("application/json");
  if (isJson) setHeader(rsp.headers, "content-type", "application/json");
  const more = isJson
    ? reportOf(fault, routed!, tried, options.dtab)
    : `${text}${tried === undefined ? "" : `what was tried:\n${printDelegation(tried, "  ")}\n`}`;
  rsp.body = bodyOf(more, options);
  return rsp;
}

function reply(req: HttpReq, fault: Fault, text: string, options: AnswerOptions): HttpRsp {
  const error = encodeURIComponent(text).replaceAll("%20", "+").slice(0, MAX_HEADER_BYTES);
  const headers: Headers = ["content-type", "text/plain", "l5d-err", error.replace(/%.?$/, "")];
  if (fault.retryable && fault.code !== "no-endpoints" && fault.code !== "no-route") {
    headers.push("l5d-retryable", "true");
  }
  const rsp = new HttpRsp(STATUSES[fault.code] ?? 502, headers, bodyOf(text, options), req.version);
  rsp.fault = fault;
  return rsp;
}

function bodyOf(text: string, { maxBodyBytes }: AnswerOptions): Body {
  return Body.of(Buffer.from(text).subarray(0, maxBodyBytes));
}

// Finagle's negative acknowledgement.
function nack(req: HttpReq, fault: Fault): HttpRsp {
  const headers = ["content-type", "text/plain", "finagle-http-nack", "true", "retry-after", "0"];
  const rsp = new HttpRsp(503, headers, Body.of(NACK), req.version);
  rsp.fault = fault;
  return rsp;
}

function textOf(req: HttpReq, fault: Fault, routed: Routed | undefined): string {
  const name = routed?.name?.text ?? "unspecified";
  switch (fault.code) {
    case "request-timeout":
    case "response-timeout": {
      const isWhole = fault.code === "request-timeout";
      const ms = isWhole
        ? routed?.service?.settings.totalTimeoutMs
        : routed?.client?.settings.requestAttemptTimeoutMs;
      // A server's own limit has no words of Linkerd 1's.
      if (ms === undefined) return fault.message;
      const what = isWhole
        ? "the request, including retries (if applicable)"
        : "an individual request, excluding retries";
      return `exceeded ${printDuration(ms)} to ${name} while waiting for a response for ${what}. Remote Info: Not Available`;
    }
    case "connect-failed":
    case "connect-timeout":
      return unconnected(req, fault, routed, name);
    default:
      return fault.message;
  }
}

function unconnected(req: HttpReq, fault: Fault, routed: Routed | undefined, name: string): string {
  const endpoint = selectedOf(req);
  const client = routed?.client;
  if (endpoint === undefined || client === undefined) return fault.message;
  const selected = printAddr(endpoint.target);
  const all = [...client.balancer.endpoints.keys()].join(", ");
  return [
    `Unable to establish connection to ${selected}.`,
    "",
    `service name: ${name}`,
    `client name: ${client.id}`,
    `addresses: [${all}]`,
    `selected address: ${selected}`,
    `reason: ${fault.message}`,
    "",
  ].join("\n");
}

function unbound(fault: Fault, routed: Routed, base: Dtab): string {
  const list = (dtab: Dtab): string[] =>
    rules(dtab).map(({ prefix, dst }) => `  ${prefix} => ${dst}`);
  return [
    "Unable to route request!",
    "",
    `service name: ${routed.name!.text}`,
    "dtab:",
    "base dtab:",
    ...list(base),
    "override dtab:",
    ...list(routed.dtab.dtab),
    "",
    `reason: ${fault.message}`,
    "",
  ].join("\n");
}

function reportOf(
  { message: reason }: Fault,
  { name, dtab }: Routed,
  tried: Delegation | undefined,
  base: Dtab,
): string {
  const error = "Unable to route request!";
  const [baseDtab, overrideDtab] = [rules(base), rules(dtab.dtab)];
  const report = { error, reason, service: name!.text, baseDtab, overrideDtab, tried };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

function rules(dtab: Dtab): { prefix: string; dst: string }[] {
  return dtab.map(({ prefix, dst }) => ({ prefix: printPrefix(prefix), dst: printTree(dst) }));
}

function resetOf(fault: Fault): Fault {
  if (fault.code === "reset" || fault.code === "refused-stream" || fault.code === "cancelled")
    return fault;
  const detail = fault.code === "bad-request" ? H2.REFUSED_STREAM : H2.INTERNAL_ERROR;
  return new Fault("reset", fault.message, { side: fault.side, cause: fault, detail });
}
