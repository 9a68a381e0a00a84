// The listener for applications that take HTTP_PROXY: each request names its destination itself.

import type { ConnService } from "../io/conn.ts";
import { detect } from "../io/detect.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import type { HttpService } from "../stack/types.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";

/** Serves HTTP of both versions; everything else is closed. */
export function serveProxy(sidecar: Sidecar, service: HttpService): ConnService {
  const { clock, settings, serving } = sidecar;
  return async (conn) => {
    const { protocol, first } = await detect(conn, settings.outbound.detectTimeoutMs, clock);
    if (protocol === "http/1") {
      return serving.serve(serveH1(conn, service, { clock }, first));
    }
    if (protocol === "http/2") {
      return serving.serve(serveH2(conn, service, h2Options(sidecar, "outbound"), first));
    }
    conn.destroy();
  };
}
