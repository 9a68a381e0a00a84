// The listener for applications that take HTTP_PROXY: each request names its destination itself, and CONNECT
// names it for everything that follows on the connection.

import type { Conn, ConnService } from "../io/conn.ts";
import { detect, Detection } from "../io/detect.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import type { HttpService } from "../stack/types.ts";
import type { Verdict } from "../wire/preface.ts";
import { unread } from "./opening.ts";
import type { OutboundServer } from "./outboundserver.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";

const MAX_HEAD_BYTES = 8192;
const HEAD_END = "\r\n\r\n";

/** Serves HTTP of both versions, and connections after CONNECT; everything else is closed. */
export function serveProxy(sidecar: Sidecar, outbound: OutboundServer): ConnService {
  const { clock, settings, serving } = sidecar;
  const service = asOrigin(outbound.byAuthority);
  return async (conn) => {
    const { detectTimeoutMs } = settings.outbound;
    const { protocol, first } = await detect(conn, detectTimeoutMs, clock);
    if (first.toString("latin1", 0, 8) === "CONNECT ") {
      const head = await new Detection(conn, detectTimeoutMs, clock, first, isWhole).result;
      return tunnel(conn, head.first, outbound);
    }
    if (protocol === "http/1") return serving.serve(serveH1(conn, service, { clock }, first));
    if (protocol === "http/2") {
      return serving.serve(serveH2(conn, service, h2Options(sidecar, "outbound"), first));
    }
    conn.destroy();
  };
}

// Servers behind a proxy get the path alone (RFC 9112 §3.2.1), as if they had been asked directly.
function asOrigin(service: HttpService): HttpService {
  return (req) => {
    req.absolute = false;
    return service(req);
  };
}

// What follows CONNECT is a connection like any other: its protocol is found, and its routes are followed.
async function tunnel(conn: Conn, head: Buffer, outbound: OutboundServer): Promise<void> {
  const end = head.indexOf(HEAD_END) + HEAD_END.length;
  const request = /^CONNECT ([^\s/]+:\d+) HTTP\/1\.[01]\r\n/;
  const authority = request.exec(head.toString("latin1", 0, end))?.[1];
  if (authority === undefined || !head.includes(HEAD_END)) {
    conn.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    return conn.end();
  }
  conn.write("HTTP/1.1 200 OK\r\n\r\n");
  unread(conn, head.subarray(end));
  await outbound.acceptFor(conn, authority.toLowerCase());
}

function isWhole(head: Buffer): Verdict {
  return head.includes(HEAD_END) || head.length >= MAX_HEAD_BYTES ? "opaque" : "undecided";
}
