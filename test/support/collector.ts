// A collector of OpenTelemetry for tests: OTLP over gRPC, its spans in a list.

import type { TestContext } from "node:test";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { systemClock as clock } from "../../src/base/clock.ts";
import { Body } from "../../src/io/body.ts";
import { serveH2 } from "../../src/io/h2server.ts";
import { listen } from "../../src/io/listen.ts";
import { HttpRsp } from "../../src/io/message.ts";

export type CollectedSpan = {
  readonly trace: string;
  readonly span: string;
  /** Empty for the first of a trace. */
  readonly parent: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
};

/** Listens at `ip` until the test is over. */
export async function collector(
  t: TestContext,
  ip: string,
  port: number,
): Promise<{ readonly spans: readonly CollectedSpan[]; readonly port: number }> {
  const spans: CollectedSpan[] = [];
  const listening = await listen({ ip, port }, {}, (conn) => {
    serveH2(
      conn,
      async (req) => {
        const bytes = await req.body.read(1 << 20, () => new Error("too long") as never);
        spans.push(...spansOf(bytes.subarray(5)));
        const head = ["content-type", "application/grpc", "grpc-status", "0"];
        return new HttpRsp(200, head, Body.empty, 20);
      },
      { clock },
    );
  });
  t.after(() => listening.close());
  return { spans, port: listening.addr.port };
}

// The spans of an ExportTraceServiceRequest: resource_spans (1), scope_spans (2), spans (2).
function spansOf(request: Uint8Array): CollectedSpan[] {
  const scopes = fields(request, 1).flatMap((each) => fields(each, 2));
  return scopes
    .flatMap((scope) => fields(scope, 2))
    .map((span) => {
      const hex = (no: number): string => Buffer.from(fields(span, no)[0] ?? "").toString("hex");
      const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? "").toString();
      const attributes = fields(span, 9).map((pair) => {
        const value = fields(pair, 2)[0]!;
        return [text(fields(pair, 1)[0]), text(fields(value, 1)[0])] as const;
      });
      return {
        trace: hex(1),
        span: hex(2),
        parent: hex(4),
        name: text(fields(span, 5)[0]),
        attributes: Object.fromEntries(attributes),
      };
    });
}

function fields(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag();
    if (no === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type);
  }
  return found;
}
