// The Link: another cluster as this one knows it, of the group multicluster.linkerd.io. And the labels and annotations
// by which clusters tell each other of services.

import { labelSelector, metadata } from "../platform/coreshapes.ts";
import { type LabelSelector, row } from "../platform/kinds.ts";
import { parseGoDuration } from "../platform/quantity.ts";
import * as shape from "../platform/shape.ts";

const MIRROR = "mirror.linkerd.io";

/** Labels and annotations of services and their endpoints, on either side. */
export const MARKS = {
  exported: `${MIRROR}/exported`,
  federated: `${MIRROR}/federated`,
  mirrored: `${MIRROR}/mirrored-service`,
  cluster: `${MIRROR}/cluster-name`,
  headless: `${MIRROR}/headless-mirror-svc-name`,
  version: `${MIRROR}/remote-resource-version`,
  name: `${MIRROR}/remote-svc-fq-name`,
  identity: `${MIRROR}/remote-gateway-identity`,
} as const;

const MULTICLUSTER = "multicluster.linkerd.io";

/** What services say whose pods are called without a gateway: labels of one cluster's, annotations of those of several
 * ("web@east,web@west", and "web" here). */
export const FLAT = {
  cluster: `${MULTICLUSTER}/remote-discovery`,
  service: `${MULTICLUSTER}/remote-service`,
  local: `${MULTICLUSTER}/local-discovery`,
} as const;

/** What the gateway's Service says of itself to those who link to it. */
export const GATEWAY_MARKS = {
  identity: `${MIRROR}/gateway-identity`,
  path: `${MIRROR}/probe-path`,
  period: `${MIRROR}/probe-period`,
  timeout: `${MIRROR}/probe-timeout`,
  failures: `${MIRROR}/probe-failure-threshold`,
} as const;

/** The names of the ports of the gateway's Service. */
export const GATEWAY_PORTS = { traffic: "mc-gateway", probe: "mc-probe" } as const;

/** Where the extension is unless somebody says otherwise. */
export const NAMESPACE = "linkerd-multicluster";
/** The key of the credentials Secret, and its type. */
export const KUBECONFIG_KEY = "kubeconfig";
export const CREDENTIALS_TYPE = `${MIRROR}/remote-kubeconfig`;
/** The Secret with which a Link reads its cluster. */
export const credentialsOf = (cluster: string): string => `cluster-credentials-${cluster}`;

const text = shape.or(shape.text, () => "");
const selector = shape.or(labelSelector, () => ({ matchLabels: {}, matchExpressions: [] }));
// Numbers and durations are text in a Link.
const digits = (byDefault: string) =>
  shape.or(
    shape.matching<string>("a number in quotes", (value) => /^\d*$/.test(value)),
    () => byDefault,
  );
const duration = (byDefault: string) =>
  shape.or(
    shape.matching<string>("a duration such as 3s", (v) => parseGoDuration(v) !== undefined),
    () => byDefault,
  );
const probeSpec = shape.object({
  path: shape.or(shape.text, () => "/ready"),
  port: digits("4191"),
  period: duration("3s"),
  timeout: duration("30s"),
  failureThreshold: digits("3"),
});
const PROBE: shape.Of<typeof probeSpec> = probeSpec.read({}, [], []);

const condition = shape.object({
  type: shape.name,
  status: shape.name,
  reason: text,
  message: text,
  lastTransitionTime: text,
  localRef: shape.optional(shape.anything),
});
const mirrorStatus = shape.object({
  controllerName: text,
  remoteRef: shape.object({ group: text, kind: text, name: shape.name, namespace: text }),
  conditions: shape.lists(condition),
});
const gatewayStatus = shape.object({
  address: shape.name,
  alive: shape.bool,
  message: text,
});
const status = shape.object({
  mirrorServices: shape.lists(mirrorStatus),
  federatedServices: shape.lists(mirrorStatus),
  gateways: shape.lists(gatewayStatus),
});

/** The row of the kind, to watch it. */
export const LINK = row(
  "Link",
  MULTICLUSTER,
  "v1alpha3 v1alpha2 v1alpha1",
  "links",
  shape.object({
    metadata,
    spec: shape.object({
      targetClusterName: shape.name,
      targetClusterDomain: shape.or(shape.text, () => "cluster.local"),
      targetClusterLinkerdNamespace: shape.or(shape.text, () => "linkerd"),
      clusterCredentialsSecret: shape.name,
      gatewayAddress: text,
      gatewayPort: digits("4143"),
      gatewayIdentity: text,
      probeSpec: shape.or(probeSpec, () => PROBE),
      selector,
      remoteDiscoverySelector: selector,
      federatedServiceSelector: selector,
      excludedAnnotations: shape.lists(shape.text),
      excludedLabels: shape.lists(shape.text),
    }),
    status: shape.or(status, () => ({ mirrorServices: [], federatedServices: [], gateways: [] })),
  }),
);

export type Link = { readonly apiVersion: string } & shape.Of<typeof LINK.shape>;
export type LinkStatus = Link["status"];

/** The addresses and host names of a Link's gateway; none for a flat network. */
export function gatewayHosts({ spec }: Link): readonly string[] {
  return spec.gatewayAddress
    .split(",")
    .map((host) => host.trim())
    .filter(Boolean);
}

/** Whether a selector has anything to ask for: an empty one would export all that a cluster has. */
export function isGiven({ matchLabels, matchExpressions }: LabelSelector): boolean {
  return Object.keys(matchLabels).length + matchExpressions.length > 0;
}
