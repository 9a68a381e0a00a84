// How a request leaves on an HTTP/1 connection, whatever version it came in: its target, Host, framing, and what the
// connection needs to know (RFC 9112 §3, §6 and §9).

import { hasHeader } from "../wire/headers.ts";
import { CHUNKED } from "../wire/http1.ts";
import { type Http1Printer, NO_LENGTH } from "../wire/http1print.ts";
import type { Body } from "./body.ts";
import type { HttpReq } from "./message.ts";

const CODED = "transfer-encoding: chunked\r\n";
// WebSocket over HTTP/2 has no key (RFC 8441 §5), over HTTP/1 it must have one; nobody checks the answer to this.
const WEBSOCKET_KEY = "sec-websocket-key: bm90aGluZyBzZWNyZXQgYg==\r\n";
// Methods whose requests some servers refuse without a length (411).
const EXPECTS_BODY = new Set(["POST", "PUT", "PATCH"]);

/** The bytes of `body`, or CHUNKED when they are not known or trailers follow. */
export function framingOf(body: Body): number {
  if (body.whole === undefined) return body.length ?? CHUNKED;
  return body.ended!.trailers === undefined ? body.whole.length : CHUNKED;
}

/** The head of `req`, for a body framed as `framing` says. */
export function printRequest(req: HttpReq, framing: number, printer: Http1Printer): string {
  const { method, upgrade } = req;
  const tunnel = upgrade !== undefined;
  const length = framing > 0 || (framing === 0 && EXPECTS_BODY.has(method)) ? framing : NO_LENGTH;
  let head = `${method} ${targetOf(req)} HTTP/1.1\r\n`;
  head += printer.print(req.headers, length, req.authority);
  if (length === 0 && !printer.hasLength && !tunnel) head += "content-length: 0\r\n";
  if (framing === CHUNKED) head += CODED;
  if (tunnel && upgrade !== "") head += upgradeFields(req);
  else if (printer.hasTe) head += "connection: te\r\n";
  return `${head}\r\n`;
}

// RFC 9112 §3.2; the absolute form goes on to servers for which the client meant it.
function targetOf(req: HttpReq): string {
  if (req.method === "CONNECT") return req.authority;
  if (!req.absolute) return req.path;
  const path = req.path === "*" ? "" : req.path;
  return `${req.scheme === "" ? "http" : req.scheme}://${req.authority}${path}`;
}

function upgradeFields(req: HttpReq): string {
  let fields = "connection: upgrade\r\n";
  if (!hasHeader(req.headers, "upgrade")) fields += `upgrade: ${req.upgrade}\r\n`;
  if (req.upgrade === "websocket" && !hasHeader(req.headers, "sec-websocket-key")) {
    fields += WEBSOCKET_KEY;
  }
  return fields;
}
