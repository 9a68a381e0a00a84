// The certificates that an installation starts with: a trust anchor and an issuer unless they are given, and one
// certificate for each webhook, which nobody but the API server checks.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { newAuthority, newKey, parseIssuer, signLeaf } from "../control/issuer.ts";
import type { Json } from "./chart.ts";
import { readTextFile } from "./manifestfiles.ts";

const DAY_MS = 86_400_000;
const YEAR_MS = 365 * DAY_MS;
const SKEW_MS = 60_000;

type IssuerFlags = {
  readonly identityTrustAnchorsFile: string | undefined;
  readonly identityIssuerCertificateFile: string | undefined;
  readonly identityIssuerKeyFile: string | undefined;
  readonly identityExternalIssuer: boolean;
  readonly clusterDomain: string | undefined;
  readonly identityTrustDomain: string | undefined;
};

/** The values of trust anchors and issuer: from files, or new ones good for a year. Throws unless all files or none are given. */
export async function issuerValues(
  chosen: Json,
  flags: IssuerFlags,
  namespace: string,
  clock: Clock,
): Promise<Json> {
  const files = [
    flags.identityTrustAnchorsFile,
    flags.identityIssuerCertificateFile,
    flags.identityIssuerKeyFile,
  ];
  const given = files.filter((file) => file !== undefined);
  if (flags.identityExternalIssuer || "identityTrustAnchorsPEM" in chosen) {
    const [anchors] = files;
    return anchors === undefined ? {} : { identityTrustAnchorsPEM: readTextFile(anchors) };
  }
  if (given.length > 0 && given.length < files.length) {
    throw new Fault(
      "bad-input",
      "--identity-trust-anchors-file, --identity-issuer-certificate-file and --identity-issuer-key-file are given all three, or none",
    );
  }
  const [anchorsPem, certPem, keyPem] =
    given.length > 0 ? given.map(readTextFile) : await newIssuer(flags, namespace, clock);
  await parseIssuer({ anchorsPem: anchorsPem!, certPem: certPem!, keyPem: keyPem! });
  return {
    identityTrustAnchorsPEM: anchorsPem,
    identity: { issuer: { tls: { crtPEM: certPem, keyPEM: keyPem } } },
  };
}

/** The values of the certificates of what the API server calls, each signed by a root of its own whose key nobody keeps;
 * `services` are their names by that of the value. */
export async function webhookValues(
  services: Readonly<Record<string, string>>,
  namespace: string,
  clock: Clock,
): Promise<Json> {
  const entries = Object.entries(services).map(async ([value, service]) => {
    const host = `${service}.${namespace}.svc`;
    const root = await newAuthority(host, YEAR_MS, clock);
    const issuer = await parseIssuer({ anchorsPem: root.certPem, ...root });
    const { keyPem, publicKey } = await newKey();
    const times = { lifetimeMs: YEAR_MS, skewMs: SKEW_MS, nowMs: clock.wall() };
    const leaf = await signLeaf(issuer, host, publicKey, times);
    return [value, { crtPEM: `${leaf.toString("pem")}\n`, keyPEM: keyPem, caBundle: root.certPem }];
  });
  return Object.fromEntries(await Promise.all(entries)) as Json;
}

async function newIssuer(flags: IssuerFlags, namespace: string, clock: Clock): Promise<string[]> {
  const domain = flags.identityTrustDomain ?? flags.clusterDomain ?? "cluster.local";
  const root = await newAuthority(`identity.${namespace}.${domain}`, YEAR_MS, clock);
  // One certificate is both, as Linkerd does it: who wants an anchor that outlives its issuer brings both.
  return [root.certPem, root.certPem, root.keyPem];
}
