// Where a request stands in a trace, in the three ways in which it is told: Linkerd 1's `l5d-ctx-trace`, Zipkin's
// `x-b3-*` and W3C's `traceparent`. Each request makes two ids, most of which nobody reads: they are numbers, and become
// text where they are told.

import type { Random } from "../base/random.ts";

const DEBUG = 1;
const SAMPLING_KNOWN = 2;
const SAMPLED = 4;
const ID_DIGITS = 16;
const bytes = Buffer.alloc(40);
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** 64 bits, as two signed numbers. */
export class Id {
  readonly high: number;
  readonly low: number;

  constructor(high: number, low: number) {
    this.high = high;
    this.low = low;
  }

  static random(random: Random): Id {
    return new Id((random.next() * 0x1_0000_0000) | 0, (random.next() * 0x1_0000_0000) | 0);
  }

  /** Reads up to 16 hexadecimal digits. */
  static parse(text: string): Id {
    const digits = text.padStart(ID_DIGITS, "0");
    const [high, low] = [digits.slice(0, 8), digits.slice(8)];
    return new Id(Number.parseInt(high, 16) | 0, Number.parseInt(low, 16) | 0);
  }

  /** 16 hexadecimal digits. */
  get text(): string {
    put(this, 0);
    return bytes.toString("hex", 0, 8);
  }
}

export class TraceId {
  /** The upper half of a long trace id, 16 digits; empty for a short one. */
  readonly upper: string;
  readonly trace: Id;
  readonly parent: Id;
  /** The span of the request as its router serves it. */
  readonly span: Id;
  /** Undefined when nobody has decided yet. */
  readonly sampled: boolean | undefined;
  readonly debug: boolean;

  constructor(
    upper: string,
    trace: Id,
    parent: Id,
    span: Id,
    sampled: boolean | undefined,
    debug: boolean,
  ) {
    this.upper = upper;
    this.trace = trace;
    this.parent = parent;
    this.span = span;
    this.sampled = sampled;
    this.debug = debug;
  }

  /** 16 or 32 digits, as are those below. */
  get traceId(): string {
    return this.upper + this.trace.text;
  }

  get parentId(): string {
    return this.parent.text;
  }

  get spanId(): string {
    return this.span.text;
  }

  /** The same place, with that decided. */
  as(sampled: boolean): TraceId {
    return new TraceId(this.upper, this.trace, this.parent, this.span, sampled, this.debug);
  }
}

/** The trace of a request that comes with none. */
export function newTrace(random: Random, sampled: boolean | undefined): TraceId {
  const id = Id.random(random);
  return new TraceId("", id, id, id, sampled, false);
}

/** The span below `trace`, for what it causes. */
export function childOf({ upper, trace, span, sampled, debug }: TraceId, random: Random): TraceId {
  return new TraceId(upper, trace, span, Id.random(random), sampled, debug);
}

/** The same number, 0 to 1, for everybody who sees this trace: what is below their rate is sampled. */
export function chanceOf({ trace }: TraceId): number {
  return (trace.low >>> 0) / 0x1_0000_0000;
}

/** `l5d-ctx-trace`: base64 of span, parent, trace and flags, and of the upper half of a long trace id. */
export function printL5dTrace(id: TraceId): string {
  put(id.span, 0);
  put(id.parent, 8);
  put(id.trace, 16);
  view.setInt32(24, 0);
  view.setInt32(28, flagsOf(id));
  if (id.upper === "") return bytes.toString("base64", 0, 32);
  put(Id.parse(id.upper), 32);
  return bytes.toString("base64", 0, 40);
}

/** Reads `l5d-ctx-trace`; undefined when it is not one. */
export function parseL5dTrace(text: string): TraceId | undefined {
  const read = Buffer.from(text, "base64");
  if (read.length !== 32 && read.length !== 40) return undefined;
  const at = (from: number): Id => new Id(read.readInt32BE(from), read.readInt32BE(from + 4));
  const flags = read[31]!;
  const debug = (flags & DEBUG) !== 0;
  const sampled = debug || ((flags & SAMPLING_KNOWN) === 0 ? undefined : (flags & SAMPLED) !== 0);
  const upper = read.length === 40 ? at(32).text : "";
  return new TraceId(upper, at(16), at(8), at(0), sampled, debug);
}

function put({ high, low }: Id, at: number): void {
  view.setInt32(at, high);
  view.setInt32(at + 4, low);
}

function flagsOf({ sampled, debug }: TraceId): number {
  const known = sampled === undefined ? 0 : SAMPLING_KNOWN | (sampled ? SAMPLED : 0);
  return known | (debug ? DEBUG : 0);
}
