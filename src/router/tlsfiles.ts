// The TLS objects of a file as watches of what io needs: certificates and keys are read again when their files change,
// and what cannot be used is said while the last good one serves on.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { combine, constant, type Watch } from "../base/watch.ts";
import type { CertClient, CertServer } from "../io/certtls.ts";
import type { Conn } from "../io/conn.ts";
import { watchFile } from "../name/file.ts";
import { type Captures, substitute } from "../name/matcher.ts";
import { poll } from "../name/poll.ts";
import type { ClientTls, ServerTls } from "./routerconfig.ts";

const HANDSHAKE_MS = 10_000;

/** What does TLS, loaded where a file wants it: Node's part of it alone is 9 MB and 20 ms. */
export const loadCerts = () => import("../io/certtls.ts");

/** Begins TLS as `server` has it at the moment on a connection that was accepted. */
export async function acceptTls(
  conn: Conn,
  server: Watch<CertServer>,
  clock: Clock,
  alpn?: readonly string[],
): Promise<Conn> {
  const [{ acceptCerts }, settings] = await Promise.all([loadCerts(), server.next()]);
  return acceptCerts(conn, settings, { clock, timeoutMs: HANDSHAKE_MS, ...(alpn && { alpn }) });
}

/** A server's TLS. */
export function watchServerTls(tls: ServerTls, clock: Clock): Watch<CertServer> {
  const { requireClientAuth, protocols, ciphers, caCertPath } = tls;
  const asksClients = requireClientAuth || caCertPath !== undefined;
  return combine([
    watchChain(tls.certPath, tls.intermediateCertsPath, clock),
    watchText(tls.keyPath, clock),
    watchText(caCertPath, clock),
    poll(clock, undefined, loadCerts),
  ]).map(([cert, key, ca, { certContext }]) => ({
    context: certContext({ cert, key, ca, protocols, ciphers }),
    asksClients,
    requiresClients: requireClientAuth,
  }));
}

/** A client's TLS; `captures` are put into its common name. Undefined when it is off. */
export function watchClientTls(
  tls: ClientTls | undefined,
  captures: Captures,
  clock: Clock,
): Watch<CertClient> | undefined {
  if (tls === undefined || !tls.enabled) return undefined;
  const { clientAuth, protocols } = tls;
  const trusted =
    tls.trustCertsBundle === undefined ? (tls.trustCerts ?? []) : [tls.trustCertsBundle];
  const commonName =
    tls.commonName === undefined ? undefined : substitute(tls.commonName, captures);
  return combine([
    clientAuth
      ? watchChain(clientAuth.certPath, clientAuth.intermediateCertsPath, clock)
      : constant(undefined),
    watchText(clientAuth?.keyPath, clock),
    combine(trusted.map((path) => watchText(path, clock))),
    poll(clock, undefined, loadCerts),
  ]).map(([cert, key, roots, { certContext }]) => ({
    context: certContext({
      cert,
      key,
      ca: roots.length === 0 ? undefined : roots.join("\n"),
      protocols,
    }),
    commonName,
    validates: !tls.disableValidation,
  }));
}

// The leaf first, then what leads to the root.
function watchChain(leaf: string, rest: string | undefined, clock: Clock): Watch<string> {
  return combine([watchText(leaf, clock), watchText(rest, clock)]).map((texts) =>
    texts.filter((text) => text !== undefined).join("\n"),
  );
}

function watchText(path: string | undefined, clock: Clock): Watch<string | undefined> {
  if (path === undefined) return constant<string | undefined>(undefined);
  return watchFile(path, clock).map((text) => {
    if (text === undefined) throw new Fault("not-found", `TLS file ${path} is missing`);
    return text;
  });
}
