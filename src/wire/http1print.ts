// Fields of HTTP/1 heads, written as one latin1 text. What a filter has changed, the printer makes consistent: Host
// follows the authority and Content-Length the body, so that no message can be framed in two ways.

import { type Headers, NameFilter } from "./headers.ts";

/** There is no length to tell (chunked, until close, tunnels): a Content-Length is left out. */
export const NO_LENGTH = -1;
/** The body is left out but its length may be told (HEAD and 304): a Content-Length stays as it is. */
export const ANY_LENGTH = -2;

// Fields that are the printer's business; Connection and Transfer-Encoding are for the writer to add.
const OURS = new NameFilter(["te", "host", "connection", "content-length", "transfer-encoding"]);

// Beyond this many fields nothing is remembered.
const MAX_LINES = 64;

export class Http1Printer {
  /** What was printed last holds a Content-Length. */
  hasLength = false;
  /** What was printed last holds TE, which Connection must name (RFC 9110 §10.1.4). */
  hasTe = false;
  /** What was printed last, and its lines, which are used again where the same field comes in the same place. */
  private text = "";
  private readonly headers: Headers = [];
  private readonly lines: string[] = [];
  private length = NO_LENGTH;
  private host: string | undefined = undefined;
  private hasHost = false;

  /** The field lines of `headers` without those that say how this connection is used, with a Content-Length of `length`
   * bytes, or NO_LENGTH or ANY_LENGTH. A length of 0 is not added where none stood. `host` becomes the one Host of a
   * request; undefined leaves Host as it is. */
  print(headers: Headers, length: number, host: string | undefined): string {
    const known = this.headers;
    const same = this.countSame(headers);
    const isFramedSame = length === this.length && host === this.host;
    if (isFramedSame && same === headers.length && same === known.length) return this.text;
    this.length = length;
    this.host = host;
    this.hasLength = this.hasTe = this.hasHost = false;
    let text = "";
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!;
      const value = headers[i + 1]!;
      const ours = OURS.mayHold(name);
      if (!ours && (i < same || (known[i] === name && known[i + 1] === value))) {
        text += this.lines[i >> 1]!;
      } else {
        const line = ours ? this.printOurs(name, value) : `${name}: ${value}\r\n`;
        text += line;
        known[i] = name;
        known[i + 1] = value;
        this.lines[i >> 1] = line;
      }
    }
    known.length = Math.min(headers.length, 2 * MAX_LINES);
    if (host !== undefined && !this.hasHost) text = `Host: ${host}\r\n${text}`;
    if (length > 0 && !this.hasLength) {
      this.hasLength = true;
      text += `content-length: ${length}\r\n`;
    }
    this.text = text;
    return text;
  }

  // How many names and values, from the first, are those of last time.
  private countSame(headers: Headers): number {
    const known = this.headers;
    const most = Math.min(known.length, headers.length);
    let i = 0;
    while (i < most && known[i] === headers[i] && known[i + 1] === headers[i + 1]) i += 2;
    return i;
  }

  // A field that may be the printer's business, judging by the look of its name.
  private printOurs(name: string, value: string): string {
    switch (name.toLowerCase()) {
      case "connection":
      case "transfer-encoding":
        return "";
      case "te":
        this.hasTe = true;
        break;
      case "content-length":
        if (this.length === NO_LENGTH || (this.hasLength && this.length >= 0)) return "";
        this.hasLength = true;
        return `${name}: ${this.length < 0 ? value : this.length}\r\n`;
      case "host":
        if (this.host === undefined) break;
        if (this.hasHost) return "";
        this.hasHost = true;
        return `${name}: ${this.host}\r\n`;
      default:
    }
    return `${name}: ${value}\r\n`;
  }
}

/** Trailers as they stand after the last chunk, with the empty line that ends the message. */
export function printTrailers(trailers: Headers | undefined): string {
  if (trailers === undefined) return "\r\n";
  let text = "";
  for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]!}: ${trailers[i + 1]!}\r\n`;
  return `${text}\r\n`;
}
