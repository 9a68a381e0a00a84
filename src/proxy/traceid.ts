// Where a request stands in a trace, in the three ways in which it is told: Linkerd 1's `l5d-ctx-trace`, Zipkin's
// `x-b3-*` and W3C's `traceparent`. Ids are hexadecimal text; the binary form exists only inside l5d-ctx-trace.

import type { Random } from "../base/random.ts";

export type TraceId = {
  /** 16 or 32 digits. */
  readonly traceId: string;
  readonly parentId: string;
  /** The span of the request as its router serves it. */
  readonly spanId: string;
  /** Undefined when nobody has decided yet. */
  readonly sampled: boolean | undefined;
  readonly debug: boolean;
};

const DEBUG = 1;
const SAMPLING_KNOWN = 2;
const SAMPLED = 4;
const ID_DIGITS = 16;
const bytes = Buffer.alloc(40);

/** The trace of a request that comes with none. */
export function newTrace(random: Random, sampled: boolean | undefined): TraceId {
  const id = newId(random);
  return { traceId: id, parentId: id, spanId: id, sampled, debug: false };
}

/** The span below `trace`, for what it causes. */
export function childOf(trace: TraceId, random: Random): TraceId {
  return { ...trace, parentId: trace.spanId, spanId: newId(random) };
}

/** A random id of 16 digits. */
export function newId(random: Random): string {
  const half = (): string =>
    Math.floor(random.next() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  return half() + half();
}

/** The same number, 0 to 1, for everybody who sees this trace: what is below their rate is sampled. */
export function chanceOf({ traceId }: TraceId): number {
  return Number.parseInt(traceId.slice(-8), 16) / 0x1_0000_0000;
}

/** `l5d-ctx-trace`: base64 of span, parent, trace and flags, and of the upper half of a long trace id. */
export function printL5dTrace(trace: TraceId): string {
  const { traceId, parentId, spanId } = trace;
  bytes.write(spanId, 0, "hex");
  bytes.write(parentId, 8, "hex");
  bytes.write(traceId.slice(-ID_DIGITS), 16, "hex");
  bytes.fill(0, 24, 32);
  bytes[31] = flagsOf(trace);
  const isLong = traceId.length > ID_DIGITS;
  if (isLong) bytes.write(traceId.slice(0, ID_DIGITS), 32, "hex");
  return bytes.toString("base64", 0, isLong ? 40 : 32);
}

/** Reads `l5d-ctx-trace`; undefined when it is not one. */
export function parseL5dTrace(text: string): TraceId | undefined {
  const read = Buffer.from(text, "base64");
  if (read.length !== 32 && read.length !== 40) return undefined;
  const hex = (from: number): string => read.toString("hex", from, from + 8);
  const flags = read[31]!;
  const debug = (flags & DEBUG) !== 0;
  return {
    traceId: (read.length === 40 ? hex(32) : "") + hex(16),
    parentId: hex(8),
    spanId: hex(0),
    sampled: debug || ((flags & SAMPLING_KNOWN) === 0 ? undefined : (flags & SAMPLED) !== 0),
    debug,
  };
}

function flagsOf({ sampled, debug }: TraceId): number {
  const known = sampled === undefined ? 0 : SAMPLING_KNOWN | (sampled ? SAMPLED : 0);
  return known | (debug ? DEBUG : 0);
}
