// The values of an installation, in the words of the chart `linkerd-control-plane`, whose values.yaml says what each
// means: what the injector puts into pods follows from them. A value that an older installation lacks is its default.

import { labelSelector } from "../platform/coreshapes.ts";
import {
  anything,
  bool,
  integer,
  lists,
  object,
  oneOf,
  optional,
  or,
  records,
  text,
  type Of,
  type Shape,
} from "../platform/shape.ts";

const ofText = (value: string): Shape<string> => or(text, () => value);
const ofBool = (value: boolean): Shape<boolean> => or(bool, () => value);
const MODES = oneOf("transport-header", "transparent");
const ofShare: Shape<number> = {
  wanted: "a number from 0 to 1",
  absent: () => 0,
  read: Number,
};
const ofInt = (value: number): Shape<number> => or(integer(-1), () => value);
// A chart takes a port list as a number too.
const words = (value: string): Shape<string> => ({
  wanted: "text or a number",
  absent: () => value,
  read: (given) => String(given),
});
function group<const F extends Parameters<typeof object>[0]>(fields: F) {
  const shape = object(fields);
  return or(shape, () => shape.read({}, [], []));
}

const without = (key: string, ...values: readonly string[]) => ({
  key,
  operator: "NotIn" as const,
  values,
});

const image = (name: string) =>
  group({ name: ofText(name), version: ofText(""), pullPolicy: ofText("") });

const quantity = group({ request: words(""), limit: words("") });

const server = group({
  server: group({
    http2: group({ keepAliveInterval: ofText("10s"), keepAliveTimeout: ofText("3s") }),
  }),
});

const proxy = group({
  image: image("linkerd-ts/proxy"),
  uid: ofInt(2102),
  gid: ofInt(-1),
  logLevel: ofText("warn,linkerd=info,hickory=error"),
  logFormat: ofText("plain"),
  logHTTPHeaders: ofText("off"),
  accessLog: ofText(""),
  outboundAccessLog: ofText(""),
  ports: group({
    admin: ofInt(4191),
    control: ofInt(4190),
    inbound: ofInt(4143),
    outbound: ofInt(4140),
  }),
  resources: group({ cpu: quantity, memory: quantity, "ephemeral-storage": quantity }),
  cores: ofInt(0),
  runtime: group({
    workers: group({
      minimum: ofInt(1),
      maximum: ofInt(0),
      maximumCPURatio: ofShare,
    }),
  }),
  podInboundPorts: ofText(""),
  opaquePorts: words("25,587,3306,4444,5432,6379,9300,11211"),
  defaultInboundPolicy: ofText("all-unauthenticated"),
  requireIdentityOnInboundPorts: words(""),
  requireTLSOnInboundPorts: words(""),
  outboundConnectTimeout: ofText("1000ms"),
  inboundConnectTimeout: ofText("100ms"),
  outboundDiscoveryCacheUnusedTimeout: ofText("5s"),
  inboundDiscoveryCacheUnusedTimeout: ofText("90s"),
  disableOutboundProtocolDetectTimeout: ofBool(false),
  disableInboundProtocolDetectTimeout: ofBool(false),
  inbound: server,
  outbound: server,
  outboundTransportMode: or(MODES, () => "transport-header" as const),
  tracing: group({
    enabled: ofBool(false),
    traceServiceName: ofText("linkerd-proxy"),
    collector: group({
      endpoint: ofText(""),
      meshIdentity: group({ serviceAccountName: ofText(""), namespace: ofText("") }),
    }),
  }),
  enableExternalProfiles: ofBool(false),
  enableShutdownEndpoint: ofBool(false),
  shutdownGracePeriod: ofText(""),
  nativeSidecar: ofBool(true),
  await: ofBool(true),
  waitBeforeExitSeconds: ofInt(0),
  isGateway: ofBool(false),
  isIngress: ofBool(false),
  metrics: group({ hostnameLabels: ofBool(false) }),
  control: group({
    streams: group({
      initialTimeout: ofText("3s"),
      idleTimeout: ofText("5m"),
      lifetime: ofText("1h"),
    }),
  }),
  additionalEnv: lists(
    object({ name: text, value: optional(text), valueFrom: optional(anything) }),
  ),
});

const proxyInit = group({
  iptablesMode: ofText("nft"),
  ignoreInboundPorts: words("4567,4568"),
  ignoreOutboundPorts: words("4567,4568"),
  portsToRedirect: words(""),
  skipSubnets: ofText(""),
  runAsRoot: ofBool(false),
  runAsUser: ofInt(65534),
  runAsGroup: ofInt(65534),
  privileged: ofBool(false),
  closeWaitTimeoutSecs: ofInt(0),
});

const shape = object({
  linkerdVersion: ofText(""),
  cliVersion: ofText(""),
  clusterDomain: ofText("cluster.local"),
  identityTrustDomain: ofText(""),
  identityTrustAnchorsPEM: ofText(""),
  clusterNetworks: ofText("10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8"),
  imagePullPolicy: ofText("IfNotPresent"),
  cniEnabled: ofBool(false),
  disableIPv6: ofBool(true),
  enableH2Upgrade: ofBool(true),
  heartbeatURL: ofText(""),
  podLabels: records(text),
  proxy,
  proxyInit,
  networkValidator: group({
    connectAddr: ofText(""),
    listenAddr: ofText(""),
    timeout: ofText("10s"),
  }),
  debugContainer: group({ image: image("linkerd-ts/debug") }),
  egress: group({ globalEgressNetworkNamespace: ofText("linkerd-egress") }),
  proxyInjector: group({
    evictMissed: ofBool(false),
    namespaceSelector: or(labelSelector, () => ({
      matchLabels: {},
      matchExpressions: [
        without("config.linkerd.io/admission-webhooks", "disabled"),
        without("kubernetes.io/metadata.name", "kube-system", "cert-manager"),
      ],
    })),
    objectSelector: or(labelSelector, () => ({ matchLabels: {}, matchExpressions: [] })),
  }),
  policyController: group({ probeNetworks: lists(text), additionalArgs: lists(text) }),
  destinationController: group({ additionalArgs: lists(text) }),
  identity: group({
    issuer: group({ issuanceLifetime: ofText("24h0m0s"), clockSkewAllowance: ofText("20s") }),
  }),
});

/** What the injector and the controllers know of an installation. */
export type Values = Of<typeof shape>;

type ReadValues = { readonly values: Values; readonly mistakes: readonly string[] };

/** Reads values, with defaults for what is absent; `mistakes` name each value of a wrong type. */
export function readValues(given: unknown): ReadValues {
  const found: Parameters<typeof shape.read>[2] = [];
  const values = shape.read(given ?? {}, [], found);
  const mistakes = found.map(
    ({ path, value, wanted }) =>
      `${path.join(".")} is ${JSON.stringify(value)}, expected ${wanted}`,
  );
  return { values, mistakes };
}

/** The trust domain: the cluster's domain unless it is set. */
export function trustDomainOf(values: Values): string {
  return values.identityTrustDomain || values.clusterDomain;
}
