// The field lines of an HTTP/1 head, and of trailers (RFC 9112 §5): one pass over the bytes checks every octet
// and cuts names and values out of the text. Whatever two parsers could read differently is refused, and what
// the lines say of framing and of the connection is remembered here, so that nobody looks them up again.

import { Fault, type FaultCode, type Side } from "../base/fault.ts";
import { hasToken, type Headers, NameFilter } from "./headers.ts";
import { stripHopByHop } from "./hopbyhop.ts";
import type { Http1Limits } from "./limits.ts";
import { COLON, CR, DIGIT_0, LF, OCTETS, SPACE, TAB, TOKEN, VALUE } from "./octets.ts";

/** Whose heads are parsed: decides what a mistake is called and who made it. */
export type Http1Kind = "request" | "response";

// Senders send most lines again and again, each at its place. A line that is the same as last time is not scanned, and
// gives the same two strings, which whoever prints them can tell at a glance.
type Line = {
  readonly text: string;
  readonly name: string;
  readonly value: string;
  readonly noted: boolean;
};

const MAX_LINES = 64;
const MAX_LINE_BYTES = 512;
const NO_LINE: Line = { text: "\0", name: "", value: "", noted: false };
// Names that `note` knows, with those that could be taken for them.
const NOTED = new NameFilter([
  "te",
  "host",
  "expect",
  "upgrade",
  "connection",
  "keep-alive",
  "content-length",
  "http2-settings",
  "proxy-connection",
  "transfer-encoding",
]);
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
  private readonly lines: Line[] = [];
  /** The whole block, once it has come twice, and its fields as they go on. */
  private block = "";
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
    const { block } = this;
    if (block !== "" && text.slice(at, at + block.length) === block) {
      this.headers = this.template.slice();
      return at + block.length;
    }
    this.reset();
    const end = this.parseLines(bytes, text, at);
    if (end === 0) return 0;
    if (this.hopByHop) stripHopByHop(this.headers, this.keepUpgrade(this));
    if (this.block !== "") this.template = this.headers.slice();
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
    this.block = "";
  }

  private parseLines(bytes: Buffer, text: string, from: number): number {
    const { headers, lines } = this;
    const size = text.length;
    let at = from;
    let i = 0;
    let fresh = 0;
    while (at < size && bytes[at] !== CR) {
      const known = i < lines.length ? lines[i]! : NO_LINE;
      const next = at + known.text.length;
      if (bytes[next - 1] === LF && text.slice(at, next) === known.text) {
        headers.push(known.name, known.value);
        if (known.noted) this.note(known.name, known.value);
        at = next;
      } else {
        at = this.parseLine(bytes, text, at, i);
        if (at === 0) return 0;
        fresh++;
      }
      if (++i > this.limits.fields) {
        throw this.bad(`more than ${this.limits.fields} fields`, "headers-too-large");
      }
    }
    if (at + 2 > size) return 0;
    if (bytes[at + 1] !== LF) throw this.bad("a carriage return without its line feed");
    if (fresh === 0 && this.upgrade === undefined) {
      this.block = text.slice(from, at + 2);
    }
    return at + 2;
  }

  // Scans the line that begins at `start`, the `i`th; returns where it ends, or 0 when it is incomplete.
  private parseLine(bytes: Buffer, text: string, start: number, i: number): number {
    const size = text.length;
    let at = start;
    while (at < size && OCTETS[bytes[at]!]! & TOKEN) at++;
    if (at === size) return 0;
    if (bytes[at] !== COLON || at === start) throw this.badName(bytes[at]!, at === start);
    const nameEnd = at++;
    while (at < size && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
    const valueStart = at;
    while (at < size && OCTETS[bytes[at]!]! & VALUE) at++;
    if (at + 1 >= size && (at === size || bytes[at] === CR)) return 0;
    const name = text.slice(start, nameEnd);
    if (bytes[at] !== CR || bytes[at + 1] !== LF) throw this.badValue(name, bytes[at]!);
    const end = at + 2;
    while (at > valueStart && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at--;
    const value = text.slice(valueStart, at);
    this.headers.push(name, value);
    const noted = NOTED.mayHold(name) && this.note(name, value);
    if (i < MAX_LINES) {
      this.lines[i] =
        end - start > MAX_LINE_BYTES
          ? NO_LINE
          : { text: text.slice(start, end), name, value, noted };
    }
    return end;
  }

  // Takes note of what concerns framing and the connection; false for every other field.
  private note(name: string, value: string): boolean {
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
        return false;
    }
    return true;
  }

  private noteLength(value: string): void {
    if (this.contentLength >= 0) throw this.bad("Content-Length stands twice");
    if (!/^[0-9]+$/.test(value) || value.length > MAX_LENGTH_DIGITS) {
      throw this.bad(`Content-Length must be a number of bytes, not ${JSON.stringify(value)}`);
    }
    this.contentLength = Number(value);
    // Leading zeros look octal to some.
    if (value.length > 1 && value.charCodeAt(0) === DIGIT_0) {
      this.headers[this.headers.length - 1] = String(this.contentLength);
    }
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
