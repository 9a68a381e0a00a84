// The variables of a sidecar on Kubernetes, from the chart's values. Their meaning stands in proxy/envtable.

import type { Installation } from "./injectproxy.ts";
import { IDENTITY_DIR, PROXY, TOKEN_DIR } from "./injectproxy.ts";
import type { EnvVar, RawPod } from "./manifest.ts";
import { inboundPorts } from "./podports.ts";
import { type IdentityDomain, identityOf } from "../platform/sidecar.ts";
import { trustDomainOf } from "./values.ts";

const A_YEAR = "8760h";

const own = (name: string, value: string): EnvVar => ({ name: `LINKERD2_PROXY_${name}`, value });
const when = (condition: unknown, ...vars: EnvVar[]): EnvVar[] => (condition ? vars : []);
const maybe = (name: string, value: string): EnvVar[] => when(value, own(name, value));
const field = (name: string, fieldPath: string): EnvVar => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
});

/** The variables of a sidecar in `namespace`, in the order in which they refer to each other. */
export function proxyEnv(pod: RawPod, installation: Installation): EnvVar[] {
  const { values, namespace: ns, trustAnchors } = installation;
  const { proxy, clusterDomain, clusterNetworks, disableIPv6 } = values;
  const { ports, control } = proxy;
  const mesh = identityDomainOf(installation);
  const service = (name: string, port: number): string =>
    `${name}.${ns}.svc.${clusterDomain}.:${port}`;
  const any = disableIPv6 ? "0.0.0.0" : "[::]";
  const http2 = (side: "inbound" | "outbound"): EnvVar[] => {
    const { keepAliveInterval, keepAliveTimeout } = proxy[side].server.http2;
    const prefix = `${side.toUpperCase()}_SERVER_HTTP2_KEEP_ALIVE`;
    return [
      own(`${prefix}_INTERVAL`, keepAliveInterval),
      own(`${prefix}_TIMEOUT`, keepAliveTimeout),
    ];
  };
  const { minimum, maximum, maximumCPURatio } = proxy.runtime.workers;
  return [
    field("_pod_name", "metadata.name"),
    field("_pod_ns", "metadata.namespace"),
    field("_pod_uid", "metadata.uid"),
    field("_pod_ip", "status.podIP"),
    field("_pod_nodeName", "spec.nodeName"),
    { name: "_pod_containerName", value: PROXY },
    ...when(proxy.cores > 0, own("CORES", String(proxy.cores))),
    ...when(minimum > 1, own("CORES_MIN", String(minimum))),
    ...when(maximum > 0, own("CORES_MAX", String(maximum))),
    ...when(maximumCPURatio > 0, own("CORES_MAX_RATIO", String(maximumCPURatio))),
    ...maybe("INBOUND_PORTS_REQUIRE_IDENTITY", proxy.requireIdentityOnInboundPorts),
    ...maybe("INBOUND_PORTS_REQUIRE_TLS", proxy.requireTLSOnInboundPorts),
    // A native sidecar ends after the application; any other is told at the same time, before the endpoint is gone.
    ...when(!proxy.nativeSidecar && proxy.waitBeforeExitSeconds === 0, {
      name: "LINKERD_PROXY_LAME_DUCK",
      value: "5s",
    }),
    own("SHUTDOWN_ENDPOINT_ENABLED", String(proxy.enableShutdownEndpoint)),
    own(
      "LOG",
      proxy.logLevel +
        (proxy.logHTTPHeaders === "insecure" ? "" : ",[{headers}]=off,[{request}]=off"),
    ),
    own("LOG_FORMAT", proxy.logFormat),
    own("DESTINATION_SVC_ADDR", service("linkerd-dst-headless", 8086)),
    own("DESTINATION_PROFILE_NETWORKS", clusterNetworks),
    own("POLICY_SVC_ADDR", service("linkerd-policy", 8090)),
    own("POLICY_WORKLOAD", '{"ns":"$(_pod_ns)", "pod":"$(_pod_name)"}\n'),
    own("INBOUND_DEFAULT_POLICY", proxy.defaultInboundPolicy),
    own("POLICY_CLUSTER_NETWORKS", clusterNetworks),
    own("CONTROL_STREAM_INITIAL_TIMEOUT", control.streams.initialTimeout),
    own("CONTROL_STREAM_IDLE_TIMEOUT", control.streams.idleTimeout),
    own("CONTROL_STREAM_LIFETIME", control.streams.lifetime),
    ...maybe("INBOUND_CONNECT_TIMEOUT", proxy.inboundConnectTimeout),
    ...maybe("OUTBOUND_CONNECT_TIMEOUT", proxy.outboundConnectTimeout),
    ...maybe("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", proxy.outboundDiscoveryCacheUnusedTimeout),
    ...maybe("INBOUND_DISCOVERY_IDLE_TIMEOUT", proxy.inboundDiscoveryCacheUnusedTimeout),
    ...when(proxy.disableOutboundProtocolDetectTimeout, own("OUTBOUND_DETECT_TIMEOUT", A_YEAR)),
    ...when(proxy.disableInboundProtocolDetectTimeout, own("INBOUND_DETECT_TIMEOUT", A_YEAR)),
    own("CONTROL_LISTEN_ADDR", `${any}:${ports.control}`),
    own("ADMIN_LISTEN_ADDR", `${any}:${ports.admin}`),
    own("OUTBOUND_LISTEN_ADDR", `127.0.0.1:${ports.outbound}`),
    own(
      "OUTBOUND_LISTEN_ADDRS",
      `127.0.0.1:${ports.outbound}${disableIPv6 ? "" : `,[::1]:${ports.outbound}`}`,
    ),
    own("INBOUND_LISTEN_ADDR", `${any}:${ports.inbound}`),
    field("LINKERD2_PROXY_INBOUND_IPS", "status.podIPs"),
    own("INBOUND_PORTS", proxy.podInboundPorts || inboundPorts(pod).join(",")),
    ...when(proxy.isGateway, own("INBOUND_GATEWAY_SUFFIXES", `svc.${clusterDomain}.`)),
    ...when(proxy.isIngress, own("INGRESS_MODE", "true")),
    own(
      "DESTINATION_PROFILE_SUFFIXES",
      proxy.enableExternalProfiles ? "." : `svc.${clusterDomain}.`,
    ),
    own("INBOUND_ACCEPT_KEEPALIVE", "10000ms"),
    own("OUTBOUND_CONNECT_KEEPALIVE", "10000ms"),
    own("INBOUND_ACCEPT_USER_TIMEOUT", "30s"),
    own("OUTBOUND_CONNECT_USER_TIMEOUT", "30s"),
    ...http2("inbound"),
    ...http2("outbound"),
    own("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION", proxy.opaquePorts),
    own(
      "DESTINATION_CONTEXT",
      '{"ns":"$(_pod_ns)", "nodeName":"$(_pod_nodeName)", "pod":"$(_pod_name)"}\n',
    ),
    field("_pod_sa", "spec.serviceAccountName"),
    { name: "_l5d_ns", value: ns },
    { name: "_l5d_trustdomain", value: mesh.trustDomain },
    own("IDENTITY_DIR", IDENTITY_DIR),
    own("IDENTITY_TRUST_ANCHORS", trustAnchors),
    own("IDENTITY_TOKEN_FILE", `${TOKEN_DIR}/linkerd-identity-token`),
    own("IDENTITY_SVC_ADDR", service("linkerd-identity-headless", 8080)),
    own("IDENTITY_LOCAL_NAME", identityOf("$(_pod_sa)", "$(_pod_ns)", mesh)),
    own("IDENTITY_SVC_NAME", identityOf("linkerd-identity", ns, mesh)),
    own("DESTINATION_SVC_NAME", identityOf("linkerd-destination", ns, mesh)),
    own("POLICY_SVC_NAME", identityOf("linkerd-destination", ns, mesh)),
    ...tracing(pod, installation),
    ...maybe("ACCESS_LOG", proxy.accessLog),
    ...when(proxy.outboundAccessLog, {
      name: "LINKERD_PROXY_OUTBOUND_ACCESS_LOG",
      value: proxy.outboundAccessLog,
    }),
    ...maybe("SHUTDOWN_GRACE_PERIOD", proxy.shutdownGracePeriod),
    ...when(proxy.metrics.hostnameLabels, own("OUTBOUND_METRICS_HOSTNAME_LABELS", "true")),
    ...(proxy.additionalEnv as EnvVar[]),
  ];
}

/** What the identities of an installation end with. */
export function identityDomainOf({ values, namespace }: Installation): Required<IdentityDomain> {
  return { controlNamespace: namespace, trustDomain: trustDomainOf(values) };
}

const ATTRIBUTE = "resource.opentelemetry.io/";

// Spans say of which pod they are, and what its annotations say of it; a collector that is meshed is known by its
// service account. The name is found as OpenTelemetry does it (semantic conventions, Kubernetes attributes).
function tracing({ metadata }: RawPod, installation: Installation): EnvVar[] {
  const { enabled, collector, traceServiceName } = installation.values.proxy.tracing;
  if (!enabled || collector.endpoint === "") return [];
  const { serviceAccountName: account, namespace: accountNs } = collector.meshIdentity;
  const annotations = metadata?.annotations ?? {};
  const labels = metadata?.labels ?? {};
  const serviceName =
    annotations[`${ATTRIBUTE}service.name`] ??
    labels["app.kubernetes.io/instance"] ??
    labels["app.kubernetes.io/name"] ??
    traceServiceName;
  const attributes = Object.entries(annotations)
    .filter(([key]) => key.startsWith(ATTRIBUTE) && key !== `${ATTRIBUTE}service.name`)
    // Commas part the attributes.
    .map(([key, text]) => `,${key.slice(ATTRIBUTE.length)}=${text.replaceAll(",", "%2C")}`);
  return [
    own("TRACE_COLLECTOR_SVC_ADDR", collector.endpoint),
    ...when(
      account,
      own(
        "TRACE_COLLECTOR_SVC_NAME",
        identityOf(account, accountNs, identityDomainOf(installation)),
      ),
    ),
    own("TRACE_SERVICE_NAME", serviceName),
    own(
      "TRACE_EXTRA_ATTRIBUTES",
      `k8s.pod.uid=$(_pod_uid),k8s.pod.ip=$(_pod_ip),k8s.namespace.name=$(_pod_ns),k8s.pod.name=$(_pod_name)${attributes.join("")}`,
    ),
  ];
}
