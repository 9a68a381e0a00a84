// The flags of `linkerd install` and `upgrade`, and the values of the chart that they stand for.

import { nest, parseSet, type Json } from "./chart.ts";
import { CHART_FLAGS, chartValues } from "./chartflags.ts";
import { optional, toggle, type Values } from "./flag.ts";
import { PROXY_FLAGS, settingsOf } from "./proxyflags.ts";

/** What may be chosen at any time. */
export const CONTROL_FLAGS = {
  ...PROXY_FLAGS,
  ...CHART_FLAGS,
  crds: toggle("Print the custom resource definitions, which must be applied first"),
  ha: toggle("Three replicas, spread over nodes, and no pod without a proxy"),
  linkerdCniEnabled: toggle("The CNI plugin redirects connections, pods need no init container"),
  controllerLogLevel: optional("LEVEL", "What the control plane logs (default info)"),
  controllerReplicas: optional("N", "Replicas of each part of the control plane (default 1)"),
  controllerUid: optional("UID", "User that the control plane runs as (default 2103)"),
  controllerGid: optional("GID", "Group that the control plane runs as"),
  disableHeartbeat: toggle("Without the job that --set heartbeatURL=… asks for"),
  registry: optional("NAME", "Where images come from (default linkerd-ts)"),
  identityTrustAnchorsFile: optional("FILE", "PEM of the trust anchors", { offers: "file" }),
  identityIssuerCertificateFile: optional("FILE", "PEM of the issuer's certificate", {
    offers: "file",
  }),
  identityIssuerKeyFile: optional("FILE", "PEM of the issuer's key", { offers: "file" }),
  identityIssuanceLifetime: optional(
    "TIME",
    "How long certificates of workloads are good (default 24h)",
  ),
  identityClockSkewAllowance: optional("TIME", "How far clocks may be apart (default 20s)"),
};

/** What can only be chosen at first: identities of running proxies depend on it. */
export const FIRST_FLAGS = {
  clusterDomain: optional("DOMAIN", "Domain of the cluster's DNS (default cluster.local)"),
  identityTrustDomain: optional("DOMAIN", "Domain of identities (default: the cluster's)"),
  identityExternalIssuer: toggle("Somebody else makes the Secret of the issuer"),
  identityExternalCa: toggle("Somebody else makes the ConfigMap of the trust anchors"),
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

/** The values that the flags say. */
export function chosenValues(flags: Given): Json {
  const set = (path: string, value: unknown): Json =>
    value === undefined || value === false ? {} : nest(path.split("."), value);
  const { registry } = flags;
  const images = {
    controllerImage: "controller",
    "proxy.image.name": "proxy",
    "debugContainer.image.name": "debug",
  };
  return chartValues(
    flags,
    flags.ha ? HA : {},
    ...Object.entries(images).map(([path, name]) => set(path, registry && `${registry}/${name}`)),
    ...settingsOf(flags).map(([path, value]) =>
      parseSet(`${path}=${value.replaceAll(",", "\\,")}`),
    ),
    set("cniEnabled", flags.linkerdCniEnabled),
    set("controllerLogLevel", flags.controllerLogLevel),
    set("controllerReplicas", numberOf(flags.controllerReplicas)),
    set("controllerUID", numberOf(flags.controllerUid)),
    set("controllerGID", numberOf(flags.controllerGid)),
    set("disableHeartBeat", flags.disableHeartbeat),
    set("clusterDomain", flags.clusterDomain),
    set("identityTrustDomain", flags.identityTrustDomain),
    set("identity.issuer.issuanceLifetime", flags.identityIssuanceLifetime),
    set("identity.issuer.clockSkewAllowance", flags.identityClockSkewAllowance),
    set("identity.issuer.scheme", flags.identityExternalIssuer && "kubernetes.io/tls"),
    set("identity.externalCA", flags.identityExternalCa),
  );
}

// What is no number is left as it is, for the chart's schema to refuse with the value's name.
const numberOf = (text: string | undefined): number | string | undefined =>
  text === undefined || !/^-?\d+$/.test(text) ? text : Number(text);
