// TLS with certificates from files and names of hosts, one-way or mutual, as Linkerd 1's routers have it; TLS between
// sidecars is in tls.ts. Contexts are made by whoever watches the files, so that a new certificate serves new
// handshakes.

import type { X509Certificate } from "node:crypto";
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
} from "node:tls";
import { Fault } from "../base/fault.ts";
import type { Conn } from "./conn.ts";
import { handshake, identities, secured, type TlsOptions, verifyError } from "./tls.ts";

/** What a side shows and believes: PEM texts. Without `ca`, the roots that Node trusts. */
export type CertFiles = {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
  /** TLS versions, such as `TLSv1.2`; Node's defaults otherwise. */
  readonly protocols?: readonly string[] | undefined;
  /** Suites by their IANA or OpenSSL names, best first. */
  readonly ciphers?: readonly string[] | undefined;
};

export type CertServer = {
  readonly context: SecureContext;
  /** Whether clients are asked for a certificate. */
  readonly asksClients: boolean;
  /** Whether they must have one that leads to `ca`. */
  readonly requiresClients: boolean;
};

export type CertClient = {
  readonly context: SecureContext;
  /** The name that the server's certificate must hold, and the SNI; undefined: any certificate will do. */
  readonly commonName: string | undefined;
  readonly validates: boolean;
};

/** The context of a side. Throws `bad-input` for texts that are no certificates or keys. */
export function certContext(files: CertFiles): SecureContext {
  const { cert, key, ca, protocols, ciphers } = files;
  const options: SecureContextOptions = {};
  if (cert !== undefined) options.cert = cert;
  if (key !== undefined) options.key = key;
  if (ca !== undefined) options.ca = ca;
  if (ciphers !== undefined) options.ciphers = ciphers.map(opensslName).join(":");
  const versions = (protocols ?? []).filter(isVersion).sort();
  if (versions.length > 0) {
    options.minVersion = versions[0]!;
    options.maxVersion = versions.at(-1)!;
  }
  try {
    return createSecureContext(options);
  } catch (error) {
    throw new Fault("bad-input", `unusable TLS settings: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Terminates TLS as a server on `conn`. The peer's identity is the first name in its certificate, the common name if
 * it has no other; "" for one that does not lead to our roots, which rejects where clients must have one that does. */
export function acceptCerts(conn: Conn, server: CertServer, options: TlsOptions): Promise<Conn> {
  const tls = new TLSSocket(conn.release(), {
    isServer: true,
    secureContext: server.context,
    requestCert: server.asksClients,
    rejectUnauthorized: false, // Node asks nobody here: it verifies for sockets that its own servers made.
    ...(options.alpn ? { ALPNProtocols: [...options.alpn] } : {}),
  });
  return handshake(tls, "secure", "client", options, () => {
    const certificate = tls.getPeerX509Certificate();
    const error = certificate ? verifyError(tls) : undefined;
    if (server.requiresClients && (!certificate || error)) {
      const why = error?.message ?? "there is none";
      throw new Fault("unauthenticated", `the client's certificate is refused: ${why}`, {
        side: "client",
      });
    }
    return secured(conn, tls, certificate && !error ? nameOf(certificate) : "");
  });
}

function nameOf(certificate: X509Certificate): string {
  return identities(certificate)[0] ?? /^CN=(.+)$/m.exec(certificate.subject)?.[1] ?? "";
}

/** Starts TLS as a client on `conn`; rejects unless the server's certificate is the expected one. */
export function startCerts(conn: Conn, client: CertClient, options: TlsOptions): Promise<Conn> {
  const { commonName, validates, context } = client;
  const tls = connect({
    socket: conn.release(),
    secureContext: context,
    rejectUnauthorized: validates,
    ...(commonName === undefined ? {} : { servername: commonName }),
    checkServerIdentity: (_host, certificate) =>
      validates ? checkServerIdentity(commonName!, certificate) : undefined,
    ...(options.alpn ? { ALPNProtocols: [...options.alpn] } : {}),
  });
  return handshake(tls, "secureConnect", "upstream", options, () =>
    secured(conn, tls, commonName ?? ""),
  );
}

type Version = NonNullable<SecureContextOptions["minVersion"]>;

function isVersion(text: string): text is Version {
  return ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"].includes(text);
}

// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is ECDHE-RSA-AES128-GCM-SHA256 to OpenSSL.
function opensslName(name: string): string {
  if (!name.includes("_WITH_")) return name;
  return name
    .replace(/^(?:TLS|SSL)_/, "")
    .replace(/^RSA_WITH_/, "")
    .replace("_WITH_", "_")
    .replace(/AES_(\d+)/, "AES$1")
    .replace(/_CBC_/, "_")
    .replaceAll("_", "-");
}
