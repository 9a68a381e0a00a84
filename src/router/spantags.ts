// What Linkerd 1's spans say of a request.

import type { FaultCode } from "../base/fault.ts";
import type { Exchange } from "../stack/exchange.ts";
import { header } from "../wire/headers.ts";
import type { Routed } from "./routed.ts";
import { VERSIONS } from "./routeraccesslog.ts";

export type Tags = Readonly<Record<string, string>>;

/** The tags of a span. */
export function tagsOf(x: Exchange, routed: Routed): Tags {
  const { req, rsp, fault = rsp?.fault } = x;
  const tags: Record<string, string | undefined> = {
    "router.label": routed.router,
    "dtab.local": routed.dtab.text || undefined,
    service: routed.name?.text,
    client: routed.client?.id,
    residual: routed.residual === "" ? undefined : routed.residual,
    "http.uri": req.path,
    "http.req.method": req.method,
    "http.req.host": req.authority,
    "http.req.version": VERSIONS[req.version],
    "http.req.content-type": header(req.headers, "content-type"),
    "http.req.content-length": req.body.length?.toString(),
    "http.rsp.status": rsp?.status.toString(),
    "http.rsp.version": rsp && VERSIONS[rsp.version],
    "http.rsp.content-type": rsp && header(rsp.headers, "content-type"),
    "http.rsp.content-length": rsp?.body.bytes.toString(),
    "l5d.success": x.success ? "1.0" : "0.0",
    "io.buoyant.router.Failure": fault && failedStep(fault.code, routed),
  };
  return Object.fromEntries(
    Object.entries(tags).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

const UNREACHED = new Set<FaultCode>([
  "no-endpoints",
  "unavailable",
  "connect-failed",
  "connect-timeout",
]);

function failedStep(code: FaultCode, { name, client }: Routed): string {
  if (name === undefined) return "Identification";
  return client === undefined || UNREACHED.has(code) ? "ClientAcquisition" : "Service";
}
