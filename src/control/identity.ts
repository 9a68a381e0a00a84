// Certifies workloads: checks that a request is for the name that its token proves, and signs it. The name
// is the service account's, so that every pod of an account is the same somebody.

import type { webcrypto } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Account } from "../platform/resources.ts";
import { type IdentityDomain, identityOf } from "../platform/sidecar.ts";
import { IDENTITY_AUDIENCE } from "../platform/tokens.ts";
import type { Issuer } from "./issuer.ts";
import { signLeaf } from "./issuer.ts";
import { failedPrecondition, invalidArgument } from "./refusal.ts";
import * as x509 from "./x509.ts";

export type CertifyOptions = IdentityDomain & {
  readonly issuer: Issuer;
  readonly review: (token: string, audience: string) => Promise<Account>;
  /** Default a day. */
  readonly lifetimeMs?: number;
  /** How far clocks may be apart; default 20 s. */
  readonly skewMs?: number;
  /** Told of each certificate. */
  readonly onCertified?: (account: Account, signed: Signed) => void;
  readonly clock: Clock;
};

/** A signed certificate, DER. */
export type Signed = {
  readonly identity: string;
  readonly leaf: Uint8Array;
  readonly intermediates: readonly Uint8Array[];
  readonly validUntilMs: number;
};

const DAY_MS = 86_400_000;
const SKEW_MS = 20_000;

/** Signs `csr` (PKCS#10, DER) for `identity`, whose `token` must prove it; throws a refusal. */
export async function certify(
  identity: string,
  token: string,
  csr: Uint8Array,
  options: CertifyOptions,
): Promise<Signed> {
  const { issuer, clock } = options;
  const publicKey = await checkRequest(identity, csr);
  const account = await options.review(token, IDENTITY_AUDIENCE);
  const proven = identityOf(account.serviceAccount, account.namespace, options);
  if (proven !== identity) {
    throw failedPrecondition(`the token is that of ${proven}, the request is for ${identity}`);
  }
  const { notAfter } = issuer.certificate;
  if (notAfter.getTime() <= clock.wall())
    throw new Fault(
      "unavailable",
      `the issuer expired on ${notAfter.toISOString()}: nobody gets a certificate until there is another`,
    );
  const leaf = await signLeaf(issuer, identity, publicKey, {
    lifetimeMs: options.lifetimeMs ?? DAY_MS,
    skewMs: options.skewMs ?? SKEW_MS,
    nowMs: clock.wall(),
  });
  const signed = {
    identity,
    leaf: new Uint8Array(leaf.rawData),
    intermediates: [new Uint8Array(issuer.certificate.rawData)],
    validUntilMs: leaf.notAfter.getTime(),
  };
  options.onCertified?.(account, signed);
  return signed;
}

// One DNS name, which is the identity, and nothing else; signed by its own P-256 key.
async function checkRequest(identity: string, der: Uint8Array): Promise<x509.PublicKey> {
  let csr: x509.Pkcs10CertificateRequest;
  try {
    csr = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
  } catch (error) {
    throw invalidArgument(
      `the certificate signing request cannot be read: ${Fault.from(error).message}`,
    );
  }
  const extension = csr.extensions.find(
    (each) => each instanceof x509.SubjectAlternativeNameExtension,
  );
  const names = extension?.names.items ?? [];
  const [name, ...others] = names;
  if (!name || others.length > 0 || name.type !== "dns" || name.value !== identity) {
    const given = names.map(({ type, value }) => `${type}:${value}`).join(", ") || "none";
    throw invalidArgument(`the request must have the one DNS name ${identity}; it has ${given}`);
  }
  const common = csr.subjectName.getField("CN")[0];
  if (common !== undefined && common !== identity) {
    throw invalidArgument(`the request's common name ${common} is not ${identity}`);
  }
  const { namedCurve } = csr.publicKey.algorithm as webcrypto.EcKeyAlgorithm;
  if (namedCurve !== "P-256") throw invalidArgument("the request's key must be ECDSA on P-256");
  if (!(await csr.verify())) throw invalidArgument("the request is not signed by its own key");
  return csr.publicKey;
}
