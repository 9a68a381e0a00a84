// The flags of `linkerd install` and `upgrade`, and the values of the chart that they stand for.

import { nest, type Json } from "./chart.ts";
import { CHART_FLAGS, chartValues } from "./chartflags.ts";
import { optional, toggle, type Values } from "./flag.ts";
import { SIDECAR, SIDECAR_FLAGS } from "./proxyflags.ts";
import { flagsOf, row, valuesOf } from "./valueflags.ts";

// oxfmt-ignore
const CONTROL = {
  linkerdCniEnabled: row(toggle("The CNI plugin redirects connections, pods need no init container"), "cniEnabled"),
  controllerLogLevel: row(optional("LEVEL", "What the control plane logs (default info)"), "controllerLogLevel"),
  controllerReplicas: row(optional("N", "Replicas of each part of the control plane (default 1)"), "controllerReplicas"),
  controllerUid: row(optional("UID", "User that the control plane runs as (default 2103)"), "controllerUID"),
  controllerGid: row(optional("GID", "Group that the control plane runs as"), "controllerGID"),
  controlPlaneVersion: row(optional("TAG", "Tag of the control plane's images", { hidden: true }), "linkerdVersion"),
  disableHeartbeat: row(toggle("Without the job that --set heartbeatURL=… asks for"), "disableHeartBeat"),
  identityIssuanceLifetime: row(optional("TIME", "How long certificates of workloads are good (default 24h)"), "identity.issuer.issuanceLifetime"),
  identityClockSkewAllowance: row(optional("TIME", "How far clocks may be apart (default 20s)"), "identity.issuer.clockSkewAllowance"),
};

// oxfmt-ignore
const FIRST = {
  clusterDomain: row(optional("DOMAIN", "Domain of the cluster's DNS (default cluster.local)"), "clusterDomain"),
  identityTrustDomain: row(optional("DOMAIN", "Domain of identities (default: the cluster's)"), "identityTrustDomain"),
  identityExternalCa: row(toggle("Somebody else makes the ConfigMap of the trust anchors"), "identity.externalCA"),
};

/** What may be chosen at any time. */
export const CONTROL_FLAGS = {
  ...SIDECAR_FLAGS,
  ...CHART_FLAGS,
  ...flagsOf(CONTROL),
  crds: toggle("Print the custom resource definitions, which must be applied first"),
  ha: toggle("Three replicas, spread over nodes, and no pod without a proxy"),
  disableH2Upgrade: toggle("Let HTTP/1 between meshed workloads travel as HTTP/1"),
  enableEndpointSlices: toggle("Without effect: endpoint slices are always read", {
    initial: true,
    hidden: true,
  }),
  identityTrustAnchorsFile: optional("FILE", "PEM of the trust anchors", { offers: "file" }),
  identityIssuerCertificateFile: optional("FILE", "PEM of the issuer's certificate", {
    offers: "file",
  }),
  identityIssuerKeyFile: optional("FILE", "PEM of the issuer's key", { offers: "file" }),
};

/** What can only be chosen at first: identities of running proxies depend on it. */
export const FIRST_FLAGS = {
  ...flagsOf(FIRST),
  identityExternalIssuer: toggle("Somebody else makes the Secret of the issuer"),
};

type Given = Values<typeof CONTROL_FLAGS> & Partial<Values<typeof FIRST_FLAGS>>;

const HA: Json = {
  controllerReplicas: 3,
  enablePodAntiAffinity: true,
  enablePodDisruptionBudget: true,
  webhookFailurePolicy: "Fail",
  controllerResources: { requests: { cpu: "100m", memory: "100Mi" }, limits: { memory: "500Mi" } },
  proxy: { resources: { cpu: { request: "100m" }, memory: { request: "60Mi", limit: "250Mi" } } },
};

const imagesOf = (registry: string): Json => ({
  controllerImage: `${registry}/controller`,
  proxy: { image: { name: `${registry}/proxy` } },
  debugContainer: { image: { name: `${registry}/debug` } },
});

/** The values that the flags say. */
export function chosenValues(flags: Given): Json {
  return chartValues(
    flags,
    flags.ha ? HA : {},
    flags.registry === undefined ? {} : imagesOf(flags.registry),
    valuesOf({ ...SIDECAR, ...CONTROL, ...FIRST }, flags),
    flags.disableH2Upgrade ? { enableH2Upgrade: false } : {},
    flags.identityExternalIssuer ? nest(["identity", "issuer", "scheme"], "kubernetes.io/tls") : {},
  );
}
