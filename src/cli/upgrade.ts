// The verb `linkerd upgrade`: the manifests of this version's control plane with what was chosen when it was installed
// and with the certificates that the cluster has now, which somebody may have renewed since.

import { X509Certificate } from "node:crypto";
import { parse } from "yaml";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { type IssuerPem, parseIssuer } from "../control/issuer.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { endsSoon } from "./certificate.ts";
import { mergeValues, nest, type Json } from "./chart.ts";
import { chartValues } from "./chartflags.ts";
import { needCluster } from "./cluster.ts";
import { command } from "./command.ts";
import { optional, toggle, type Values } from "./flag.ts";
import { controlPlaneObjects, crdObjects, OVERRIDES, WEBHOOKS } from "./install.ts";
import { webhookValues } from "./installcerts.ts";
import { chosenValues, CONTROL_FLAGS } from "./installflags.ts";
import { printObjects, readObjects, readTextFile } from "./manifestfiles.ts";
import { refuseUntrusted } from "./rotation.ts";

type Data = { readonly data?: Readonly<Record<string, string>> };
/** What is stored under a name, for Secrets in base64; undefined when it is not there. */
type Stored = (kind: "ConfigMap" | "Secret", name: string) => Promise<Data | undefined>;

export const upgrade = command({
  name: "upgrade",
  summary: "Print the manifests of the control plane with what was chosen when it was installed",
  examples: [
    ["First the custom resources", "upgrade --crds | kubectl apply -f -"],
    ["Then the control plane", "upgrade | kubectl apply -f -"],
    ["And what it no longer has", "prune | kubectl delete -f -"],
    ["From what was stored elsewhere", "upgrade --from-manifests backup.yaml"],
  ],
  flags: {
    ...CONTROL_FLAGS,
    fromManifests: optional(
      "FILE",
      "Read what was installed from manifests, not from the cluster",
      { offers: "file" },
    ),
    force: toggle("Even if running proxies and the new certificates do not trust each other"),
  },
  run: async ({ flags, globals, terminal }) => {
    const namespace = globals.linkerdNamespace;
    if (flags.crds)
      return terminal.print(printObjects(crdObjects(namespace, chartValues(flags)), flags.output));
    const file = flags.fromManifests;
    const api = file === undefined ? needCluster(globals, terminal.env, terminal.scope) : undefined;
    const stored = file === undefined ? inCluster(api!, namespace) : await inManifests(file);
    const kept = mergeValues(await storedValues(stored, namespace), await storedIssuer(stored));
    const over = [await renewedWebhooks(kept, namespace), givenIssuer(flags), chosenValues(flags)];
    const values = over.reduce(mergeValues, kept);
    const pem = issuerOf(values);
    if (pem) await parseIssuer(pem);
    if (api && pem && !flags.force) {
      const { identityTrustAnchorsPEM: old = "" } = kept as { identityTrustAnchorsPEM?: string };
      await refuseUntrusted(api, namespace, pem, old);
    }
    terminal.print(printObjects(controlPlaneObjects(namespace, values), flags.output));
  },
});

// An upgrade makes no issuer anew; anchors alone are the first step of a rotation.
function givenIssuer(flags: Values<typeof CONTROL_FLAGS>): Json {
  const {
    identityTrustAnchorsFile: anchors,
    identityIssuerCertificateFile: crt,
    identityIssuerKeyFile: key,
  } = flags;
  if ((crt === undefined) !== (key === undefined))
    throw new Fault(
      "bad-input",
      "--identity-issuer-certificate-file and --identity-issuer-key-file are given both, or neither",
    );
  return {
    ...(anchors !== undefined && { identityTrustAnchorsPEM: readTextFile(anchors) }),
    ...(crt !== undefined &&
      key !== undefined &&
      nest(["identity", "issuer", "tls"], {
        crtPEM: readTextFile(crt),
        keyPEM: readTextFile(key),
      })),
  };
}

function inCluster(api: KubeApi, namespace: string): Stored {
  return (kind, name) =>
    api.find<Data>(`/api/v1/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`);
}

async function inManifests(file: string): Promise<Stored> {
  const objects = await readObjects([file]);
  return async (kind, name) =>
    objects.find((object) => object.kind === kind && object.metadata?.name === name) as
      | Data
      | undefined;
}

/** The values that the installation remembers. */
async function storedValues(stored: Stored, namespace: string): Promise<Json> {
  const secret = await stored("Secret", OVERRIDES);
  if (secret) return parse(decoded(secret, OVERRIDES) ?? "") as Json;
  throw new Fault(
    "not-found",
    `the Secret ${OVERRIDES} is not in ${namespace}: nothing was installed there by "linkerd install"; what Helm installed, Helm upgrades`,
  );
}

/** The values that the installation in the cluster remembers. */
export const valuesInCluster = (api: KubeApi, namespace: string): Promise<Json> =>
  storedValues(inCluster(api, namespace), namespace);

// Somebody may have renewed the issuer in place.
async function storedIssuer(stored: Stored): Promise<Json> {
  const [secret, roots] = [
    await stored("Secret", "linkerd-identity-issuer"),
    await stored("ConfigMap", "linkerd-identity-trust-roots"),
  ];
  const [crtPEM, keyPEM] = ["crt.pem", "key.pem"].map((key) => secret && decoded(secret, key));
  const anchors = roots?.data?.["ca-bundle.crt"];
  return {
    ...(anchors !== undefined && { identityTrustAnchorsPEM: anchors }),
    ...(crtPEM && keyPEM && nest(["identity", "issuer", "tls"], { crtPEM, keyPEM })),
  };
}

function decoded({ data }: Data, key: string): string | undefined {
  const text = data?.[key];
  return text === undefined ? undefined : Buffer.from(text, "base64").toString();
}

// Certificates of webhooks last a year, and an upgrade is the time to renew them.
async function renewedWebhooks(values: Json, namespace: string): Promise<Json> {
  const fresh = await webhookValues(WEBHOOKS, namespace, systemClock);
  const old = Object.keys(WEBHOOKS).filter((key) => {
    const { crtPEM, externalSecret } = (values[key] ?? {}) as {
      crtPEM?: string;
      externalSecret?: boolean;
    };
    if (externalSecret) return false;
    return !crtPEM || endsSoon(new X509Certificate(crtPEM));
  });
  return Object.fromEntries(old.map((key) => [key, fresh[key]]));
}

/** The issuer of these values; undefined where somebody else makes it. */
function issuerOf(values: Json): IssuerPem | undefined {
  const { identityTrustAnchorsPEM: anchorsPem, identity } = values as {
    identityTrustAnchorsPEM?: string;
    identity?: { issuer?: { tls?: { crtPEM?: string; keyPEM?: string } } };
  };
  const { crtPEM, keyPEM } = identity?.issuer?.tls ?? {};
  return anchorsPem && crtPEM && keyPEM
    ? { anchorsPem, certPem: crtPEM, keyPem: keyPEM }
    : undefined;
}
