// HTTPS for what an API server calls: an HTTP service behind a certificate that is read from a folder (a mounted
// Secret) and read again when it changes.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { combine, constant, type Close, type Watch } from "../base/watch.ts";
import { acceptCerts, certContext, type CertServer } from "../io/certtls.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import { listen } from "../io/listen.ts";
import { watchFile } from "../name/file.ts";
import type { Server } from "../proxy/serving.ts";
import { Serving } from "../proxy/serving.ts";
import type { HttpService } from "../stack/types.ts";

const TLS_MS = 10_000;
const ALPN = ["h2", "http/1.1"];

/** Serves `service` on `addr` with the certificate of `tls.crt` and `tls.key` in `dir`. With `clientRoots` (PEM), whoever
 * connects must have a certificate that leads to them; without, nobody is asked for one. */
export async function serveWebhook(
  addr: SocketAddr,
  dir: string,
  service: HttpService,
  clock: Clock,
  clientRoots: Watch<string | undefined> = constant(undefined),
): Promise<Close> {
  const files = ["tls.crt", "tls.key"].map((name) => watchFile(`${dir}/${name}`, clock));
  const server = combine([...files, clientRoots]).map(([cert, key, ca]): CertServer => {
    if (!cert || !key) throw new Fault("not-found", "tls.crt or tls.key is missing");
    return {
      context: certContext({ cert, key, ca }),
      asksClients: ca !== undefined,
      requiresClients: ca !== undefined,
    };
  });
  // Kept warm, so that a handshake never waits for a file.
  const stop = server.observe((state) => {
    if (state.kind !== "failed") return;
    log.logger("webhook").warn("a certificate cannot be used", { dir, error: state.fault });
  });
  const serving = new Serving();
  const accept = async (conn: Conn): Promise<void> => {
    const options = { clock, timeoutMs: TLS_MS, alpn: ALPN };
    const tls = await acceptCerts(conn, await server.next(), options);
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
