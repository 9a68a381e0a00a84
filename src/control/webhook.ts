// HTTPS for webhooks: an HTTP service behind a certificate that is read from a folder (a mounted Secret) and read
// again when it changes. Certificates are ECDSA, as everywhere in the mesh.

import type { Clock } from "../base/clock.ts";
import { combine, type Close, type Watch } from "../base/watch.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import { listen } from "../io/listen.ts";
import { detect } from "../io/detect.ts";
import { acceptTls, type Credentials } from "../io/tls.ts";
import { watchFile } from "../name/file.ts";
import type { Server } from "../proxy/serving.ts";
import { Serving } from "../proxy/serving.ts";
import type { HttpService } from "../stack/types.ts";

const TLS_MS = 10_000;
const ALPN = ["h2", "http/1.1"];

/** Serves `service` on `addr` with the certificate of `tls.crt` and `tls.key` in `dir`. */
export async function serveWebhook(
  addr: SocketAddr,
  dir: string,
  service: HttpService,
  clock: Clock,
): Promise<Close> {
  const credentials = watchCredentials(dir, clock);
  // Kept warm, so that a handshake never waits for a file.
  const stop = credentials.observe(() => {});
  const serving = new Serving();
  const accept = async (conn: Conn): Promise<void> => {
    const { protocol, first } = await detect(conn, TLS_MS, clock);
    if (protocol !== "tls") return conn.destroy();
    const options = { clock, timeoutMs: TLS_MS, alpn: ALPN };
    const tls = await acceptTls(conn, await credentials.next(), options, first);
    await serving.serve(serve(tls, service, clock));
  };
  const listening = await listen(addr, {}, (conn) => void serving.track(conn, accept(conn)));
  return () => {
    stop();
    listening.close();
    void serving.drain(0, clock);
  };
}

function serve(conn: Conn, service: HttpService, clock: Clock): Server {
  const { tls } = conn.peer;
  return tls.kind === "true" && tls.alpn === "h2"
    ? serveH2(conn, service, { clock })
    : serveH1(conn, service, { clock });
}

function watchCredentials(dir: string, clock: Clock): Watch<Credentials> {
  const files = ["tls.crt", "tls.key"].map((name) => watchFile(`${dir}/${name}`, clock));
  return combine(files).map(([certPem = "", keyPem = ""]) => ({
    name: "",
    certPem,
    keyPem,
    // Nobody but the API server calls, and it needs no certificate.
    rootsPem: certPem,
  }));
}
