// The Host that a namer asks for (Consul's `setHost`): it goes out in place of the client's, and comes back replaced
// by the client's again where a response leads there.

import type { Headers } from "../wire/headers.ts";
import { sameName } from "../wire/headers.ts";
import type { HttpFilter } from "../stack/types.ts";

/** Sends `authority`, and rewrites Location and Refresh of responses back. */
export function asAuthority(authority: string): HttpFilter {
  return (next) =>
    function asAuthority(req) {
      const asked = req.authority;
      req.authority = authority;
      return next(req).then((rsp) => {
        restore(rsp.headers, authority, asked);
        return rsp;
      });
    };
}

function restore(headers: Headers, authority: string, asked: string): void {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (sameName(name, "location") || sameName(name, "refresh")) {
      headers[i + 1] = headers[i + 1]!.replace(`://${authority}`, `://${asked}`);
    }
  }
}
