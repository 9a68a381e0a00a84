// Certificates for tests: an authority of our own, and leaves that it signs.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { webcrypto } from "node:crypto";
import { systemClock } from "../../src/base/clock.ts";
import { type Issuer, openIssuer, signLeaf } from "../../src/control/issuer.ts";
import type { Credentials } from "../../src/io/tls.ts";
import { printPem } from "../../src/proxy/csr.ts";

const KEY = { name: "ECDSA", namedCurve: "P-256" };

/** A fresh authority for `trustDomain`. */
async function newIssuer(trustDomain: string): Promise<Issuer> {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-issuer-"));
  try {
    return (await openIssuer(folder, trustDomain, systemClock)).issuer;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A key and a certificate for `name`, valid for an hour. */
export async function credentialsOf(issuer: Issuer, name: string): Promise<Credentials> {
  const { publicKey, privateKey } = await webcrypto.subtle.generateKey(KEY, true, [
    "sign",
    "verify",
  ]);
  const times = { lifetimeMs: 3_600_000, skewMs: 60_000, nowMs: Date.now() };
  const leaf = await signLeaf(issuer, name, publicKey, times);
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", privateKey));
  const der = [new Uint8Array(leaf.rawData), new Uint8Array(issuer.certificate.rawData)];
  return {
    name,
    certPem: printPem(der),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${key.toString("base64")}\n-----END PRIVATE KEY-----\n`,
    rootsPem: issuer.anchorsPem,
  };
}

/** A certificate for a server that clients do not verify. */
export async function selfSigned(name: string): Promise<{ cert: string; key: string }> {
  const { certPem, keyPem } = await credentialsOf(await newIssuer("test"), name);
  return { cert: certPem, key: keyPem };
}
