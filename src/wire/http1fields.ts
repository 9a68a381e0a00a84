// The field lines of an HTTP/1 head, and of trailers (RFC 9112 §5): one pass over the bytes checks every octet
// and cuts names and values out of the text. Whatever two parsers could read differently is refused, and what
// the lines say of framing and of the connection is remembered here, so that nobody looks them up again.

import { Fault, type FaultCode, type Side } from "../base/fault.ts";
import { hasToken, type Headers } from "./headers.ts";
import { stripHopByHop } from "./hopbyhop.ts";
import type { Http1Limits } from "./limits.ts";
import { COLON, CR, LF, OCTETS, SPACE, TAB, TOKEN, VALUE } from "./octets.ts";

/** Whose heads are parsed: decides what a mistake is called and who made it. */
export type Http1Kind = "request" | "response";

// A block of fields that is worth remembering: clients and servers send the same ones again and again.
const MEMO_BYTES = 2048;
// Lengths of the names that `note` knows.
const NOTED = new Set(
  "te host expect upgrade connection keep-alive content-length http2-settings proxy-connection transfer-encoding"
    .split(" ")
    .map((name) => name.length),
);
const IS_NOTED = Uint8Array.from({ length: 32 }, (_, length) => (NOTED.has(length) ? 1 : 0));
const MAX_LENGTH_DIGITS = 15;

export class Http1Fields {
  /** The fields in order, without those of the connection; a new list for each head. */
  headers: Headers = [];
  /** Content-Length in bytes, or -1. */
  contentLength = -1;
  /** The value of Transfer-Encoding. */
  transferEncoding: string | undefined = undefined;
  host: string | undefined = undefined;
  expect: string | undefined = undefined;
  /** The value of Upgrade; the field itself stays in `headers` only where `keepUpgrade` says so. */
  upgrade: string | undefined = undefined;
  /** The options of Connection (RFC 9110 §7.6.1). */
  close = false;
  keepAlive = false;
  connectionUpgrade = false;
  /** The sender takes trailers (TE: trailers). */
  takesTrailers = false;
  readonly limits: Http1Limits;
  private readonly what: Http1Kind;
  private readonly keepUpgrade: (fields: Http1Fields) => boolean;
  private hopByHop = false;
  private memo = "";
  private template: Headers = [];

  constructor(
    what: Http1Kind,
    limits: Http1Limits,
    keepUpgrade: (fields: Http1Fields) => boolean = () => false,
  ) {
    this.what = what;
    this.limits = limits;
    this.keepUpgrade = keepUpgrade;
  }

  /** Reads from `at` to the empty line; returns where the head ends, or 0 when it is incomplete.
   * `text` is the latin1 text of `bytes`. Throws a Fault. */
  parse(bytes: Buffer, text: string, at: number): number {
    if (this.memo !== "" && text.startsWith(this.memo, at)) {
      this.headers = this.template.slice();
      return at + this.memo.length;
    }
    this.reset();
    const end = this.parseLines(bytes, text, at);
    if (end === 0) return 0;
    if (this.hopByHop) stripHopByHop(this.headers, this.keepUpgrade(this));
    if (end - at <= MEMO_BYTES && this.upgrade === undefined) {
      this.memo = text.slice(at, end);
      this.template = this.headers.slice();
    }
    return end;
  }

  /** The mistake that the sender made, as a fault. */
  bad(message: string, code: FaultCode = "bad-request"): Fault {
    const side: Side = this.what === "request" ? "client" : "upstream";
    return new Fault(this.what === "request" ? code : "bad-response", message, { side });
  }

  tooLarge(): Fault {
    const { headBytes } = this.limits;
    return this.bad(
      `the head of the ${this.what} is larger than ${headBytes} bytes`,
      "headers-too-large",
    );
  }

  private reset(): void {
    this.headers = [];
    this.contentLength = -1;
    this.transferEncoding = undefined;
    this.host = undefined;
    this.expect = undefined;
    this.upgrade = undefined;
    this.close = false;
    this.keepAlive = false;
    this.connectionUpgrade = false;
    this.takesTrailers = false;
    this.hopByHop = false;
    this.memo = "";
  }

  private parseLines(bytes: Buffer, text: string, from: number): number {
    const { headers } = this;
    const size = text.length;
    let at = from;
    while (at < size) {
      if (bytes[at] === CR) {
        if (at + 1 === size) return 0;
        if (bytes[at + 1] !== LF) throw this.bad("a carriage return without its line feed");
        return at + 2;
      }
      const start = at;
      while (at < size && OCTETS[bytes[at]!]! & TOKEN) at++;
      if (at === size) return 0;
      if (bytes[at] !== COLON || at === start) throw this.badName(bytes[at]!, at === start);
      const name = text.slice(start, at++);
      while (at < size && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const valueStart = at;
      while (at < size && OCTETS[bytes[at]!]! & VALUE) at++;
      if (at + 1 >= size && (at === size || bytes[at] === CR)) return 0;
      if (bytes[at] !== CR || bytes[at + 1] !== LF) throw this.badValue(name, bytes[at]!);
      let valueEnd = at;
      while (
        valueEnd > valueStart &&
        (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)
      )
        valueEnd--;
      at += 2;
      const value = text.slice(valueStart, valueEnd);
      headers.push(name, value);
      if (IS_NOTED[name.length] === 1) this.note(name, value);
      if (headers.length > 2 * this.limits.fields) {
        throw this.bad(`more than ${this.limits.fields} fields`, "headers-too-large");
      }
    }
    return 0;
  }

  private note(name: string, value: string): void {
    switch (name.toLowerCase()) {
      case "host":
        if (this.host !== undefined) throw this.bad("Host stands twice");
        this.host = value;
        break;
      case "content-length":
        this.noteLength(value);
        break;
      case "transfer-encoding":
        if (this.transferEncoding !== undefined) throw this.bad("Transfer-Encoding stands twice");
        this.transferEncoding = value;
        this.hopByHop = true;
        break;
      case "connection":
        this.noteConnection(value);
        break;
      case "upgrade":
        this.upgrade = this.upgrade === undefined ? value : `${this.upgrade}, ${value}`;
        this.hopByHop = true;
        break;
      case "te":
        if (hasToken(value, "trailers")) this.takesTrailers = true;
        this.hopByHop = true;
        break;
      case "keep-alive":
      case "proxy-connection":
      case "http2-settings":
        this.hopByHop = true;
        break;
      case "expect":
        this.expect = this.expect === undefined ? value : `${this.expect}, ${value}`;
        break;
      case "content_length":
      case "transfer_encoding":
        // Some servers take the underscore for a dash (CGI variables), others ignore the field.
        throw this.bad(`the field ${name} could be taken for ${name.replace("_", "-")}`);
      default:
    }
  }

  private noteLength(value: string): void {
    if (this.contentLength >= 0) throw this.bad("Content-Length stands twice");
    if (!/^[0-9]+$/.test(value) || value.length > MAX_LENGTH_DIGITS) {
      throw this.bad(`Content-Length must be a number of bytes, not ${JSON.stringify(value)}`);
    }
    this.contentLength = Number(value);
    // Leading zeros look octal to some.
    this.headers[this.headers.length - 1] = String(this.contentLength);
  }

  private noteConnection(value: string): void {
    this.hopByHop = true;
    for (const option of value.toLowerCase().split(",")) {
      const name = option.trim();
      if (name === "close") this.close = true;
      else if (name === "keep-alive") this.keepAlive = true;
      else if (name === "upgrade") this.connectionUpgrade = true;
    }
  }

  private badName(octet: number, empty: boolean): Fault {
    if (octet === SPACE || octet === TAB) {
      return this.bad(
        empty
          ? "a field line that starts with a blank (line folding is obsolete)"
          : "a blank inside a field name or before its colon",
      );
    }
    if (octet === LF || octet === CR)
      return this.bad("a field line without a colon, or a bare line break");
    return this.bad(`a field name with the octet ${octet}`);
  }

  private badValue(name: string, octet: number): Fault {
    if (octet === LF)
      return this.bad(`a line feed without its carriage return in the field ${name}`);
    if (octet === CR)
      return this.bad(`a carriage return without its line feed in the field ${name}`);
    return this.bad(`the control character ${octet} in the field ${name}`);
  }
}
