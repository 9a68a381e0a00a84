// Whether an upgrade's certificates fit the proxies that run: each must trust the new issuer, and show a certificate that
// the new anchors vouch for. Proxies of ours are asked, since they change while they run; others have the anchors of
// their environment until they are restarted.

import type { X509Certificate } from "node:crypto";
import { Fault } from "../base/fault.ts";
import { Scope } from "../base/scope.ts";
import { type IssuerPem, parseIssuer } from "../control/issuer.ts";
import type { RawContainer, RawObject, RawPod } from "../control/manifest.ts";
import { PROXY } from "../control/injectproxy.ts";
import { containersOf } from "../control/podports.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { forwardPort } from "../platform/portforward.ts";
import { PORTS } from "../platform/sidecar.ts";
import { readText } from "../viz/scrape.ts";
import { isTrusted, parseBundle } from "./certificate.ts";
import { OF_MESH } from "./install.ts";

/** Whom a proxy trusts, by SHA-256, and how it proves itself, as PEM. */
export type ProxyTrust = { readonly anchors: readonly string[]; readonly certificates: string };

const ASK_MS = 5000;
/** How many proxies are asked at once. */
const AT_ONCE = 16;
const WITNESS = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS";

/** What the proxy behind this admin port says; undefined when it does not, as those of Linkerd. */
export async function askTrust(admin: SocketAddr): Promise<ProxyTrust | undefined> {
  try {
    const state = JSON.parse(await readText(admin, "/state.json", ASK_MS)) as {
      identity?: ProxyTrust;
    };
    return state.identity;
  } catch {
    return undefined;
  }
}

/** Rejects with the pods that would lose their peers were these certificates installed in place of `oldAnchors`. */
export async function refuseUntrusted(
  api: KubeApi,
  namespace: string,
  pem: IssuerPem,
  oldAnchors: string,
): Promise<void> {
  const items = await api.list<RawObject>(
    "/api/v1/pods",
    `${OF_MESH}=${namespace}`,
    "status.phase=Running",
  );
  const anchors = parseBundle(pem.anchorsPem);
  const dropsSome = parseBundle(oldAnchors).some((old) => !hasAnchor(anchors, old.fingerprint256));
  const wary: string[] = [];
  const orphaned: string[] = [];
  const look = async (pod: RawObject): Promise<void> => {
    const proxy = proxyOf(pod);
    const inEnv = proxy?.env?.find(({ name }) => name === WITNESS)?.value;
    if (inEnv === undefined) return;
    const isContent = await vouches(pem, inEnv);
    if (isContent && !dropsSome) return;
    const said = await ask(api, pod, proxy!);
    const name = `\t* ${pod.metadata?.namespace}/${pod.metadata?.name}`;
    const trusted = said && anchors.filter(({ fingerprint256: id }) => said.anchors.includes(id));
    if (!(trusted ? await vouches(pem, printBundle(trusted)) : isContent)) wary.push(name);
    else if (said && !isTrusted(parseBundle(said.certificates), anchors)) orphaned.push(name);
  };
  for (let at = 0; at < items.length; at += AT_ONCE)
    await Promise.all(items.slice(at, at + AT_ONCE).map(look));
  if (wary.length > 0)
    throw new Fault(
      "in-use",
      `the proxies of these pods do not trust the new issuer; first upgrade with anchors old and new in one file, which proxies of this version take over within two minutes and others when they are restarted, or use --force:\n${wary.join("\n")}`,
    );
  if (orphaned.length > 0)
    throw new Fault(
      "in-use",
      `the new anchors do not vouch for the certificates of these pods' proxies; first upgrade with the new issuer, after which they renew within two minutes, or use --force:\n${orphaned.join("\n")}`,
    );
}

const hasAnchor = (anchors: readonly X509Certificate[], fingerprint: string): boolean =>
  anchors.some(({ fingerprint256 }) => fingerprint256 === fingerprint);

const printBundle = (certificates: readonly X509Certificate[]): string =>
  certificates.map(String).join("");

/** Whether whoever trusts these anchors trusts the issuer. */
const vouches = (pem: IssuerPem, anchorsPem: string): Promise<boolean> =>
  parseIssuer({ ...pem, anchorsPem }).then(
    () => true,
    () => false,
  );

const proxyOf = (pod: RawObject): RawContainer | undefined =>
  containersOf(pod as RawPod).find(({ name }) => name === PROXY);

async function ask(
  api: KubeApi,
  { metadata }: RawObject,
  { ports = [] }: RawContainer,
): Promise<ProxyTrust | undefined> {
  const scope = new Scope();
  try {
    const { containerPort: port } = ports.find(({ name }) => name === "linkerd-admin") ?? {
      containerPort: PORTS.admin,
    };
    const target = { namespace: metadata!.namespace!, pod: metadata!.name!, port };
    return await askTrust(await forwardPort(api, target, scope));
  } finally {
    await scope.close();
  }
}
