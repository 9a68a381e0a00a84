// A key pair and a certificate signing request (PKCS #10, RFC 2986) for one name, in DER. The request has an
// empty subject and one subject alternative name, which is what the identity service wants; forty lines of
// DER spare the proxy a certificate library and its 30 ms of start-up.

import { generateKeyPairSync, sign } from "node:crypto";

/** A private key (PKCS #8 PEM) and the request that it signed (DER). */
export type KeyAndCsr = { readonly keyPem: string; readonly csr: Buffer };

/** Makes an ECDSA P-256 key and a request for `name`: a DNS name, or a URI when it has a scheme. */
export function newKeyAndCsr(name: string): KeyAndCsr {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const san = name.includes("://") ? tagged(0x86, name) : tagged(0x82, name);
  const extension = seq(oid(SUBJECT_ALT_NAME), tagged(0x04, seq(san)));
  const attribute = seq(oid(EXTENSION_REQUEST), tagged(0x31, seq(extension)));
  const request = seq(
    tagged(0x02, Buffer.from([0])),
    seq(),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa0, attribute),
  );
  const signature = sign("sha256", request, privateKey);
  const csr = seq(
    request,
    seq(oid(ECDSA_WITH_SHA256)),
    tagged(0x03, Buffer.concat([ZERO, signature])),
  );
  return { keyPem: privateKey.export({ type: "pkcs8", format: "pem" }) as string, csr };
}

/** DER certificates as PEM, one after the other. */
export function printPem(certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) => {
      const lines = Buffer.from(der)
        .toString("base64")
        .replace(/.{64}(?=.)/g, "$&\n");
      return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
    })
    .join("");
}

const ZERO = Buffer.from([0]);
const SUBJECT_ALT_NAME = [2, 5, 29, 17];
const EXTENSION_REQUEST = [1, 2, 840, 113549, 1, 9, 14];
const ECDSA_WITH_SHA256 = [1, 2, 840, 10045, 4, 3, 2];

function seq(...parts: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function tagged(tag: number, content: Buffer | string): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
  const n = bytes.length;
  const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), bytes]);
}

function oid([first, second, ...rest]: readonly number[]): Buffer {
  const bytes = [first! * 40 + second!];
  for (const arc of rest) {
    const groups = [arc & 127];
    for (let high = arc >> 7; high > 0; high >>= 7) groups.unshift((high & 127) | 128);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}
