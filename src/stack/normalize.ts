// Makes requests of all versions look alike before anything routes them: each has an authority, and no field of the
// mesh's own that a client has no business to send.

import type { SocketAddr } from "../io/conn.ts";
import { removeWhere } from "../wire/headers.ts";
import type { HttpFilter } from "./types.ts";

/** An address as an authority: `10.0.0.1:80`, `[::1]:80`. */
export function printAddr({ ip, port }: SocketAddr): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Gives a request without authority that of the address that its client meant to reach. */
export const normalize: HttpFilter = (next) =>
  function normalize(req) {
    if (req.authority === "") req.authority = printAddr(req.peer.original);
    return next(req);
  };

/** Takes the fields `names` (lower-case) off requests. */
export function strip(names: readonly string[]): HttpFilter {
  const drop = dropper(names);
  return (next) =>
    function strip(req) {
      removeWhere(req.headers, drop);
      return next(req);
    };
}

/** Takes the fields `names` (lower-case) off responses. */
export function stripResponse(names: readonly string[]): HttpFilter {
  const drop = dropper(names);
  return (next) =>
    function stripResponse(req) {
      return next(req).then((rsp) => {
        removeWhere(rsp.headers, drop);
        return rsp;
      });
    };
}

// The mesh's fields all begin alike, so that a look at the first letter and the length rules out most others.
function dropper(names: readonly string[]): (name: string) => boolean {
  const set = new Set(names);
  const lengths = new Set(names.map((name) => name.length));
  const firsts = new Set(names.map((name) => name.charCodeAt(0)));
  return (name) =>
    firsts.has(name.charCodeAt(0) | 0x20) &&
    lengths.has(name.length) &&
    set.has(name.toLowerCase());
}
