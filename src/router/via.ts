// Via: each proxy on the way adds itself, to requests and to responses (RFC 9110 §7.6.3). The length of the list tells
// how many a request has passed, and a request that goes in circles is stopped by that.

import { Fault } from "../base/fault.ts";
import type { HttpVersion } from "../io/message.ts";
import type { HttpFilter } from "../stack/types.ts";
import { type Headers, joined, setHeader } from "../wire/headers.ts";

const NAMES: Readonly<Record<HttpVersion, string>> = {
  10: "1.0 linkerd",
  11: "1.1 linkerd",
  20: "h2 linkerd",
};

/** Adds this proxy to Via; refuses a request that has passed more than `maxCallDepth` proxies. */
export function via(maxCallDepth: number): HttpFilter {
  return (next) =>
    function via(req) {
      const before = append(req.headers, req.version);
      if (before !== undefined && countOf(before) > maxCallDepth) {
        const message = `Maximum number of calls (${maxCallDepth}) has been exceeded. Please check for proxy loops.`;
        return Promise.reject(new Fault("gateway-loop", message, { side: "client" }));
      }
      return next(req).then((rsp) => {
        append(rsp.headers, rsp.version);
        return rsp;
      });
    };
}

function append(headers: Headers, version: HttpVersion): string | undefined {
  const before = joined(headers, "via");
  if (before === undefined) headers.push(version === 20 ? "via" : "Via", NAMES[version]);
  else setHeader(headers, "via", `${before}, ${NAMES[version]}`);
  return before;
}

function countOf(via: string): number {
  let count = 1;
  for (let at = via.indexOf(","); at >= 0; at = via.indexOf(",", at + 1)) count++;
  return count;
}
