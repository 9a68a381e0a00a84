// Spans as Scribe takes them: Thrift's binary protocol, framed, each span a structure of Zipkin's in base64. Only as
// much of Thrift as this one message needs.

import type { SocketAddr } from "../io/conn.ts";
import type { ZipkinSpan } from "./zipkin.ts";

const BOOL = 2;
const I16 = 6;
const I32 = 8;
const I64 = 10;
const STRING = 11;
const STRUCT = 12;
const LIST = 15;
const STRING_ANNOTATION = 6;
const CALL = 0x8001_0001;

/** The call `Log` with one entry of the category `zipkin` for each span. */
export function scribeFrame(spans: readonly ZipkinSpan[]): Buffer {
  const entries = spans.map((span) =>
    struct([
      field(STRING, 1, text("zipkin")),
      field(STRING, 2, text(spanBytes(span).toString("base64"))),
    ]),
  );
  const message = Buffer.concat([
    u32(CALL),
    text("Log"),
    u32(0),
    struct([field(LIST, 1, list(STRUCT, entries))]),
  ]);
  return Buffer.concat([u32(message.length), message]);
}

function spanBytes(span: ZipkinSpan): Buffer {
  const { trace, name, kind, startUs, durationUs, service, local, tags } = span;
  const host = struct(endpoint(local, service));
  const [begin, end] = kind === "SERVER" ? ["sr", "ss"] : ["cs", "cr"];
  const annotation = (at: number, value: string): Buffer =>
    struct([field(I64, 1, i64(at)), field(STRING, 2, text(value)), field(STRUCT, 3, host)]);
  const tag = ([key, value]: [string, string]): Buffer =>
    struct([
      field(STRING, 1, text(key)),
      field(STRING, 2, text(value)),
      field(I32, 3, u32(STRING_ANNOTATION)),
      field(STRUCT, 4, host),
    ]);
  const isRoot = trace.parentId === trace.spanId;
  const isLong = trace.traceId.length > 16;
  return struct([
    field(I64, 1, hex(trace.traceId.slice(-16))),
    field(STRING, 3, text(name)),
    field(I64, 4, hex(trace.spanId)),
    ...(isRoot ? [] : [field(I64, 5, hex(trace.parentId))]),
    field(
      LIST,
      6,
      list(STRUCT, [annotation(startUs, begin!), annotation(startUs + durationUs, end!)]),
    ),
    field(LIST, 8, list(STRUCT, Object.entries(tags).map(tag))),
    field(BOOL, 9, Buffer.from([trace.debug ? 1 : 0])),
    field(I64, 10, i64(startUs)),
    field(I64, 11, i64(durationUs)),
    ...(isLong ? [field(I64, 12, hex(trace.traceId.slice(0, 16)))] : []),
  ]);
}

function endpoint({ ip, port }: SocketAddr, service: string): Buffer[] {
  const parts = ip.split(".").map(Number);
  const ipv4 = Buffer.from(parts.length === 4 ? parts : [0, 0, 0, 0]);
  const portBytes = Buffer.alloc(2);
  portBytes.writeUInt16BE(port);
  return [field(I32, 1, ipv4), field(I16, 2, portBytes), field(STRING, 3, text(service))];
}

function struct(fields: readonly Buffer[]): Buffer {
  return Buffer.concat([...fields, Buffer.from([0])]);
}

function field(type: number, id: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, id >> 8, id & 0xff]), value]);
}

function list(type: number, items: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([type]), u32(items.length), ...items]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function i64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function hex(id: string): Buffer {
  return Buffer.from(id, "hex");
}
