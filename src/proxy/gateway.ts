// A gateway into this cluster: other clusters' proxies connect directly and name a service, not a port. Requests
// go on through the outbound page, with the service's own policy; the field `forwarded` tells who they are for,
// and keeps gateways from sending them round in circles.

import { Fault } from "../base/fault.ts";
import type { Conn } from "../io/conn.ts";
import type { HttpReq } from "../io/message.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import { identityOf } from "../stack/authorize.ts";
import { hostOf } from "../stack/route.ts";
import type { HttpFilter, HttpService } from "../stack/types.ts";
import type { TransportHeader } from "../wire/transportheader.ts";
import { unread } from "./opening.ts";
import type { OutboundServer } from "./outboundserver.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";

/** Serves a connection that names a service. */
export type Gateway = (conn: Conn, header: TransportHeader, rest: Buffer) => Promise<void>;

/** The gateway to what `outbound` reaches; names outside of the settings' domains are refused. */
export function gateway(sidecar: Sidecar, outbound: OutboundServer): Gateway {
  const { clock, serving, settings, credentials } = sidecar;
  const suffixes = settings.inbound.gatewaySuffixes;
  return async (conn, { name, port, protocol }, rest) => {
    const target = `${name}:${port}`;
    if (!isWithin(name, suffixes)) {
      throw new Fault("gateway-domain", `this gateway is not for ${name}`);
    }
    if (protocol === undefined) {
      unread(conn, rest);
      return outbound.acceptFor(conn, target);
    }
    const own = credentials.value?.name ?? "";
    const service: HttpService = forwarded(own)((req) => outbound.sendTo(target, req));
    const server =
      protocol === "http/1"
        ? serveH1(conn, service, { clock }, rest)
        : serveH2(conn, service, h2Options(sidecar, "inbound"), rest);
    return serving.serve(server);
  };
}

function isWithin(name: string, suffixes: readonly string[]): boolean {
  const host = hostOf(name).replace(/\.$/, "");
  return suffixes.some((suffix) => {
    const domain = suffix.replace(/^\.|\.$/g, "");
    return host === domain || host.endsWith(`.${domain}`);
  });
}

// RFC 7239, as linkerd2-proxy writes it.
function forwarded(own: string): HttpFilter {
  return (next) =>
    function forwarded(req) {
      if (wasHere(req, own)) {
        return Promise.reject(
          new Fault("gateway-loop", `${own} has forwarded this request before`),
        );
      }
      const client = identityOf(req.peer) ?? "";
      const value = `by=${own};for=${client};host=${req.authority};proto=https`;
      req.headers.push("forwarded", value);
      return next(req);
    };
}

function wasHere({ headers }: HttpReq, own: string): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() !== "forwarded") continue;
    const hops = headers[i + 1]!.split(/[,;]/).map((part) => part.trim().toLowerCase());
    if (hops.includes(`by=${own.toLowerCase()}`)) return true;
  }
  return false;
}
