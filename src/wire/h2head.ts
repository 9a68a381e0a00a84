// What stands in the field blocks of HTTP/2 messages (RFC 9113 §8): pseudo-header fields, then fields without those
// that belong to a connection. One H2Head serves all messages of a connection: it is filled, read and filled again.

import { isAuthority } from "./authority.ts";
import { type Headers, removeHeader } from "./headers.ts";

const COLON = 58;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const DIGITS = /^[0-9]{1,15}$/;

export class H2Head {
  method = "";
  scheme = "";
  authority = "";
  path = "";
  /** The :protocol of an extended CONNECT (RFC 8441); undefined without. */
  protocol: string | undefined = undefined;
  status = 0;
  /** The fields without pseudo-header fields, Host and split cookies; the caller owns it. */
  headers: Headers = [];
  /** Content-Length, or -1. */
  length = -1;

  private host: string | undefined = undefined;
  private cookies = 0;
  private knownAuthority = "";

  /** Reads a request from `fields[0, length)`; returns what makes it malformed (RFC 9113 §8.1.1), or null. */
  readRequest(fields: string[], length: number): string | null {
    let method: string | undefined;
    let scheme: string | undefined;
    let authority: string | undefined;
    let path: string | undefined;
    let protocol: string | undefined;
    let at = 0;
    for (; at < length && fields[at]!.charCodeAt(0) === COLON; at += 2) {
      const value = fields[at + 1]!;
      switch (fields[at]) {
        case ":method":
          if (method !== undefined) return ":method twice";
          method = value;
          break;
        case ":scheme":
          if (scheme !== undefined) return ":scheme twice";
          scheme = value;
          break;
        case ":authority":
          if (authority !== undefined) return ":authority twice";
          authority = value;
          break;
        case ":path":
          if (path !== undefined) return ":path twice";
          path = value;
          break;
        case ":protocol":
          if (protocol !== undefined) return ":protocol twice";
          protocol = value;
          break;
        default:
          return `${fields[at]} in a request`;
      }
    }
    const wrong = this.readFields(fields, at, length);
    if (wrong !== null) return wrong;
    this.method = method ?? "";
    this.scheme = scheme ?? "";
    this.path = path ?? "";
    this.protocol = protocol;
    return this.checkTarget(authority);
  }

  /** Reads a response, as `readRequest` does. */
  readResponse(fields: string[], length: number): string | null {
    if (length < 2 || fields[0] !== ":status") return "no :status";
    const status = fields[1]!;
    if (status.length !== 3 || !DIGITS.test(status)) return "an invalid :status";
    this.status = Number(status);
    if (this.status < 100 || this.status === 101) return "an invalid :status";
    return this.readFields(fields, 2, length);
  }

  /** Reads trailers into `headers`, as `readRequest` does. */
  readTrailers(fields: string[], length: number): string | null {
    const wrong = this.readFields(fields, 0, length);
    return wrong ?? (this.length >= 0 ? "Content-Length in trailers" : null);
  }

  private readFields(fields: string[], from: number, length: number): string | null {
    this.length = -1;
    this.host = undefined;
    this.cookies = 0;
    for (let at = from; at < length; at += 2) {
      const name = fields[at]!;
      if (name.charCodeAt(0) === COLON) return `${name} out of place`;
      // Most names are told apart by their length alone.
      const special = SPECIAL[name.length];
      if (special !== undefined && special.includes(name)) {
        const wrong = this.readSpecial(name, fields[at + 1]!);
        if (wrong !== null) return wrong;
      }
    }
    this.headers = fields.slice(from, length);
    if (this.host !== undefined) removeHeader(this.headers, "host");
    if (this.cookies > 1) this.headers = joinCookies(this.headers);
    return null;
  }

  private readSpecial(name: string, value: string): string | null {
    switch (name) {
      case "te":
        return value.toLowerCase() === "trailers" ? null : "TE other than trailers";
      case "host":
        if (this.host !== undefined) return "Host twice";
        this.host = value;
        return null;
      case "cookie":
        this.cookies++;
        return null;
      case "content-length":
        if (!DIGITS.test(value)) return "an invalid Content-Length";
        if (this.length >= 0) return "Content-Length twice";
        this.length = Number(value);
        return null;
      default:
        return `${name}, which belongs to HTTP/1 connections`;
    }
  }

  // RFC 9113 §8.3.1 and §8.5, RFC 8441 §4.
  private checkTarget(authority: string | undefined): string | null {
    const { method, path, host } = this;
    if (authority !== undefined && host !== undefined && authority !== host) {
      if (authority.toLowerCase() !== host.toLowerCase()) return "Host differs from :authority";
    }
    this.authority = authority ?? host ?? "";
    if (this.authority !== this.knownAuthority) {
      if (this.authority !== "" && !isAuthority(this.authority)) return "an invalid :authority";
      this.knownAuthority = this.authority;
    }
    if (method !== "GET" && method !== "POST" && !TOKEN.test(method)) return "an invalid :method";
    if (method === "CONNECT" && this.protocol === undefined) {
      if (this.scheme !== "" || path !== "") return "CONNECT with :scheme or :path";
      return this.authority === "" ? "CONNECT without :authority" : null;
    }
    if (this.protocol !== undefined && (method !== "CONNECT" || !TOKEN.test(this.protocol))) {
      return ":protocol without CONNECT, or an invalid one";
    }
    if (this.scheme !== "http" && this.scheme !== "https" && !SCHEME.test(this.scheme)) {
      return "no :scheme, or an invalid one";
    }
    if (path.charCodeAt(0) === 47) return null;
    return path === "*" && method === "OPTIONS" ? null : "an invalid :path";
  }
}

// Fields that mean something to a connection, by the length of their names (RFC 9113 §8.2.2).
const SPECIAL: (string[] | undefined)[] = [];
for (const name of [
  "te",
  "host",
  "cookie",
  "upgrade",
  "connection",
  "keep-alive",
  "content-length",
  "proxy-connection",
  "transfer-encoding",
  // What some servers take for the same, since they make variables of names.
  "content_length",
  "transfer_encoding",
]) {
  (SPECIAL[name.length] ??= []).push(name);
}

// RFC 9113 §8.2.3: cookies split for compression become one field again, at the place of the first.
function joinCookies(headers: Headers): Headers {
  const joined: Headers = [];
  let place = -1;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === "cookie" && place >= 0) {
      joined[place] += `; ${headers[i + 1]!}`;
      continue;
    }
    if (headers[i] === "cookie") place = i + 1;
    joined.push(headers[i]!, headers[i + 1]!);
  }
  return joined;
}
