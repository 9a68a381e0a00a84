// gRPC as it stands on HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md): length-prefixed messages, status numbers, the texts of
// grpc-message and grpc-timeout. It neither compresses nor knows what a message holds.

import { H2 } from "./h2error.ts";

/** Status codes by their names (grpc/doc/statuscodes.md). */
export const GRPC = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatus = keyof typeof GRPC;

const NAMES = Object.keys(GRPC) as GrpcStatus[];

/** The name of a status number; UNKNOWN for one that nobody knows. */
export function grpcStatusName(status: number): GrpcStatus {
  return NAMES[status] ?? "UNKNOWN";
}

/** What an HTTP status means to a gRPC client that got no grpc-status (grpc/doc/http-grpc-status-mapping.md). */
export function grpcOfHttp(status: number): GrpcStatus {
  switch (status) {
    case 400:
      return "INTERNAL";
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "UNIMPLEMENTED";
    case 429:
    case 502:
    case 503:
    case 504:
      return "UNAVAILABLE";
    default:
      return "UNKNOWN";
  }
}

/** What the HTTP/2 error code of an RST_STREAM means to gRPC. */
export function grpcOfReset(code: number): GrpcStatus {
  switch (code) {
    case H2.REFUSED_STREAM:
      return "UNAVAILABLE";
    case H2.CANCEL:
      return "CANCELLED";
    case H2.ENHANCE_YOUR_CALM:
      return "RESOURCE_EXHAUSTED";
    case H2.INADEQUATE_SECURITY:
      return "PERMISSION_DENIED";
    default:
      return "INTERNAL";
  }
}

const PREFIX_BYTES = 5;

/** A message with its prefix: a byte that says whether it is compressed (never, here), and its length. */
export function envelope(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

/** Takes messages out of chunks that were cut anywhere. A message within one chunk is not copied. */
export class EnvelopeReader {
  private readonly maxMessageBytes: number;
  private readonly prefix = Buffer.alloc(PREFIX_BYTES);
  private prefixBytes = 0;
  private message: Buffer | undefined;
  private messageBytes = 0;

  constructor(maxMessageBytes: number) {
    this.maxMessageBytes = maxMessageBytes;
  }

  /** Whether the bytes so far end between two messages. */
  get complete(): boolean {
    return this.prefixBytes === 0;
  }

  /**
   * Calls `each` with every message that `chunk` completes. Returns the length of a message beyond the limit, after
   * which nothing more can be read; else undefined.
   */
  push(chunk: Buffer, each: (message: Buffer, compressed: boolean) => void): number | undefined {
    let at = 0;
    for (;;) {
      if (this.prefixBytes < PREFIX_BYTES) {
        const taken = chunk.copy(this.prefix, this.prefixBytes, at);
        this.prefixBytes += taken;
        at += taken;
        if (this.prefixBytes < PREFIX_BYTES) return undefined;
      }
      const length = this.prefix.readUInt32BE(1);
      if (length > this.maxMessageBytes) return length;
      let { message } = this;
      if (message === undefined && chunk.length - at >= length) {
        message = chunk.subarray(at, at + length);
        at += length;
      } else {
        message ??= this.message = Buffer.allocUnsafe(length);
        const taken = chunk.copy(message, this.messageBytes, at);
        this.messageBytes += taken;
        at += taken;
        if (this.messageBytes < length) return undefined;
        this.message = undefined;
        this.messageBytes = 0;
      }
      this.prefixBytes = 0;
      each(message, this.prefix[0] === 1);
    }
  }
}

/** A text as grpc-message has it: UTF-8, percent-encoded but for visible ASCII and blanks between it. */
export function printGrpcMessage(text: string): string {
  const bytes = Buffer.from(text);
  let encoded = "";
  bytes.forEach((byte, i) => {
    // No field value of HTTP begins or ends in a blank.
    const first = i === 0 || i === bytes.length - 1 ? 0x21 : 0x20;
    encoded +=
      byte >= first && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return encoded;
}

/** The text of a grpc-message; what is not properly encoded stays as it is. */
export function parseGrpcMessage(encoded: string): string {
  const octets = encoded.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(octets, "latin1").toString();
}

const UNITS_MS: Record<string, number> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The milliseconds of a grpc-timeout, for example "100m"; undefined when it is not one. */
export function parseGrpcTimeout(text: string): number | undefined {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(text);
  return match ? Number(match[1]) * UNITS_MS[match[2]!]! : undefined;
}

/** A grpc-timeout of so many milliseconds, to the next higher unit that fits eight digits. */
export function printGrpcTimeout(ms: number): string {
  for (const unit of ["m", "S", "M"]) {
    const count = Math.ceil(ms / UNITS_MS[unit]!);
    if (count < 1e8) return `${Math.max(0, count)}${unit}`;
  }
  return `${Math.min(99_999_999, Math.ceil(ms / UNITS_MS["H"]!))}H`;
}
