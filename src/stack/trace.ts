// Spans of requests that somebody traces. The context comes from W3C `traceparent`, else from B3 fields; a request
// that is not sampled passes untouched, and without a sink there is no filter at all. `grpc-trace-bin` is passed
// on as it is. Where spans go is the sink's business.

import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { HttpReq } from "../io/message.ts";
import { header, type Headers, setHeader } from "../wire/headers.ts";
import { Exchange, type Watcher } from "./exchange.ts";
import { pathOf } from "./route.ts";
import type { HttpFilter } from "./types.ts";

/** Which trace a request belongs to; ids in lower-case hexadecimal, 32 and 16 digits. */
export type TraceContext = {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
  readonly format: "w3c" | "b3" | "b3single";
};

export type Span = {
  readonly kind: "server" | "client";
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentId: string;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string | number>>;
};

export interface SpanSink {
  span(span: Span): void;
}

export type TraceOptions = {
  readonly kind: Span["kind"];
  /** Nobody collects spans when undefined. */
  readonly sink: SpanSink | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Joins the attributes of each span, for example the direction. */
  readonly attributes?: Readonly<Record<string, string>>;
};

/** Makes a span of each sampled request, and makes it the parent of those that follow. */
export function trace(options: TraceOptions): HttpFilter {
  const { kind, sink, clock, random, attributes = {} } = options;
  if (sink === undefined) return (next) => next;
  return (next) =>
    function trace(req) {
      const context = traceContextOf(req.headers);
      if (context === undefined || !context.sampled) return next(req);
      const spanId = hex(random, 2);
      const start = clock.wall();
      const finish: Watcher["end"] = (x) => {
        sink.span({
          kind,
          name: pathOf(req),
          traceId: context.traceId,
          spanId,
          parentId: context.spanId,
          start,
          end: start + (x.endAt - x.at),
          failed: !x.success,
          attributes: { ...attributes, ...attributesOf(x) },
        });
      };
      setParent(req.headers, context, spanId);
      const watcher = { begin() {}, head() {}, end: finish };
      return new Exchange(req, clock.now(), clock, [watcher]).through(next);
    };
}

/** The trace of a request, by its fields; undefined when it has none that can be read. */
export function traceContextOf(headers: Headers): TraceContext | undefined {
  const w3c = header(headers, "traceparent");
  if (w3c !== undefined) return parseTraceparent(w3c);
  const single = header(headers, "b3");
  if (single !== undefined) return parseB3(single);
  const traceId = header(headers, "x-b3-traceid");
  const spanId = header(headers, "x-b3-spanid");
  if (traceId === undefined || spanId === undefined) return undefined;
  const debug = header(headers, "x-b3-flags") === "1";
  const sampled = header(headers, "x-b3-sampled");
  return b3(traceId, spanId, debug || sampled === "1" || sampled === "true", "b3");
}

// https://www.w3.org/TR/trace-context/#traceparent-header; a later version may have more parts.
function parseTraceparent(text: string): TraceContext | undefined {
  const [, version, traceId, spanId, flags, rest] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text.trim()) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && rest)) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined;
  const sampled = (Number.parseInt(flags!, 16) & 1) === 1;
  return { traceId: traceId!, spanId: spanId!, sampled, format: "w3c" };
}

// traceid-spanid[-sampled[-parentid]]; a lone "0" says only not to sample.
function parseB3(text: string): TraceContext | undefined {
  const [traceId, spanId, sampled] = text.trim().split("-");
  if (spanId === undefined) return undefined;
  return b3(traceId!, spanId, sampled === "1" || sampled === "d", "b3single");
}

function b3(
  traceId: string,
  spanId: string,
  sampled: boolean,
  format: "b3" | "b3single",
): TraceContext | undefined {
  if (!/^[0-9a-f]{16}(?:[0-9a-f]{16})?$/i.test(traceId)) return undefined;
  if (!/^[0-9a-f]{16}$/i.test(spanId)) return undefined;
  const id = traceId.toLowerCase().padStart(32, "0");
  return { traceId: id, spanId: spanId.toLowerCase(), sampled, format };
}

function setParent(headers: Headers, context: TraceContext, spanId: string): void {
  const { format, traceId, spanId: parentId } = context;
  if (format === "w3c") {
    setHeader(headers, "traceparent", `00-${traceId}-${spanId}-01`);
  } else if (format === "b3single") {
    setHeader(headers, "b3", `${traceId}-${spanId}-1-${parentId}`);
  } else {
    setHeader(headers, "x-b3-spanid", spanId);
    setHeader(headers, "x-b3-parentspanid", parentId);
  }
}

function attributesOf(x: Exchange): Record<string, string | number> {
  const { req, rsp } = x;
  return {
    "http.request.method": req.method,
    "url.path": pathOf(req),
    "server.address": req.authority,
    ...clientOf(req),
    ...(rsp === undefined ? {} : { "http.response.status_code": rsp.status }),
    ...(x.grpcStatus === undefined ? {} : { "rpc.grpc.status_code": x.grpcStatus }),
    ...(x.fault === undefined ? {} : { "error.type": x.fault.code }),
  };
}

function clientOf(req: HttpReq): Record<string, string> {
  const { remote, tls } = req.peer;
  const identity = tls.kind === "true" ? { "tls.client.subject": tls.identity } : {};
  return { "client.address": remote.ip, ...identity };
}

function hex(random: Random, words: number): string {
  let text = "";
  for (let i = 0; i < words; i++) {
    text += Math.floor(random.next() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  }
  return text;
}
