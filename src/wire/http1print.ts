// Fields of HTTP/1 heads, written as one latin1 text. What a filter has changed, the printer makes consistent: Host
// follows the authority and Content-Length the body, so that no message can be framed in two ways.

import { type Headers, sameName } from "./headers.ts";

/** There is no length to tell (chunked, until close, tunnels): a Content-Length is left out. */
export const NO_LENGTH = -1;
/** The body is left out but its length may be told (HEAD and 304): a Content-Length stays as it is. */
export const ANY_LENGTH = -2;

// The lengths of the names that the printer looks at; Connection and Transfer-Encoding are for the writer to add.
const IS_OURS = new Uint8Array(256);
for (const name of ["te", "host", "connection", "content-length", "transfer-encoding"])
  IS_OURS[name.length] = 1;

// As many strings as are compared before it is quicker to print.
const MEMO_STRINGS = 64;

export class Http1Printer {
  /** What was printed last holds a Content-Length. */
  hasLength = false;
  /** What was printed last holds TE, which Connection must name (RFC 9110 §10.1.4). */
  hasTe = false;
  private headers: Headers = [];
  private length = NO_LENGTH;
  private host: string | undefined = undefined;
  private text = "";

  /** The field lines of `headers` without those that say how this connection is used, with a Content-Length of `length` bytes, or NO_LENGTH or ANY_LENGTH. A length of 0
   * is not added where none stood. `host` becomes the one Host of a request; undefined leaves Host as it is.
   * The same fields as last time, down to identical strings, cost only the comparison. */
  print(headers: Headers, length: number, host: string | undefined): string {
    if (this.isSame(headers, length, host)) return this.text;
    let text = host === undefined || hasHost(headers) ? "" : `Host: ${host}\r\n`;
    let hostDone = false;
    this.hasLength = false;
    this.hasTe = false;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!;
      let value = headers[i + 1]!;
      if (IS_OURS[name.length] === 1) {
        const lower = name.toLowerCase();
        if (lower === "connection" || lower === "transfer-encoding") continue;
        if (lower === "content-length") {
          if (length === NO_LENGTH || (this.hasLength && length >= 0)) continue;
          if (length >= 0) value = String(length);
          this.hasLength = true;
        } else if (lower === "te") {
          this.hasTe = true;
        } else if (lower === "host" && host !== undefined) {
          if (hostDone) continue;
          value = host;
          hostDone = true;
        }
      }
      text += `${name}: ${value}\r\n`;
    }
    if (!this.hasLength && length > 0) {
      text += `content-length: ${length}\r\n`;
      this.hasLength = true;
    }
    this.remember(headers, length, host, text);
    return text;
  }

  private isSame(headers: Headers, length: number, host: string | undefined): boolean {
    const known = this.headers;
    const count = headers.length;
    if (known.length !== count || length !== this.length || host !== this.host) return false;
    for (let i = 0; i < count; i++) if (known[i] !== headers[i]) return false;
    return true;
  }

  private remember(headers: Headers, length: number, host: string | undefined, text: string): void {
    if (headers.length > MEMO_STRINGS) return;
    this.headers = headers.slice();
    this.length = length;
    this.host = host;
    this.text = text;
  }
}

/** Trailers as they stand after the last chunk, with the empty line that ends the message. */
export function printTrailers(trailers: Headers | undefined): string {
  if (trailers === undefined) return "\r\n";
  let text = "";
  for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]!}: ${trailers[i + 1]!}\r\n`;
  return `${text}\r\n`;
}

function hasHost(headers: Headers): boolean {
  for (let i = 0; i < headers.length; i += 2) if (sameName(headers[i]!, "host")) return true;
  return false;
}
