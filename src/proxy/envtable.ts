// Every environment variable of the sidecar, as one table: its name (after LINKERD2_PROXY_), its type, what
// it is when unset, and what it means. The type `Settings` follows from it, so a setting is added by a line.
// Names, forms and defaults are those of linkerd2-proxy; the group `own` is ours.

import type { SocketAddr } from "../io/conn.ts";
import type { Network } from "../stack/authorize.ts";
import {
  bool,
  count,
  DEFAULT_POLICIES,
  duration,
  fraction,
  hostPort,
  ipAddress,
  listOf,
  network,
  oneOf,
  pairOf,
  portRange,
  ratio,
  socketAddr,
  text,
  type DefaultPolicy,
  type PortRange,
  type SettingType,
} from "./settingtypes.ts";

/** A variable; its fallback stands when it is unset. */
export type Row<T> = {
  readonly name: string;
  readonly type: SettingType<T>;
  readonly fallback: T;
  readonly meaning: string;
};

const row = <T>(
  name: string,
  type: SettingType<T>,
  fallback: NoInfer<T>,
  meaning: string,
): Row<T> => ({
  name,
  type,
  fallback,
  meaning,
});

const maybe = <T>(name: string, type: SettingType<T>, meaning: string): Row<T | undefined> => ({
  name,
  type,
  fallback: undefined,
  meaning,
});

const seconds = (n: number): number => n * 1000;
const minutes = (n: number): number => n * 60_000;
const addr = (ip: string, port: number): SocketAddr => ({ ip, port });
const noRanges: readonly PortRange[] = [];
const noNames: readonly string[] = [];

/** What both sides have, with the names of each. */
// oxfmt-ignore
const side = (S: "INBOUND" | "OUTBOUND") => ({
  backlog: row(`${S}_TCP_LISTEN_BACKLOG`, count, 511, "connections that wait to be accepted"),
  acceptKeepaliveMs: maybe(`${S}_ACCEPT_KEEPALIVE`, duration, "TCP keepalive of accepted connections"),
  acceptUserTimeoutMs: maybe(`${S}_ACCEPT_USER_TIMEOUT`, duration, "TCP_USER_TIMEOUT of accepted ones"),
  connectKeepaliveMs: maybe(`${S}_CONNECT_KEEPALIVE`, duration, "TCP keepalive of dialled connections"),
  connectUserTimeoutMs: maybe(`${S}_CONNECT_USER_TIMEOUT`, duration, "TCP_USER_TIMEOUT of dialled ones"),
  detectTimeoutMs: row(`${S}_DETECT_TIMEOUT`, duration, seconds(10), "how long detection waits for bytes"),
  maxInFlight: row(`${S}_MAX_IN_FLIGHT`, count, 100_000, "requests at once before load is shed"),
  poolIdleMs: row(`${S}_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT`, duration, seconds(3), "how long an idle HTTP/1 connection is kept"),
  h2StreamWindowBytes: maybe(`${S}_SERVER_HTTP2_INITIAL_STREAM_WINDOW_SIZE`, count, "HTTP/2 window of a stream"),
  h2ConnectionWindowBytes: maybe(`${S}_SERVER_HTTP2_INITIAL_CONNECTION_WINDOW_SIZE`, count, "HTTP/2 window of a connection"),
  h2Adaptive: row(`${S}_SERVER_HTTP2_ADAPTIVE_FLOW_CONTROL`, bool, false, "accepted; our windows grow as they are read"),
  h2KeepaliveMs: maybe(`${S}_SERVER_HTTP2_KEEP_ALIVE_INTERVAL`, duration, "time between HTTP/2 PINGs"),
  h2KeepaliveTimeoutMs: maybe(`${S}_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT`, duration, "how long a PING may stay unanswered"),
  h2MaxStreams: maybe(`${S}_SERVER_HTTP2_MAX_CONCURRENT_STREAMS`, count, "streams at once on a connection"),
  h2MaxFrameBytes: maybe(`${S}_SERVER_HTTP2_MAX_FRAME_SIZE`, count, "longest frame taken"),
  h2MaxHeaderBytes: maybe(`${S}_SERVER_HTTP2_MAX_HEADER_LIST_SIZE`, count, "longest header list taken"),
  h2MaxPendingResets: maybe(`${S}_SERVER_HTTP2_MAX_PENDING_ACCEPT_RESET_STREAMS`, count, "accepted; a client that resets too much is cut off by a count of our own"),
  h2MaxSendBytes: maybe(`${S}_SERVER_HTTP2_MAX_SEND_BUF_SIZE`, count, "accepted; bodies are passed on and not buffered"),
});

/** All variables, in groups. */
// oxfmt-ignore
export const TABLE = {
  inbound: {
    listen: row("INBOUND_LISTEN_ADDR", socketAddr, addr("0.0.0.0", 4143), "where connections to the workload arrive"),
    ...side("INBOUND"),
    connectTimeoutMs: row("INBOUND_CONNECT_TIMEOUT", duration, 300, "how long dialling the application may take"),
    backoffMinMs: row("INBOUND_CONNECT_EXP_BACKOFF_MIN", duration, 100, "accepted; the application is dialled whenever a request needs it"),
    backoffMaxMs: row("INBOUND_CONNECT_EXP_BACKOFF_MAX", duration, seconds(10), "accepted"),
    backoffJitter: row("INBOUND_CONNECT_EXP_BACKOFF_JITTER", fraction, 0.1, "accepted"),
    queueCapacity: row("INBOUND_HTTP_QUEUE_CAPACITY", count, 10_000, "accepted; no request waits for an application that cannot be reached"),
    failfastMs: row("INBOUND_HTTP_FAILFAST_TIMEOUT", duration, seconds(1), "accepted"),
    maxIdlePerEndpoint: row("MAX_IDLE_CONNS_PER_ENDPOINT", count, 10_000, "idle HTTP/1 connections kept"),
    discoveryIdleMs: row("INBOUND_DISCOVERY_IDLE_TIMEOUT", duration, seconds(90), "how long an unused policy is watched"),
    defaultPolicy: row("INBOUND_DEFAULT_POLICY", oneOf(...DEFAULT_POLICIES), "all-unauthenticated" as DefaultPolicy, "policy of a port until the control plane answers"),
    ports: row("INBOUND_PORTS", listOf(portRange), noRanges, "ports whose policy is watched from the start"),
    portsNoDetect: row("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION", listOf(portRange), noRanges, "ports that are opaque until the control plane answers"),
    portsRequireIdentity: row("INBOUND_PORTS_REQUIRE_IDENTITY", listOf(portRange), noRanges, "ports that want an identity until the control plane answers"),
    portsRequireTls: row("INBOUND_PORTS_REQUIRE_TLS", listOf(portRange), noRanges, "ports that want TLS until the control plane answers"),
    ips: row("INBOUND_IPS", listOf(ipAddress), noNames, "the only original destinations that are served; empty: any"),
    gatewaySuffixes: row("INBOUND_GATEWAY_SUFFIXES", listOf(text), noNames, "domains for which this proxy is a gateway"),
    authorityLabels: row("INBOUND_METRICS_AUTHORITY_LABELS", text, "", "`unsafe` adds the authority to metrics"),
  },
  outbound: {
    listen: row("OUTBOUND_LISTEN_ADDR", socketAddr, addr("127.0.0.1", 4140), "where connections of the workload arrive"),
    listens: row("OUTBOUND_LISTEN_ADDRS", listOf(socketAddr), [] as readonly SocketAddr[], "the same, many; wins over OUTBOUND_LISTEN_ADDR"),
    ...side("OUTBOUND"),
    connectTimeoutMs: row("OUTBOUND_CONNECT_TIMEOUT", duration, seconds(1), "how long dialling an endpoint may take"),
    backoffMinMs: row("OUTBOUND_CONNECT_EXP_BACKOFF_MIN", duration, 100, "shortest wait before dialling again"),
    backoffMaxMs: row("OUTBOUND_CONNECT_EXP_BACKOFF_MAX", duration, minutes(1), "longest wait before dialling again"),
    backoffJitter: row("OUTBOUND_CONNECT_EXP_BACKOFF_JITTER", fraction, 0.1, "share of the wait that is chance"),
    queueCapacity: row("OUTBOUND_HTTP_QUEUE_CAPACITY", count, 10_000, "requests that wait for an endpoint"),
    failfastMs: row("OUTBOUND_HTTP_FAILFAST_TIMEOUT", duration, seconds(3), "how long they wait"),
    tcpQueueCapacity: row("OUTBOUND_TCP_QUEUE_CAPACITY", count, 10_000, "accepted; OUTBOUND_HTTP_QUEUE_CAPACITY counts for connections too"),
    tcpFailfastMs: row("OUTBOUND_TCP_FAILFAST_TIMEOUT", duration, seconds(3), "how long they wait"),
    maxIdlePerEndpoint: row("OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT", count, 10_000, "idle HTTP/1 connections kept for an endpoint"),
    discoveryIdleMs: row("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", duration, seconds(5), "how long an unused destination is watched"),
    hostnameLabels: row("OUTBOUND_METRICS_HOSTNAME_LABELS", bool, false, "adds the host to route metrics"),
    disableInformational: maybe("OUTBOUND_DISABLE_INFORMATIONAL_HEADERS", bool, "hides l5d-proxy-error from the application; unset: as INGRESS_MODE"),
    ingressMode: row("INGRESS_MODE", bool, false, "routes by l5d-dst-override"),
  },
  h2: {
    streamWindowBytes: row("HTTP2_INITIAL_STREAM_WINDOW_SIZE", count, 65_535, "HTTP/2 window of a stream, both sides"),
    connectionWindowBytes: row("HTTP2_INITIAL_CONNECTION_WINDOW_SIZE", count, 1_048_576, "HTTP/2 window of a connection, both sides"),
  },
  policy: {
    svcAddr: maybe("POLICY_SVC_ADDR", hostPort, "the policy service"),
    svcName: maybe("POLICY_SVC_NAME", text, "its identity"),
    workload: row("POLICY_WORKLOAD", text, "", "how this workload names itself to it"),
    clusterNetworks: row("POLICY_CLUSTER_NETWORKS", listOf(network), [] as readonly Network[], "networks of the cluster-* default policies"),
  },
  destination: {
    svcAddr: maybe("DESTINATION_SVC_ADDR", hostPort, "the destination service"),
    svcName: maybe("DESTINATION_SVC_NAME", text, "its identity"),
    context: row("DESTINATION_CONTEXT", text, "", "a token that is passed to it"),
    profileSuffixes: row("DESTINATION_PROFILE_SUFFIXES", listOf(text), ["svc.cluster.local."] as readonly string[], "names for which inbound looks up profiles"),
    profileNetworks: row("DESTINATION_PROFILE_NETWORKS", listOf(network), [] as readonly Network[], "accepted; outbound asks for all addresses"),
    profileTimeoutMs: row("DESTINATION_PROFILE_INITIAL_TIMEOUT", duration, 500, "accepted; no request waits for a profile"),
  },
  control: {
    listen: row("CONTROL_LISTEN_ADDR", socketAddr, addr("0.0.0.0", 4190), "where tap is served"),
    streamInitialMs: maybe("CONTROL_STREAM_INITIAL_TIMEOUT", duration, "how long a stream may take to its first message"),
    streamIdleMs: maybe("CONTROL_STREAM_IDLE_TIMEOUT", duration, "how long it may be silent"),
    streamLifetimeMs: maybe("CONTROL_STREAM_LIFETIME", duration, "how long it lives before it is opened anew"),
    tapName: maybe("TAP_SVC_NAME", text, "the identity that may tap; unset: nobody"),
  },
  identity: {
    dir: maybe("IDENTITY_DIR", text, "folder of csr.der and key.p8; both are made in memory when they are not there"),
    trustAnchors: maybe("IDENTITY_TRUST_ANCHORS", text, "PEM of the roots"),
    tokenFile: maybe("IDENTITY_TOKEN_FILE", text, "file of the token, read anew for each certificate"),
    svcAddr: maybe("IDENTITY_SVC_ADDR", hostPort, "the identity service"),
    svcName: maybe("IDENTITY_SVC_NAME", text, "its identity"),
    localName: maybe("IDENTITY_LOCAL_NAME", text, "the name in our certificate and our SNI"),
    serverId: maybe("IDENTITY_SERVER_ID", text, "the name in our certificate, when it is not the SNI"),
    serverName: maybe("IDENTITY_SERVER_NAME", text, "our SNI, when it is not the name in our certificate"),
    minRefreshMs: row("IDENTITY_MIN_REFRESH", duration, seconds(10), "shortest time between certificates"),
    maxRefreshMs: row("IDENTITY_MAX_REFRESH", duration, minutes(24 * 60), "longest time between certificates"),
    disabled: maybe("IDENTITY_DISABLED", text, "no longer possible"),
    spireAddr: maybe("IDENTITY_SPIRE_WORKLOAD_API_ADDRESS", text, "socket of a SPIRE agent, in place of the identity service"),
    spireSocket: maybe("IDENTITY_SPIRE_SOCKET", text, "the old name of it"),
  },
  metrics: {
    retainIdleMs: row("METRICS_RETAIN_IDLE", duration, minutes(10), "how long an unused series is kept"),
  },
  trace: {
    collectorAddr: maybe("TRACE_COLLECTOR_SVC_ADDR", hostPort, "where spans go (OTLP)"),
    collectorName: maybe("TRACE_COLLECTOR_SVC_NAME", text, "its identity"),
    attributesPath: maybe("TRACE_ATTRIBUTES_PATH", text, 'file of resource attributes, `key="value"` a line'),
    serviceName: maybe("TRACE_SERVICE_NAME", text, "resource attribute service.name"),
    extraAttributes: maybe("TRACE_EXTRA_ATTRIBUTES", text, "more of them, `key=value` with commas"),
  },
  dns: {
    minTtlMs: row("DNS_MIN_TTL", duration, 0, "shortest time an address of the control plane is used"),
    maxTtlMs: row("DNS_MAX_TTL", duration, Infinity, "longest time an address of the control plane is used; it is 5 s where these allow"),
  },
  log: {
    directive: row("LOG", text, "warn,linkerd=info", "what is logged: `level` and `target=level` with commas"),
    format: row("LOG_FORMAT", oneOf("PLAIN", "JSON", "plain", "json"), "PLAIN", "form of log lines"),
    access: row("ACCESS_LOG", oneOf("apache", "json", "none", ""), "", "form of the access log; unset: none"),
  },
  runtime: {
    cores: maybe("CORES", count, "the old name of CORES_MIN"),
    coresMin: maybe("CORES_MIN", count, "threads at least, as far as there are processors; unset: 1"),
    coresMax: maybe("CORES_MAX", count, "threads at most; unset: as CORES_MAX_RATIO says, else 1"),
    coresMaxRatio: maybe("CORES_MAX_RATIO", ratio, "threads for each processor, rounded"),
  },
  admin: {
    listen: row("ADMIN_LISTEN_ADDR", socketAddr, addr("127.0.0.1", 4191), "where metrics, readiness and log level are served"),
    shutdownEnabled: row("SHUTDOWN_ENDPOINT_ENABLED", bool, false, "serves POST /shutdown"),
    gracePeriodMs: row("SHUTDOWN_GRACE_PERIOD", duration, minutes(2), "how long draining may take"),
  },
} as const;

/** Variables that linkerd2-proxy does not have; their full names. */
// oxfmt-ignore
export const OWN = {
  originals: row("LINKERD_PROXY_OUTBOUND_ORIGINALS", listOf(pairOf(socketAddr, socketAddr)), [] as readonly (readonly [SocketAddr, SocketAddr])[], "listenAddr:port=originalIp:port, the destination that a listener stands for"),
  inboundIp: maybe("LINKERD_PROXY_INBOUND_ORIGINAL_IP", ipAddress, "the address of the workload, where nothing redirects connections"),
  httpProxy: maybe("LINKERD_PROXY_HTTP_PROXY_ADDR", socketAddr, "a listener for HTTP_PROXY: the authority of a request decides"),
  parentFd: maybe("LINKERD_PROXY_PARENT_FD", count, "a pipe; the proxy exits when it closes"),
  outboundAccessLog: row("LINKERD_PROXY_OUTBOUND_ACCESS_LOG", oneOf("apache", "json", "none"), "none", "form of the access log of requests that the workload makes"),
  lameDuckMs: row("LINKERD_PROXY_LAME_DUCK", duration, 0, "how long it goes on as before after SIGTERM, since others hear of its end later"),
  trustAnchorsFile: maybe("LINKERD_PROXY_TRUST_ANCHORS_FILE", text, "PEM of the roots, watched; wins over IDENTITY_TRUST_ANCHORS"),
} as const;

type ValuesOf<T> = { readonly [K in keyof T]: T[K] extends Row<infer V> ? V : never };

/** What the table yields for an environment. */
export type Settings = { readonly [G in keyof typeof TABLE]: ValuesOf<(typeof TABLE)[G]> } & {
  readonly own: ValuesOf<typeof OWN>;
};

export type SideSettings = Settings["inbound"] | Settings["outbound"];
