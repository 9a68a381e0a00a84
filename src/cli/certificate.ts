// Certificates of proxies: fetched as any client would see them, and printed in the manner of openssl.

import type { KeyObject } from "node:crypto";
import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { identityOf } from "../platform/sidecar.ts";
import type { MeshPod } from "../viz/world.ts";
import type { Mesh } from "./mesh.ts";

const TIMEOUT_MS = 5000;
const SOON_MS = 60 * 86_400_000;

/** The certificate of a pod's proxy, which its admin port shows too, and those that vouch for it, leaf first. Nothing is
 * verified. */
export async function proxyCertificates(mesh: Mesh, pod: MeshPod): Promise<X509Certificate[]> {
  const { ip: host, port } = await mesh.reach(pod, pod.adminPort);
  const servername = identityOf(pod.serviceAccount, pod.namespace, {
    ...(pod.controlPlaneNs && { controlNamespace: pod.controlPlaneNs }),
    trustDomain: await mesh.trustDomain(),
  });
  return new Promise((resolve, reject) => {
    const options = { host, port, servername, rejectUnauthorized: false, timeout: TIMEOUT_MS };
    const socket = connect(options);
    const fail = (cause?: Error): void => {
      socket.destroy();
      const reason = cause?.message ?? `no answer in ${TIMEOUT_MS / 1000} s`;
      const what = `the proxy of ${pod.namespace}/${pod.name} shows no certificate`;
      reject(new Fault("unavailable", `${what}: ${reason}`, { cause }));
    };
    socket.on("error", fail);
    socket.on("timeout", fail);
    socket.on("secureConnect", () => {
      const chain: X509Certificate[] = [];
      let at = socket.getPeerX509Certificate();
      // A root is its own issuer.
      while (at && at !== chain.at(-1) && chain.length < 8) {
        chain.push(at);
        at = at.issuerCertificate;
      }
      socket.destroy();
      resolve(chain);
    });
  });
}

/** The certificates of a PEM file. */
export function parseBundle(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** Whether a chain of certificates, leaf first, ends at one of the anchors. */
export function isTrusted(
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): boolean {
  const [leaf, ...rest] = chain;
  if (!leaf) return false;
  if (anchors.some((anchor) => isIssuedBy(leaf, anchor) || anchor.raw.equals(leaf.raw)))
    return true;
  const issuer = rest.find((next) => isIssuedBy(leaf, next));
  return (
    issuer !== undefined && isTrusted([issuer, ...rest.filter((one) => one !== issuer)], anchors)
  );
}

/** Whether a certificate is good for less than sixty days more. */
export function endsSoon({ validToDate }: X509Certificate): boolean {
  return validToDate.getTime() < systemClock.wall() + SOON_MS;
}

/** Whether `issuer` signed `certificate`. */
function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** The fields of a certificate, as `openssl x509 -text` lays them out. */
export function printCertificate(certificate: X509Certificate): string {
  const { issuer, subject, validFrom, validTo, serialNumber, publicKey, subjectAltName } =
    certificate;
  const oneLine = (name: string): string => name.split("\n").join(", ");
  return `Certificate:
    Data:
        Version: 3 (0x2)
        Serial Number:
            ${serialNumber.toLowerCase().replace(/(..)(?=.)/g, "$1:")}
        Issuer: ${oneLine(issuer)}
        Validity
            Not Before: ${validFrom}
            Not After : ${validTo}
        Subject: ${oneLine(subject)}
        Subject Public Key Info:
            ${printKey(publicKey)}
        X509v3 extensions:
            X509v3 Basic Constraints: critical
                CA:${certificate.ca ? "TRUE" : "FALSE"}
            X509v3 Subject Alternative Name:
                ${subjectAltName ?? ""}
    SHA256 Fingerprint: ${certificate.fingerprint256}
`;
}

function printKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  const { namedCurve, modulusLength } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === "ec") return `Public Key Algorithm: id-ecPublicKey (${namedCurve})`;
  return `Public Key Algorithm: ${asymmetricKeyType}${modulusLength ? ` (${modulusLength} bit)` : ""}`;
}

/** Whether a key is of a kind that proxies accept: ECDSA P-256, or RSA of 2048 or 4096 bits. */
export function isSupportedKey({
  asymmetricKeyType,
  asymmetricKeyDetails: details,
}: KeyObject): boolean {
  if (asymmetricKeyType === "ec") return details?.namedCurve === "prime256v1";
  return asymmetricKeyType === "rsa" && [2048, 4096].includes(details?.modulusLength ?? 0);
}
