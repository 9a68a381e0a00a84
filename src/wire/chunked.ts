// The chunked transfer coding (RFC 9112 §7.1), read byte by byte where it is text and in whole slices where it is data.
// Sizes are plain hexadecimal, lines end in CR LF, extensions are checked and dropped, trailers are fields like any
// others but must not speak of framing. It throws a Fault at the first octet that is wrong.

import { Fault } from "../base/fault.ts";
import type { Headers } from "./headers.ts";
import { Http1Fields, type Http1Kind } from "./http1fields.ts";
import { latin1 } from "./latin1.ts";
import { HTTP1_LIMITS, type Http1Limits } from "./limits.ts";
import { CR, LF, OCTETS, VALUE } from "./octets.ts";
import { Pieces } from "./pieces.ts";

/** Where the data of the chunks goes. */
export interface ChunkSink {
  push(data: Buffer): unknown;
}

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILERS = 6;
const DONE = 7;

// 13 hexadecimal digits count every byte that a number counts exactly.
const MAX_DIGITS = 13;
const LINE_BYTES = 256;
const SEMICOLON = 59;

// Fields that would change how the message is read if they came after it (RFC 9110 §6.5.1).
const NOT_IN_TRAILERS =
  /^(?:transfer-encoding|content-length|content-encoding|content-type|content-range|host|connection|keep-alive|proxy-connection|upgrade|te|trailer|expect|max-forwards|range|authorization|proxy-authorization|set-cookie|cookie)$/i;

export class ChunkedDecoder {
  trailers: Headers | undefined = undefined;
  private state = SIZE;
  private left = 0;
  private digits = 0;
  private lineBytes = 0;
  /** The trailers so far, when they came in pieces. */
  private held: Pieces | undefined = undefined;
  private readonly what: Http1Kind;
  private readonly limits: Http1Limits;

  constructor(what: Http1Kind, limits: Http1Limits = HTTP1_LIMITS) {
    this.what = what;
    this.limits = limits;
  }

  get done(): boolean {
    return this.state === DONE;
  }

  /** Reads `bytes` from `at`, gives the data to `sink`, and returns where it stopped: the end, or past the body. */
  decode(bytes: Buffer, at: number, sink: ChunkSink): number {
    while (at < bytes.length && this.state !== DONE) {
      if (this.state === DATA) {
        const end = Math.min(bytes.length, at + this.left);
        this.left -= end - at;
        if (this.left === 0) this.state = DATA_CR;
        sink.push(bytes.subarray(at, end));
        at = end;
      } else if (this.state === TRAILERS) {
        return this.readTrailers(bytes, at);
      } else {
        this.step(bytes[at++]!);
      }
    }
    return at;
  }

  private step(octet: number): void {
    switch (this.state) {
      case SIZE:
        this.lineBytes++;
        if (this.digits > 0 && octet === CR) this.state = SIZE_LF;
        else if (this.digits > 0 && octet === SEMICOLON) this.state = EXTENSION;
        else this.addDigit(octet);
        break;
      case EXTENSION:
        if (++this.lineBytes > LINE_BYTES) throw this.bad("a chunk extension that is too long");
        if (octet === CR) this.state = SIZE_LF;
        else if (!(OCTETS[octet]! & VALUE))
          throw this.bad("a control character in a chunk extension");
        break;
      case SIZE_LF:
        if (octet !== LF) throw this.bad("a chunk size line that does not end in CR LF");
        this.state = this.left === 0 ? TRAILERS : DATA;
        this.digits = 0;
        this.lineBytes = 0;
        break;
      case DATA_CR:
        if (octet !== CR) throw this.bad("a chunk that is longer than its size");
        this.state = DATA_LF;
        break;
      default:
        if (octet !== LF) throw this.bad("a chunk that does not end in CR LF");
        this.state = SIZE;
    }
  }

  private addDigit(octet: number): void {
    const digit = hexDigit(octet);
    if (digit < 0) throw this.bad("a chunk size that is not a hexadecimal number");
    if (++this.digits > MAX_DIGITS) throw this.bad("a chunk size with too many digits");
    this.left = this.left * 16 + digit;
  }

  private readTrailers(bytes: Buffer, at: number): number {
    // Most messages have none.
    if (this.held === undefined && bytes[at] === CR && bytes[at + 1] === LF) {
      this.state = DONE;
      return at + 2;
    }
    const before = this.held?.size ?? 0;
    const { headBytes } = this.limits;
    const here = bytes.subarray(at, at + headBytes);
    if (this.held?.add(here) === false) return bytes.length;
    const all = this.held?.bytes ?? here;
    const fields = new Http1Fields(this.what, this.limits);
    const end = fields.parse(all, latin1(all, 0, Math.min(all.length, headBytes)), 0);
    if (end === 0) {
      if (all.length >= headBytes) throw fields.tooLarge();
      if (this.held === undefined) (this.held = new Pieces()).add(here);
      return bytes.length;
    }
    this.state = DONE;
    this.held = undefined;
    this.trailers = this.checked(fields);
    return at + end - before;
  }

  private checked(fields: Http1Fields): Headers {
    if (fields.transferEncoding !== undefined || fields.contentLength >= 0) {
      throw this.bad("a framing field in the trailers");
    }
    for (let i = 0; i < fields.headers.length; i += 2) {
      if (NOT_IN_TRAILERS.test(fields.headers[i]!)) {
        throw this.bad(`the field ${fields.headers[i]} in the trailers`);
      }
    }
    return fields.headers;
  }

  private bad(message: string): Fault {
    return this.what === "request"
      ? new Fault("bad-request", message, { side: "client" })
      : new Fault("bad-response", message, { side: "upstream" });
  }
}

/** A chunk of `size` bytes begins with this, and ends with CR LF. */
export function printChunkSize(size: number): string {
  return `${size.toString(16)}\r\n`;
}

function hexDigit(octet: number): number {
  if (octet >= 48 && octet <= 57) return octet - 48;
  const lower = octet | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
