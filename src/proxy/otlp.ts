// Spans on their way to a collector (OTLP over gRPC, opentelemetry-proto 1.x). They are batched; when the
// collector is slow or away, new ones are dropped: traces are for looking, and may not cost memory.

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Clock, Timer } from "../base/clock.ts";
import type { Counter } from "../base/metrics.ts";
import { Body } from "../io/body.ts";
import { HttpReq, SELF } from "../io/message.ts";
import { grpcStatusOf } from "../stack/classify.ts";
import { timeout } from "../stack/timeout.ts";
import type { Span, SpanSink } from "../stack/trace.ts";
import type { HttpService } from "../stack/types.ts";
import { envelope } from "../wire/grpc.ts";

export type OtlpOptions = {
  readonly clock: Clock;
  /** `:authority` of the calls. */
  readonly authority: string;
  /** What describes this proxy. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Spans that were sent and that were not, and requests to the collector that failed. */
  readonly counters: {
    readonly sent: Counter;
    readonly dropped: Counter;
    readonly failed: Counter;
  };
};

const PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/** Spans that wait; beyond it new ones are dropped. */
const BUFFER = 1000;
const FLUSH_MS = 1000;
/** How long a collector may take to answer. */
const SEND_MS = 10_000;

export class Otlp implements SpanSink {
  readonly #service: HttpService;
  readonly #options: OtlpOptions;
  readonly #timer: Timer;
  #waiting: Span[] = [];
  #sending = false;

  constructor(service: HttpService, options: OtlpOptions) {
    this.#service = timeout({ requestMs: SEND_MS }, options.clock)(service);
    this.#options = options;
    this.#timer = options.clock.every(FLUSH_MS, () => this.#flush());
  }

  span(span: Span): void {
    if (this.#waiting.length < BUFFER) this.#waiting.push(span);
    else this.#options.counters.dropped.inc();
  }

  /** Sends what is left, and nothing after that. */
  close(): void {
    this.#timer.cancel();
    this.#flush();
  }

  #flush(): void {
    if (this.#sending || this.#waiting.length === 0) return;
    const spans = this.#waiting;
    this.#waiting = [];
    this.#sending = true;
    const { sent, dropped, failed } = this.#options.counters;
    this.#send(spans).then(
      () => {
        this.#sending = false;
        sent.add(spans.length);
      },
      () => {
        this.#sending = false;
        failed.inc();
        dropped.add(spans.length);
      },
    );
  }

  async #send(spans: readonly Span[]): Promise<void> {
    const { authority, clock, attributes } = this.#options;
    const headers = ["te", "trailers", "content-type", "application/grpc"];
    const body = Body.of(envelope(encode(spans, attributes)));
    const req = new HttpReq("POST", PATH, authority, 20, headers, body, SELF, clock.now());
    req.scheme = "http";
    const rsp = await this.#service(req);
    await new Promise<void>((resolve, reject) => {
      rsp.body.onEnd(({ fault, trailers }) => {
        const status = grpcStatusOf(rsp, trailers);
        if (fault === undefined && status === 0) resolve();
        else reject(fault ?? new Error(`the collector answered ${status ?? rsp.status}`));
      });
      rsp.body.discard();
    });
  }
}

// ExportTraceServiceRequest, by its field numbers.
function encode(spans: readonly Span[], attributes: Readonly<Record<string, string>>): Uint8Array {
  return message((request) =>
    nested(request, 1, (resourceSpans) => {
      nested(resourceSpans, 1, (resource) => encodeAttributes(resource, 1, attributes));
      nested(resourceSpans, 2, (scopeSpans) => {
        nested(scopeSpans, 1, (scope) => scope.tag(1, 2).string("linkerd-proxy"));
        for (const span of spans) nested(scopeSpans, 2, (writer) => encodeSpan(writer, span));
      });
    }),
  );
}

function encodeSpan(writer: BinaryWriter, span: Span): void {
  writer.tag(1, 2).bytes(Buffer.from(span.traceId, "hex"));
  writer.tag(2, 2).bytes(Buffer.from(span.spanId, "hex"));
  if (span.parentId !== "") writer.tag(4, 2).bytes(Buffer.from(span.parentId, "hex"));
  writer.tag(5, 2).string(span.name);
  writer.tag(6, 0).int32(span.kind === "server" ? 2 : 3);
  writer.tag(7, 1).fixed64(nanoseconds(span.start));
  writer.tag(8, 1).fixed64(nanoseconds(span.end));
  encodeAttributes(writer, 9, span.attributes);
  nested(writer, 15, (status) => status.tag(3, 0).int32(span.failed ? 2 : 1));
}

function encodeAttributes(
  writer: BinaryWriter,
  field: number,
  attributes: Readonly<Record<string, string | number>>,
): void {
  for (const [key, value] of Object.entries(attributes)) {
    nested(writer, field, (pair) => {
      pair.tag(1, 2).string(key);
      nested(pair, 2, (any) => {
        if (typeof value === "string") any.tag(1, 2).string(value);
        else any.tag(3, 0).int64(BigInt(Math.round(value)));
      });
    });
  }
}

function nested(writer: BinaryWriter, field: number, fill: (inner: BinaryWriter) => unknown): void {
  writer.tag(field, 2).bytes(message(fill));
}

function message(fill: (writer: BinaryWriter) => unknown): Uint8Array {
  const writer = new BinaryWriter();
  fill(writer);
  return writer.finish();
}

// Fractions of a millisecond count; a double cannot hold today in nanoseconds.
function nanoseconds(ms: number): bigint {
  const whole = Math.floor(ms);
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((ms - whole) * 1e6));
}
