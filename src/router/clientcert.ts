// `x-forwarded-client-cert`: which certificate the client has proved to hold. Nobody but this proxy may say so, and it
// does only where its file asks for it.

import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Conn, Peer } from "../io/conn.ts";
import type { HttpFilter } from "../stack/types.ts";
import { removeHeader } from "../wire/headers.ts";

const FIELD = "x-forwarded-client-cert";
const certificates = new WeakMap<Peer, string>();

/** Remembers the certificate of a connection's client, for the requests that come on it. */
export function rememberClientCert({ socket, secure, peer }: Conn): void {
  const certificate = secure ? (socket as TLSSocket).getPeerX509Certificate() : undefined;
  if (certificate) certificates.set(peer, describe(certificate));
}

/** Takes the field off, and sets it anew if `forwards`. */
export function clientCert(forwards: boolean): HttpFilter {
  return (next) =>
    function clientCert(req) {
      removeHeader(req.headers, FIELD);
      const certificate = forwards ? certificates.get(req.peer) : undefined;
      if (certificate !== undefined) req.headers.push(FIELD, certificate);
      return next(req);
    };
}

function describe(certificate: X509Certificate): string {
  const hash = certificate.fingerprint256.replaceAll(":", "");
  const names = (certificate.subjectAltName ?? "").split(", ").flatMap((name) => {
    const [, kind, value] = /^(URI|DNS):(.+)$/.exec(name) ?? [];
    return kind === undefined ? [] : [`${kind === "URI" ? "SAN" : "DNS"}=${value}`];
  });
  const subject = certificate.subject.split("\n").reverse().join(",").replace(/["\\]/g, "\\$&");
  return [`Hash=${hash}`, ...names, `Subject="${subject}"`].join(";");
}
