// Mutual TLS between proxies: version 1.3 only, the names of Linkerd's identities instead of host names, and
// credentials that change under way: a new certificate serves new handshakes, connections stay as they are.

import { constants, randomBytes } from "node:crypto";
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type TLSSocketOptions,
  TLSSocket,
  connect,
} from "node:tls";
import type { X509Certificate } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Conn } from "./conn.ts";

/** What a proxy proves its identity with, and whom it believes. */
export type Credentials = {
  /** The identity in the certificate, which is also the server name that clients ask for. */
  readonly name: string;
  /** PEM, the leaf first. */
  readonly certPem: string;
  readonly keyPem: string;
  /** PEM of the trust anchors. */
  readonly rootsPem: string;
};

export type TlsOptions = {
  readonly clock: Clock;
  /** For the whole handshake. */
  readonly timeoutMs: number;
  /** Protocols to negotiate (RFC 7301); none when absent. */
  readonly alpn?: readonly string[];
};

/** What a client remembers of its last handshake with one server. Resuming spares both sides half of the next one. */
export class Ticket {
  #credentials: Credentials | undefined;
  #session: Buffer | undefined;

  /** What was remembered with these credentials: with others, client and server prove themselves anew. */
  of(credentials: Credentials): Buffer | undefined {
    return this.#credentials === credentials ? this.#session : undefined;
  }

  keep(credentials: Credentials, session: Buffer): void {
    this.#credentials = credentials;
    this.#session = session;
  }
}

/** Whom a client expects to find. */
export type ServerIdentity = {
  /** The name that the certificate must hold, DNS-like or a URI. */
  readonly id: string;
  /** The SNI to ask for. */
  readonly serverName: string;
};

// As linkerd2-proxy: the hybrid post-quantum exchange first, and ECDSA on P-256 for every certificate.
const GROUPS = "X25519MLKEM768:X25519:P-256:P-384";
const SIGNATURES = "ecdsa_secp256r1_sha256";
// The one whose handshake hashes with SHA-256 first: processors have instructions for it.
const CIPHERS = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
const BEGIN = "-----BEGIN CERTIFICATE-----";
const contexts = new WeakMap<Credentials, SecureContext>();
const resumable = new WeakMap<Credentials, SecureContext>();

// Tickets are sealed with a key that ends with these credentials, and so with each certificate and set of anchors of ours.
// A client that does not resume costs a server an eighth more with them.
const tickets = () => ({ ticketKeys: randomBytes(48), sessionIdContext: "linkerd" });
const noTickets = () => ({ secureOptions: constants.SSL_OP_NO_TICKET });

function contextOf(credentials: Credentials, resumes = false): SecureContext {
  const known = resumes ? resumable : contexts;
  let context = known.get(credentials);
  if (context === undefined) {
    context = createSecureContext({
      ...(resumes ? tickets() : noTickets()),
      cert: chainOf(credentials),
      key: credentials.keyPem,
      ca: credentials.rootsPem,
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
      ecdhCurve: GROUPS,
      sigalgs: SIGNATURES,
      ciphers: CIPHERS,
      honorCipherOrder: true,
    });
    known.set(credentials, context);
  }
  return context;
}

// OpenSSL sends the issuer of a leaf too, which it would search and verify for each handshake if it stood alone here.
function chainOf({ certPem, rootsPem }: Credentials): string {
  return certPem.split(BEGIN).length === 2 ? `${certPem}\n${rootsPem}` : certPem;
}

/**
 * Terminates TLS as a server on `conn`, of which `first` has been read already. A client may come without a
 * certificate; one whose certificate does not lead to our trust anchors is refused. If it `resumes`, it gets tickets.
 */
export function acceptTls(
  conn: Conn,
  credentials: Credentials,
  options: TlsOptions,
  first: Buffer,
  resumes = false,
): Promise<Conn> {
  const socket = conn.release(first);
  const settings: TLSSocketOptions = {
    isServer: true,
    secureContext: contextOf(credentials, resumes),
    requestCert: true,
    rejectUnauthorized: false, // We decide, below: Node would also refuse a client without a certificate.
  };
  if (options.alpn) settings.ALPNProtocols = [...options.alpn];
  const tls = new TLSSocket(socket, settings);
  return handshake(tls, "secure", "client", options, () => {
    const certificate = tls.getPeerX509Certificate();
    const error = certificate && (verifyError(tls)?.message ?? expired(tls, certificate, options));
    if (error) {
      throw new Fault("unauthenticated", `The client's certificate is refused: ${error}.`, {
        side: "client",
      });
    }
    return secured(conn, tls, certificate ? (identities(certificate)[0] ?? "") : "");
  });
}

// A ticket holds what was found of a certificate when it was issued, but it may have ended since.
function expired(tls: TLSSocket, { validToDate }: X509Certificate, { clock }: TlsOptions) {
  return tls.isSessionReused() && validToDate.getTime() < clock.wall()
    ? "it has expired"
    : undefined;
}

/** What a client of Node's own has to be told (`tls.connect`, `https.request`) to talk to `server` and no one else. */
export function clientTls(credentials: Credentials, { id, serverName }: ServerIdentity) {
  return {
    servername: serverName,
    secureContext: contextOf(credentials),
    // The chain is verified as ever; the name is not a host's but an identity.
    checkServerIdentity: (_host, { subjectaltname }) =>
      namesOf(subjectaltname).includes(id)
        ? undefined
        : new Fault(
            "identity-required",
            `The server is ${namesOf(subjectaltname).join(", ")}, not ${id}.`,
          ),
  } satisfies ConnectionOptions;
}

/** Starts TLS as a client on `conn`; rejects unless the server proves to be `server`. It resumes by `ticket` and keeps the
 * next one there, which is for this server only: what resumes needs no other proof. */
export function startTls(
  conn: Conn,
  credentials: Credentials,
  server: ServerIdentity,
  options: TlsOptions,
  ticket?: Ticket,
): Promise<Conn> {
  const session = ticket?.of(credentials);
  const tls = connect({
    socket: conn.release(),
    ...clientTls(credentials, server),
    ...(options.alpn ? { ALPNProtocols: [...options.alpn] } : {}),
    ...(session ? { session } : {}),
  });
  if (ticket) tls.on("session", (given: Buffer) => ticket.keep(credentials, given));
  return handshake(tls, "secureConnect", "upstream", options, () => secured(conn, tls, server.id));
}

/** The end of the handshake on `tls`, within a time: what `accept` makes of it, or the fault that ended it. */
export function handshake(
  tls: TLSSocket,
  done: "secure" | "secureConnect",
  side: "client" | "upstream",
  options: TlsOptions,
  accept: () => Conn,
): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const fail = (fault: Fault): void => {
      timer.cancel();
      tls.destroy();
      reject(fault);
    };
    const timer = options.clock.after(options.timeoutMs, () =>
      fail(
        new Fault(
          "connect-timeout",
          `The TLS handshake took longer than ${options.timeoutMs} ms.`,
          { side },
        ),
      ),
    );
    const failed = (error: Error): void => {
      if (error instanceof Fault) fail(error);
      else
        fail(
          new Fault("connect-failed", `The TLS handshake failed: ${error.message}.`, {
            side,
            cause: error,
          }),
        );
    };
    const ended = (): void =>
      fail(new Fault("connect-failed", "The peer ended the TLS handshake.", { side }));
    tls.on("error", failed);
    tls.once("close", ended);
    tls.once(done, () => {
      timer.cancel();
      tls.off("close", ended);
      try {
        const conn = accept();
        tls.off("error", failed);
        resolve(conn);
      } catch (error) {
        fail(Fault.from(error));
      }
    });
  });
}

/** `tls` as a connection whose peer is `identity`. */
export function secured(conn: Conn, tls: TLSSocket, identity: string): Conn {
  const alpn = tls.alpnProtocol || undefined;
  return new Conn(tls, { ...conn.peer, tls: { kind: "true", identity, alpn } });
}

/** What OpenSSL found wrong with the peer's chain. Node's own servers ask in the same way; there is no public form for a
 * TLSSocket that no tls.Server made. */
export function verifyError(tls: TLSSocket): Error | null {
  return (tls as unknown as { ssl: { verifyError(): Error | null } }).ssl.verifyError();
}

/** The DNS and URI names in a certificate, in order. */
export function identities(certificate: X509Certificate): string[] {
  return namesOf(certificate.subjectAltName);
}

function namesOf(subjectAltName: string | undefined): string[] {
  return (subjectAltName ?? "")
    .split(", ")
    .flatMap((name) => /^(?:DNS|URI):(.+)$/.exec(name)?.[1] ?? []);
}
