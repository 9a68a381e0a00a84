// What Linkerd 1's spans say of a request.

import type { Exchange } from "../stack/exchange.ts";
import { header } from "../wire/headers.ts";
import type { Routed } from "./routed.ts";

export type Tags = Readonly<Record<string, string>>;

/** The tags of a span. */
export function tagsOf(x: Exchange, routed: Routed): Tags {
  const { req, rsp, fault } = x;
  const tags: Record<string, string | undefined> = {
    "router.label": routed.router,
    "dtab.local": routed.dtab.text || undefined,
    service: routed.name?.text,
    client: routed.client?.id,
    residual: routed.residual === "" ? undefined : routed.residual,
    "http.uri": req.path,
    "http.req.method": req.method,
    "http.req.host": req.authority,
    "http.req.version": `HTTP/${req.version / 10}`,
    "http.req.content-type": header(req.headers, "content-type"),
    "http.req.content-length": req.body.length?.toString(),
    "http.rsp.status": rsp?.status.toString(),
    "http.rsp.version": rsp && `HTTP/${rsp.version / 10}`,
    "http.rsp.content-type": rsp && header(rsp.headers, "content-type"),
    "http.rsp.content-length": rsp?.body.bytes.toString(),
    "l5d.success": x.success ? "1.0" : "0.0",
    "io.buoyant.router.Failure":
      fault && (routed.name === undefined ? "Identification" : fault.code),
  };
  return Object.fromEntries(
    Object.entries(tags).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
