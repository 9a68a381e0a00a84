// The listener for applications that take HTTP_PROXY: each request names its destination itself, and CONNECT
// names it for everything that follows on the connection.

import { Fault } from "../base/fault.ts";
import type { Conn, ConnService } from "../io/conn.ts";
import { detect } from "../io/detect.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import type { HttpService } from "../stack/types.ts";
import { unread } from "./opening.ts";
import type { OutboundServer } from "./outboundserver.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";

const MAX_HEAD_BYTES = 8192;

/** Serves HTTP of both versions, and connections after CONNECT; everything else is closed. */
export function serveProxy(sidecar: Sidecar, outbound: OutboundServer): ConnService {
  const { clock, settings, serving } = sidecar;
  const service = asOrigin(outbound.byAuthority);
  return async (conn) => {
    const { protocol, first } = await detect(conn, settings.outbound.detectTimeoutMs, clock);
    if (first.toString("latin1", 0, 8) === "CONNECT ") return tunnel(conn, first, outbound);
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
async function tunnel(conn: Conn, first: Buffer, outbound: OutboundServer): Promise<void> {
  const head = await readHead(conn, first);
  const [, authority] = /^CONNECT ([^\s/]+:\d+) HTTP\/1\.[01]\r\n/.exec(head.text) ?? [];
  if (authority === undefined) {
    conn.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    return conn.end();
  }
  conn.write("HTTP/1.1 200 OK\r\n\r\n");
  unread(conn, head.rest);
  await outbound.acceptFor(conn, authority.toLowerCase());
}

function readHead(conn: Conn, first: Buffer): Promise<{ text: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const gone = (): void => reject(new Fault("io", "the client went away", { side: "client" }));
    const reader = {
      read(chunk: Buffer): void {
        bytes = Buffer.concat([bytes, chunk]);
        const end = bytes.indexOf("\r\n\r\n");
        if (end < 0 && bytes.length < MAX_HEAD_BYTES) return;
        conn.stop();
        const length = end < 0 ? 0 : end + 4;
        resolve({ text: bytes.toString("latin1", 0, length), rest: bytes.subarray(length) });
      },
      end: gone,
      closed: gone,
      drained: () => {},
    };
    conn.start(reader, first);
  });
}
