// Heads of HTTP/1 messages, strictly read (RFC 9112 §3 and §4, RFC 9110). A parser belongs to one connection at a time
// and is filled anew by each head; it refuses whatever two readers could understand differently. How the body is framed
// is part of the answer, since that is where most such differences hide.

import type { Fault } from "../base/fault.ts";
import { isAuthority, isHostAndPort } from "./authority.ts";
import { setHeader } from "./headers.ts";
import { Http1Fields } from "./http1fields.ts";
import { latin1 } from "./latin1.ts";
import { HTTP1_LIMITS, type Http1Limits } from "./limits.ts";
import { CR, DIGIT_0, LF, OCTETS, SLASH, SPACE, TARGET, TOKEN, VALUE } from "./octets.ts";

/** How a body is framed, where it is not a length in bytes. */
export const CHUNKED = -1;
/** The body ends with the connection (responses only, RFC 9112 §6.3). */
export const UNTIL_CLOSE = -2;

const VERSION = "HTTP/1.";

export class RequestParser {
  method = "";
  /** As HttpReq has it: path and query, "*", or "" for CONNECT. */
  path = "";
  authority = "";
  /** "http" or "https" of the absolute form, else "". */
  scheme = "";
  version: 10 | 11 = 11;
  /** Bytes of the body, or CHUNKED. */
  framing = 0;
  /** Whether the client wants the connection kept (RFC 9112 §9.3). */
  persistent = true;
  /** The protocols of a wanted Upgrade; "" for CONNECT; undefined when no tunnel is wanted. */
  upgrade: string | undefined = undefined;
  readonly fields: Http1Fields;
  private knownHost: string | undefined = undefined;

  constructor(limits: Http1Limits = HTTP1_LIMITS) {
    this.fields = new Http1Fields("request", limits, () => this.wantsUpgrade());
  }

  /** Reads a head from the start of `bytes`; returns its size, or 0 when it is incomplete. Throws a Fault. */
  parse(bytes: Buffer): number {
    // An empty line before the request line is a leftover of a sloppy client (RFC 9112 §2.2); one is forgiven.
    if (bytes.length === 1 && bytes[0] === CR) return 0;
    const start = bytes[0] === CR && bytes[1] === LF ? 2 : 0;
    const size = parseHead(this, bytes, start);
    if (size === 0) return 0;
    const { fields } = this;
    this.framing = this.readFraming();
    this.readTarget();
    this.persistent = this.version === 11 ? !fields.close : fields.keepAlive && !fields.close;
    this.upgrade =
      this.method === "CONNECT" ? "" : this.wantsUpgrade() ? fields.upgrade : undefined;
    return size;
  }

  /** Reads the request line; returns where it ends, or 0 when it is incomplete. */
  parseLine(bytes: Buffer, text: string, start: number): number {
    const { fields } = this;
    const size = Math.min(text.length, start + fields.limits.lineBytes);
    let at = start;
    while (at < size && OCTETS[bytes[at]!]! & TOKEN) at++;
    if (at < size && (bytes[at] !== SPACE || at === start)) {
      throw fields.bad("the request line does not begin with a method and a space");
    }
    const methodEnd = at++;
    while (at < size && OCTETS[bytes[at]!]! & TARGET) at++;
    if (at >= size) return this.lineIncomplete(text, start);
    if (bytes[at] !== SPACE || at === methodEnd + 1) {
      throw fields.bad("the request line has no valid target between method and version");
    }
    const targetEnd = at++;
    // " HTTP/1.1" and its line end are ten octets.
    if (text.length < at + 10) {
      if (!couldBeVersion(text.slice(at)))
        throw fields.bad("the request line ends in no HTTP version");
      return 0;
    }
    if (!isVersion(bytes, at)) throw this.badVersion(text.slice(at, at + 10));
    const minor = bytes[at + 7]! - DIGIT_0;
    if (minor !== 0 && minor !== 1) throw this.badVersion(text.slice(at, at + 10));
    if (bytes[at + 8] !== CR || bytes[at + 9] !== LF) {
      throw fields.bad("the request line does not end in CR LF after the version");
    }
    this.version = minor === 1 ? 11 : 10;
    this.method = text.slice(start, methodEnd);
    this.path = text.slice(methodEnd + 1, targetEnd);
    return at + 10;
  }

  private lineIncomplete(text: string, start: number): number {
    const { fields } = this;
    if (text.length - start >= fields.limits.lineBytes) {
      throw fields.bad(
        `the request line is longer than ${fields.limits.lineBytes} bytes`,
        "uri-too-long",
      );
    }
    return 0;
  }

  private badVersion(found: string): Fault {
    return /^HTTP\/[0-9]\.[0-9]\r\n$/.test(found)
      ? this.fields.bad(`the version ${found.trim()} is not HTTP/1.1 or HTTP/1.0`, "bad-version")
      : this.fields.bad("the request line ends in no HTTP version");
  }

  // RFC 9112 §6.1 and §6.3.
  private readFraming(): number {
    const { fields } = this;
    const { transferEncoding: coding } = fields;
    if (coding === undefined) return fields.contentLength < 0 ? 0 : fields.contentLength;
    if (fields.contentLength >= 0) throw fields.bad("both Content-Length and Transfer-Encoding");
    if (this.version === 10) throw fields.bad("Transfer-Encoding in HTTP/1.0");
    if (coding.toLowerCase() === "chunked") return CHUNKED;
    const known = /^[a-z0-9-]+[ \t]*(?:,[ \t]*[a-z0-9-]+[ \t]*)*,[ \t]*chunked$/i.test(coding);
    if (known && !/chunked[ \t]*,/i.test(coding)) {
      throw fields.bad(`the transfer coding ${JSON.stringify(coding)}`, "not-implemented");
    }
    throw fields.bad(`Transfer-Encoding must be "chunked", not ${JSON.stringify(coding)}`);
  }

  // The four forms of a target (RFC 9112 §3.2).
  private readTarget(): void {
    const { fields, method, path } = this;
    const { host } = fields;
    this.scheme = "";
    if (host === undefined) {
      if (this.version === 11) throw fields.bad("HTTP/1.1 without Host");
    } else if (host !== this.knownHost) {
      if (!isAuthority(host)) {
        throw fields.bad(`Host must be a name and perhaps a port, not ${JSON.stringify(host)}`);
      }
      this.knownHost = host;
    }
    this.authority = host ?? "";
    if (path.charCodeAt(0) === SLASH && method !== "CONNECT") return;
    if (method === "CONNECT") {
      if (!isHostAndPort(path)) throw fields.bad("the target of CONNECT must be host:port");
      this.authority = path;
      this.path = "";
      if (host !== undefined) setHeader(fields.headers, "host", path);
    } else if (path !== "*") {
      this.readAbsolute(path);
    } else if (method !== "OPTIONS") {
      throw fields.bad("the target * is for OPTIONS only");
    }
  }

  private readAbsolute(target: string): void {
    const match = /^(https?):\/\/([^/?]+)(.*)$/i.exec(target);
    if (match === null || !isAuthority(match[2]!)) {
      throw this.fields.bad("the target must be a path, or an http or https URI with a host");
    }
    const [, scheme, authority, rest] = match;
    this.scheme = scheme!.toLowerCase();
    this.authority = authority!;
    // The target decides, and nobody behind us shall see two hosts (RFC 9112 §3.2.2).
    if (this.fields.host !== undefined) setHeader(this.fields.headers, "host", authority!);
    if (rest === "") this.path = this.method === "OPTIONS" ? "*" : "/";
    else this.path = rest!.charCodeAt(0) === SLASH ? rest! : `/${rest!}`;
  }

  // A tunnel must be asked for in HTTP/1.1, through Connection, and before any body. h2c is refused by silence: its
  // requests would pass by every filter, and HTTP/2 without TLS is spoken by prior knowledge (RFC 9113 §3.1).
  private wantsUpgrade(): boolean {
    const { fields } = this;
    return (
      fields.upgrade !== undefined &&
      fields.connectionUpgrade &&
      this.version === 11 &&
      fields.contentLength <= 0 &&
      fields.transferEncoding === undefined &&
      !/(?:^|,)[ \t]*h2c?[ \t]*(?:,|$)/i.test(fields.upgrade)
    );
  }
}

export class ResponseParser {
  status = 0;
  version: 10 | 11 = 11;
  /** Whether the server keeps the connection open after this response, by its own words. */
  persistent = true;
  readonly fields: Http1Fields;

  constructor(limits: Http1Limits = HTTP1_LIMITS) {
    this.fields = new Http1Fields("response", limits, () => this.status === 101);
  }

  /** Reads a head from the start of `bytes`; returns its size, or 0 when it is incomplete. Throws a Fault. */
  parse(bytes: Buffer): number {
    const size = parseHead(this, bytes, 0);
    if (size === 0) return 0;
    const { fields } = this;
    if (fields.transferEncoding !== undefined) {
      if (fields.contentLength >= 0) throw fields.bad("both Content-Length and Transfer-Encoding");
      if (this.version === 10) throw fields.bad("Transfer-Encoding in HTTP/1.0");
      if (fields.transferEncoding.toLowerCase() !== "chunked") {
        throw fields.bad(`the transfer coding ${JSON.stringify(fields.transferEncoding)}`);
      }
    }
    this.persistent = this.version === 11 ? !fields.close : fields.keepAlive && !fields.close;
    return size;
  }

  /** Bytes of the body that follows, CHUNKED or UNTIL_CLOSE (RFC 9112 §6.3). A response that opens a tunnel has none. */
  framing(method: string): number {
    const { fields, status } = this;
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return 0;
    if (method === "CONNECT" && status < 300) return 0;
    if (fields.transferEncoding !== undefined) return CHUNKED;
    return fields.contentLength < 0 ? UNTIL_CLOSE : fields.contentLength;
  }

  /** Reads the status line; returns where it ends, or 0 when it is incomplete. */
  parseLine(bytes: Buffer, text: string): number {
    const { fields } = this;
    const size = Math.min(text.length, fields.limits.lineBytes);
    // "HTTP/1.1 200"
    if (size < 12) {
      if (!VERSION.startsWith(text.slice(0, 7))) throw fields.bad("the response is not HTTP/1");
      return 0;
    }
    const minor = bytes[7]! - DIGIT_0;
    if (!isVersion(bytes, 0) || (minor !== 0 && minor !== 1) || bytes[8] !== SPACE) {
      throw fields.bad("the response is not HTTP/1.1 or HTTP/1.0");
    }
    const hundreds = bytes[9]! - DIGIT_0;
    const tens = bytes[10]! - DIGIT_0;
    const ones = bytes[11]! - DIGIT_0;
    if (!(hundreds >= 1 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9)) {
      throw fields.bad("the status line has no valid status");
    }
    let at = 12;
    if (at < size && bytes[at] !== SPACE && bytes[at] !== CR) {
      throw fields.bad("the status is not followed by a space");
    }
    while (at < size && OCTETS[bytes[at]!]! & VALUE) at++;
    if (at + 1 >= size) {
      if (size === fields.limits.lineBytes) throw fields.bad("the status line is too long");
      if (at === size || bytes[at] === CR) return 0;
    }
    if (bytes[at] !== CR || bytes[at + 1] !== LF) {
      throw fields.bad("the status line does not end in CR LF");
    }
    this.version = minor === 1 ? 11 : 10;
    this.status = 100 * hundreds + 10 * tens + ones;
    return at + 2;
  }
}

// Most heads are small while the bytes may hold a large body: only their start becomes text at first.
const FIRST_BYTES = 4096;

type HeadParser = {
  readonly fields: Http1Fields;
  parseLine(bytes: Buffer, text: string, start: number): number;
};

function parseHead(parser: HeadParser, bytes: Buffer, start: number): number {
  const limit = start + parser.fields.limits.headBytes;
  for (let size = Math.min(FIRST_BYTES, limit); ; size = limit) {
    const text = latin1(bytes, 0, Math.min(size, bytes.length));
    const lineEnd = parser.parseLine(bytes, text, start);
    const end = lineEnd === 0 ? 0 : parser.fields.parse(bytes, text, lineEnd);
    if (end > 0 || bytes.length <= size) return end;
    if (size >= limit) throw parser.fields.tooLarge();
  }
}

function isVersion(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < VERSION.length; i++) {
    if (bytes[at + i] !== VERSION.charCodeAt(i)) return false;
  }
  return true;
}

function couldBeVersion(text: string): boolean {
  return /^(?:H|HT|HTT|HTTP|HTTP\/|HTTP\/[0-9]|HTTP\/[0-9]\.|HTTP\/[0-9]\.[0-9]\r?)?$/.test(text);
}
