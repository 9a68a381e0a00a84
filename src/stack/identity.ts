// Identities in header fields. Inbound, the application learns in `l5d-client-id` which identity its client has
// proved, and nobody else may write that field. Outbound, an application may insist on its peer's identity with
// `l5d-require-id`.

import { Fault } from "../base/fault.ts";
import { header, removeHeader, setHeader } from "../wire/headers.ts";
import { identityOf } from "./authorize.ts";
import type { HttpFilter } from "./types.ts";

/** Sets `l5d-client-id` to the identity of the client, or takes it off. */
export const clientId: HttpFilter = (next) =>
  function clientId(req) {
    const identity = identityOf(req.peer);
    if (identity === undefined) removeHeader(req.headers, "l5d-client-id");
    else setHeader(req.headers, "l5d-client-id", identity);
    return next(req);
  };

/** Takes `l5d-require-id` off; a request that names another identity than the peer's, `serverId`, is refused. */
export function requireId(serverId: string | undefined): HttpFilter {
  return (next) =>
    function requireId(req) {
      const required = header(req.headers, "l5d-require-id");
      if (required === undefined) return next(req);
      removeHeader(req.headers, "l5d-require-id");
      if (required === serverId) return next(req);
      const found = serverId === undefined ? "it has none" : `it is ${serverId}`;
      const message = `required the peer to be ${required}, but ${found}`;
      return Promise.reject(new Fault("identity-required", message));
    };
}
