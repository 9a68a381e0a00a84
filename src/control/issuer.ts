// The issuer: an intermediate certificate authority whose key signs the certificates of workloads. A local
// mesh makes its own, with a trust anchor above it, at its first start, and renews it before it ends; on
// Kubernetes both come with the installation. Keys are ECDSA P-256, the only ones that proxies take.

import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { parseAnchors } from "../proxy/trust.ts";
import * as x509 from "./x509.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
const ANCHOR_LIFETIME_MS = 3650 * DAY_MS;
const ISSUER_LIFETIME_MS = 365 * DAY_MS;
const RENEW_BEFORE_MS = 30 * DAY_MS;
const SKEW_MS = 60_000;

/** What signs certificates, and what those who check them must trust. */
export type Issuer = {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
  readonly anchorsPem: string;
};

/** Certificates and keys as PEM. */
export type IssuerPem = {
  readonly anchorsPem: string;
  readonly certPem: string;
  readonly keyPem: string;
};

/** The issuer of a folder, made or renewed when need be; `notice` says so when workloads must know. */
export async function openIssuer(
  dir: string,
  trustDomain: string,
  clock: Clock,
): Promise<{ issuer: Issuer; notice: string | undefined }> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const read = (name: string): string | undefined => {
    try {
      return readFileSync(join(dir, name), "utf8");
    } catch {
      return undefined;
    }
  };
  const write = (name: string, content: string): void =>
    writeFileSync(join(dir, name), content, { mode: 0o600 });
  const fresh = (pem: string | undefined, name: Pair): pem is string => {
    try {
      return pem !== undefined && endOf(pem) - clock.wall() > RENEW_BEFORE_MS;
    } catch (error) {
      return unusable(dir, name)(error);
    }
  };

  let anchorPem = read("anchors.pem");
  let anchorKeyPem = read("anchor.key");
  let notice: string | undefined;
  const anchorIsNew = !fresh(anchorPem, "anchor") || anchorKeyPem === undefined;
  if (anchorIsNew) {
    if (anchorPem !== undefined) {
      notice =
        "the trust anchor was about to expire and was made anew: clients outside this mesh must be given the new one";
    }
    const anchor = await newAuthority(`root.linkerd.${trustDomain}`, ANCHOR_LIFETIME_MS, clock);
    [anchorPem, anchorKeyPem] = [anchor.certPem, anchor.keyPem];
    write("anchor.key", anchorKeyPem);
    write("anchors.pem", anchorPem);
  }
  let certPem = read("issuer.pem");
  let keyPem = read("issuer.key");
  if (anchorIsNew || !fresh(certPem, "issuer") || keyPem === undefined) {
    const above = await parseIssuer({
      anchorsPem: anchorPem!,
      certPem: anchorPem!,
      keyPem: anchorKeyPem!,
    }).catch(unusable(dir, "anchor"));
    const made = await newAuthority(
      `identity.linkerd.${trustDomain}`,
      ISSUER_LIFETIME_MS,
      clock,
      above,
    );
    [certPem, keyPem] = [made.certPem, made.keyPem];
    write("issuer.key", keyPem);
    write("issuer.pem", certPem);
  }
  const pem = { anchorsPem: anchorPem!, certPem, keyPem };
  return { issuer: await parseIssuer(pem).catch(unusable(dir, "issuer")), notice };
}

type Pair = "issuer" | "anchor";

function unusable(dir: string, name: Pair): (error: unknown) => never {
  const files = name === "issuer" ? "issuer.pem and issuer.key" : "anchors.pem and anchor.key";
  return (error) => {
    const why = error instanceof Error ? error.message : String(error);
    const message = `${files} in ${dir} cannot be used (${why}): remove both, and new ones are made`;
    throw new Fault("bad-input", message, { cause: error });
  };
}

/** Reads an issuer; throws `bad-input` when key, certificate and anchors do not belong together or are of the wrong sort. */
export async function parseIssuer({ anchorsPem, certPem, keyPem }: IssuerPem): Promise<Issuer> {
  const certificate = new x509.X509Certificate(certPem);
  const key = createPrivateKey(keyPem);
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new Fault("bad-input", "the issuer's key must be an ECDSA key on the curve P-256");
  }
  if (!new X509Certificate(certPem).checkPrivateKey(key)) {
    throw new Fault("bad-input", "the issuer's key does not belong to its certificate");
  }
  const own = new X509Certificate(certPem);
  const isVouchedFor = parseAnchors(anchorsPem).some((anchor) => {
    return own.raw.equals(anchor.raw) || (own.checkIssued(anchor) && own.verify(anchor.publicKey));
  });
  if (!isVouchedFor)
    throw new Fault("bad-input", "no trust anchor has issued the issuer's certificate");
  const pkcs8 = key.export({ type: "pkcs8", format: "der" });
  const imported = await webcrypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]);
  return { certificate, key: imported, anchorsPem };
}

/** A leaf for `name` and `publicKey`, valid for `lifetimeMs` and not longer than its issuer. */
export async function signLeaf(
  issuer: Issuer,
  name: string,
  publicKey: x509.PublicKeyType,
  times: { readonly lifetimeMs: number; readonly skewMs: number; readonly nowMs: number },
): Promise<x509.X509Certificate> {
  const { lifetimeMs, skewMs, nowMs } = times;
  const notAfter = Math.min(nowMs + lifetimeMs + skewMs, issuer.certificate.notAfter.getTime());
  return x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer.certificate.subject,
    notBefore: new Date(nowMs - skewMs),
    notAfter: new Date(notAfter),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: issuer.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
      signedBy(issuer.certificate),
    ],
  });
}

/** A new key pair: the private half as PEM. */
export async function newKey(): Promise<{ keyPem: string; publicKey: webcrypto.CryptoKey }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  return { keyPem: await printKey(keys.privateKey), publicKey: keys.publicKey };
}

async function printKey(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
}

/** A certificate authority with a new key, under `above` or its own root; as PEM. */
export async function newAuthority(name: string, lifetimeMs: number, clock: Clock, above?: Issuer) {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const subject = `CN=${name}`;
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: above?.certificate.subject ?? subject,
    notBefore: new Date(clock.wall() - SKEW_MS),
    notAfter: new Date(clock.wall() + lifetimeMs),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: above?.key ?? keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(true, above ? 0 : 1, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...(above ? [signedBy(above.certificate)] : []),
    ],
  });
  return {
    certPem: `${certificate.toString("pem")}\n`,
    keyPem: await printKey(keys.privateKey),
  };
}

// By name and number (RFC 5280 §4.2.1.1): of two authorities with one name, an old anchor and a new issuer perhaps,
// OpenSSL takes the first that it is not told to pass over, and tries no other when that one's key does not fit.
function signedBy({ issuer, serialNumber: serial }: x509.X509Certificate): x509.Extension {
  // A number that would be read as negative begins with a zero.
  const serialNumber = /^[89a-f]/i.test(serial) ? `00${serial}` : serial;
  const name = new x509.GeneralNames([{ type: "dn", value: issuer }]);
  return new x509.AuthorityKeyIdentifierExtension({ name, serialNumber });
}

const endOf = (pem: string): number => Date.parse(new X509Certificate(pem).validTo);
