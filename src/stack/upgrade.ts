// HTTP/1 carried over HTTP/2 between two proxies of the mesh, so that they need one connection and not a pool. The
// field `l5d-orig-proto` tells what it was: "HTTP/1.1", "HTTP/1.0", with "; absolute-form" when the client used that.
// A request that wants a tunnel stays on HTTP/1.

import { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp, HttpVersion } from "../io/message.ts";
import { header, removeHeader } from "../wire/headers.ts";
import type { HttpFilter, HttpService } from "./types.ts";

const FIELD = "l5d-orig-proto";
const ABSOLUTE = "; absolute-form";

/** The sending side: HTTP/1 requests go to `h2` with the field, except for those that want a tunnel, which go to `h1`. */
export function upgrade(h2: HttpService, h1: HttpService): HttpService {
  return function upgrade(req) {
    if (req.version === 20) return h2(req);
    if (req.upgrade !== undefined) return h1(req);
    req.headers.push(FIELD, `${nameOf(req.version)}${req.absolute ? ABSOLUTE : ""}`);
    if (req.scheme === "") req.scheme = "http";
    return h2(req).then(restore, (thrown) => {
      throw downgraded(thrown);
    });
  };
}

/** The receiving side: makes a request with the field what it was, and marks its response. */
export const downgrade: HttpFilter = (next) =>
  function downgrade(req) {
    if (req.version !== 20) return next(req);
    const original = header(req.headers, FIELD);
    if (original === undefined) return next(req);
    removeHeader(req.headers, FIELD);
    unpack(req, original);
    return next(req).then((rsp) => {
      // What the application answered in HTTP/1.0 is still a response to this version for the other proxy.
      removeHeader(rsp.headers, FIELD);
      rsp.headers.push(FIELD, nameOf(rsp.version === 20 ? 11 : rsp.version));
      return rsp;
    });
  };

function unpack(req: HttpReq, original: string): void {
  req.version = original.startsWith("HTTP/1.0") ? 10 : 11;
  req.absolute = original.endsWith(ABSOLUTE) && /^(?:https?)?$/i.test(req.scheme);
  if (header(req.headers, "host") === undefined) req.headers.unshift("host", req.authority);
}

function restore(rsp: HttpRsp): HttpRsp {
  const original = header(rsp.headers, FIELD);
  if (original === undefined) return rsp;
  removeHeader(rsp.headers, FIELD);
  rsp.version = original.startsWith("HTTP/1.0") ? 10 : 11;
  return rsp;
}

// A client of HTTP/1 can make nothing of an HTTP/2 stream error: for it, the gateway failed.
function downgraded(thrown: unknown): Fault {
  const fault = Fault.from(thrown);
  if (fault.code !== "reset") return fault;
  return new Fault("io", fault.message, { side: fault.side, cause: fault });
}

function nameOf(version: HttpVersion): string {
  return version === 10 ? "HTTP/1.0" : "HTTP/1.1";
}
