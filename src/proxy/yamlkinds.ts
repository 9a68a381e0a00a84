// The kinds of everything that is not a protocol: namers, interpreters, transformers, telemeters and the rest.
// What they take; what they do is made elsewhere from these values.

import { captureNames } from "../name/matcher.ts";
import { type Path, printPath } from "../name/path.ts";
import { backoff, clientTls, hostPort, namerdTls, zkAddrs } from "./yamlparts.ts";
import { kinds, type KindValue } from "./yamlchoice.ts";
import type { Kinds, Reading } from "./yamlreading.ts";
import {
  bool,
  did,
  existing,
  int,
  ip,
  number,
  oneOf,
  path,
  pattern,
  type Pattern,
  port,
  scalar,
  text,
} from "./yamlscalars.ts";
import type { At } from "./yamlsource.ts";
import {
  type Fields,
  list,
  mapOf,
  nested,
  optional,
  preset,
  required,
  table,
} from "./yamltypes.ts";

/** Each balancer takes these beside its own. */
const balancerFields = {
  enableProbation: preset(
    bool,
    false,
    "keep endpoints that discovery dropped while they are healthy",
  ),
};
const maxEffort = preset(
  int(1),
  5,
  "picks before an endpoint that is not open is taken all the same",
);

export const loadBalancers = {
  p2c: { doc: "the less busy of two at random", fields: { maxEffort } },
  ewma: {
    doc: "the one of two at random with the lower peak latency",
    fields: {
      maxEffort,
      decayTimeMs: preset(int(1), 10_000, "how long a latency is remembered"),
    },
  },
  aperture: {
    doc: "p2c over a window that grows and shrinks with the load",
    fields: {
      maxEffort,
      smoothWindowMs: preset(int(1), 5000, "time over which the load is smoothed"),
      lowLoad: preset(number(), 0.5, "load of an endpoint below which the window shrinks"),
      highLoad: preset(number(), 2, "load of an endpoint above which the window grows"),
      minAperture: preset(int(1), 1, "the smallest window"),
    },
  },
  heap: { doc: "the least busy of all", fields: {} },
  roundRobin: { doc: "one after the other", fields: { maxEffort } },
} as const;
export type LoadBalancer = KindValue<typeof loadBalancers, typeof balancerFields>;
export const loadBalancer = kinds<LoadBalancer>("loadBalancer", balancerFields, {
  fallback: "p2c",
});

const accrualFields = {
  backoff: optional(backoff, "pauses between probes; from 5 s, doubling, to 300 s otherwise"),
};
export const failureAccruals = {
  "io.l5d.consecutiveFailures": {
    doc: "out after so many failures in a row",
    fields: { failures: required(int(1), "failures in a row") },
  },
  "io.l5d.successRate": {
    doc: "out when the share of successes over so many requests falls below a rate",
    fields: {
      successRate: required(number(0, 1), "the rate"),
      requests: required(int(1), "requests"),
    },
  },
  "io.l5d.successRateWindowed": {
    doc: "out when the share of successes over so many seconds falls below a rate",
    fields: {
      successRate: required(number(0, 1), "the rate"),
      window: required(int(1), "seconds"),
    },
  },
  none: { doc: "never out", fields: {} },
} as const;
export type FailureAccrual = KindValue<typeof failureAccruals, typeof accrualFields>;
export const failureAccrual = kinds<FailureAccrual>("failureAccrual", accrualFields);

const nothing = { fields: {} } as const;
export const httpClassifiers = {
  "io.l5d.http.nonRetryable5XX": { doc: "5xx fails, nothing is retried", ...nothing },
  "io.l5d.http.retryableRead5XX": {
    doc: "5xx fails, GET HEAD OPTIONS TRACE are retried",
    ...nothing,
  },
  "io.l5d.http.retryableIdempotent5XX": {
    doc: "5xx fails, reads and PUT DELETE are retried",
    ...nothing,
  },
  "io.l5d.http.retryableAll5XX": { doc: "5xx fails, every method is retried", ...nothing },
  "io.l5d.http.allSuccessful": { doc: "every response succeeds", ...nothing },
} as const;
export type HttpClassifier = KindValue<typeof httpClassifiers>;
export const httpClassifier = kinds<HttpClassifier>("httpClassifier");

const grpc = {
  successStatusCodes: preset(list(int(0)), [0], "gRPC status codes that are successes"),
};
export const h2Classifiers = {
  "io.l5d.h2.nonRetryable5XX": { doc: "5xx fails, nothing is retried", ...nothing },
  "io.l5d.h2.retryableRead5XX": {
    doc: "5xx fails, GET HEAD OPTIONS TRACE are retried",
    ...nothing,
  },
  "io.l5d.h2.retryableIdempotent5XX": {
    doc: "5xx fails, reads and PUT DELETE are retried",
    ...nothing,
  },
  "io.l5d.h2.retryableAll5XX": { doc: "5xx fails, every method is retried", ...nothing },
  "io.l5d.h2.allSuccessful": { doc: "every response succeeds", ...nothing },
  "io.l5d.h2.grpc.default": { doc: "gRPC: UNAVAILABLE is retried", fields: grpc },
  "io.l5d.h2.grpc.compliant": { doc: "gRPC: as grpc.default, in Linkerd 1.7.5 too", fields: grpc },
  "io.l5d.h2.grpc.alwaysRetryable": { doc: "gRPC: every failure is retried", fields: grpc },
  "io.l5d.h2.grpc.neverRetryable": { doc: "gRPC: no failure is retried", fields: grpc },
  "io.l5d.h2.grpc.retryableStatusCodes": {
    doc: "gRPC: some status codes are retried",
    fields: { ...grpc, retryableStatusCodes: required(list(int(0)), "gRPC status codes to retry") },
  },
} as const;
export type H2Classifier = KindValue<typeof h2Classifiers>;
export const h2Classifier = kinds<H2Classifier>("h2Classifier");

const ingress = {
  doc: "names by the Ingress resources of Kubernetes: /svc/<namespace>/<port>/<service>",
  fields: {
    namespace: optional(text, "the namespace; all otherwise"),
    ingressClassAnnotation: preset(text, "linkerd", "the class of Ingress resources to heed"),
    ignoreDefaultBackends: preset(bool, false, "heed no default backends"),
    ...hostPort("localhost", 8001),
  },
};
const istio = {
  doc: "Istio 0.x, which is no more",
  fields: {
    discoveryHost: preset(text, "istio-pilot", "host of Istio's discovery"),
    discoveryPort: preset(port, 8080, "its port"),
    apiserverHost: preset(text, "istio-pilot", "host of Istio's API server"),
    apiserverPort: preset(port, 8081, "its port"),
  },
};
export const httpIdentifiers = {
  "io.l5d.methodAndHost": {
    doc: "/svc/1.1/<METHOD>/<host>",
    fields: { httpUriInDst: preset(bool, false, "append the segments of the uri") },
  },
  "io.l5d.path": {
    doc: "/svc/<first segments of the uri>",
    fields: {
      segments: preset(int(1), 1, "how many segments"),
      consume: preset(bool, false, "strip them from the request"),
    },
  },
  "io.l5d.header": {
    doc: "/svc/<the header's value, a path>",
    fields: { header: preset(text, "l5d-name", "the header") },
  },
  "io.l5d.header.token": {
    doc: "/svc/<the header's value, one segment>",
    fields: { header: preset(text, "Host", "the header") },
  },
  "io.l5d.static": {
    doc: "always the same name",
    fields: { path: required(path, "the name below the router's dstPrefix") },
  },
  "io.l5d.ingress": ingress,
  "io.l5d.k8s.istio": istio,
} as const;
export type HttpIdentifier = KindValue<typeof httpIdentifiers>;
export const httpIdentifier = kinds<HttpIdentifier>("httpIdentifier");

export const h2Identifiers = {
  "io.l5d.header.token": {
    doc: "/svc/<the header's value, one segment>",
    fields: { header: preset(text, ":authority", "the header") },
  },
  "io.l5d.header.path": {
    doc: "/svc/<first segments of the header's value>",
    fields: {
      header: preset(text, ":path", "the header"),
      segments: optional(int(1), "how many segments; all otherwise"),
    },
  },
  "io.l5d.ingress": ingress,
  "io.l5d.k8s.istio": istio,
} as const;
export type H2Identifier = KindValue<typeof h2Identifiers>;
export const h2Identifier = kinds<H2Identifier>("h2Identifier");

export const propagators = {
  "io.l5d.default": { doc: "l5d-ctx-trace", ...nothing },
  "io.l5d.zipkin": { doc: "x-b3-* headers", ...nothing },
} as const;
export type Propagator = KindValue<typeof propagators>;
export const propagator = kinds<Propagator>("propagator");

export const authorizers = {
  "io.l5d.k8s.istio": {
    doc: "Istio 0.x, which is no more",
    experimental: true,
    fields: {
      experimental: optional(bool, "must be true"),
      mixerHost: preset(text, "istio-mixer", "host of Istio's mixer"),
      mixerPort: preset(port, 9091, "its port"),
    },
  },
} as const;
export type Authorizer = KindValue<typeof authorizers>;
export const authorizer = kinds<Authorizer>("authorizer");

export const labelers = {
  ip: { doc: "the address", ...nothing },
  "ip:port": { doc: "address and port", ...nothing },
  connectionRandom: { doc: "a random label for each connection", ...nothing },
  requestRandom: { doc: "a random label for each request", ...nothing },
  router: { doc: "the router's label", ...nothing },
  static: { doc: "a label of your own", fields: { label: required(text, "the label") } },
} as const;
export type Labeler = KindValue<typeof labelers>;
export const labeler = kinds<Labeler>("labeler");

export const transformers = {
  "io.l5d.localhost": { doc: "keep addresses of this machine", ...nothing },
  "io.l5d.specificHost": {
    doc: "keep the addresses of one host",
    fields: { host: required(ip, "its address") },
  },
  "io.l5d.port": {
    doc: "every address at one port",
    fields: { port: required(port, "the port") },
  },
  "io.l5d.k8s.daemonset": {
    doc: "the pod of a daemonset on the node of each address",
    fields: {
      k8sHost: preset(text, "localhost", "host of the Kubernetes API"),
      k8sPort: preset(port, 8001, "its port"),
      namespace: required(text, "namespace of the daemonset's service"),
      service: required(text, "the daemonset's service"),
      port: required(text, "the port's name"),
      hostNetwork: preset(bool, false, "the daemonset's pods are in the network of their nodes"),
    },
  },
  "io.l5d.k8s.localnode": {
    doc: "keep addresses of this node",
    fields: {
      hostNetwork: preset(bool, false, "this pod is in the network of its node"),
    },
  },
  "io.l5d.replace": {
    doc: "every bound name becomes another",
    fields: { path: required(path, "the other name") },
  },
  "io.l5d.const": {
    doc: "whatever is asked for, one name",
    fields: { path: required(path, "the name") },
  },
} as const;
const transformerFields = {
  prefix: optional(
    path,
    "stands before the ids of the names that went through it, in place of its own",
  ),
};
export type TransformerConfig = KindValue<typeof transformers, typeof transformerFields>;
const transformer = kinds<TransformerConfig>("transformer", transformerFields);

const experimental = preset(bool, false, "must be true for what is experimental");
const transformerList = preset(
  list(transformer),
  [],
  "what is done to the names that are found, in order",
);

const k8s = {
  ...hostPort("localhost", 8001),
  labelSelector: optional(text, "a label whose value is the fourth segment of a name"),
};
const consulHost = {
  ...hostPort("localhost", 8500),
  token: optional(text, "ACL token"),
  failFast: preset(bool, false, "fail at once while Consul is away"),
  tls: optional(clientTls, "TLS to Consul"),
};
const consistency = oneOf("default", "stale", "consistent");

export const namers = {
  "io.l5d.fs": {
    doc: "files of a folder, one `host port [* weight]` a line",
    fields: { rootDir: required(existing("folder"), "the folder") },
  },
  "io.l5d.serversets": {
    doc: "server sets in ZooKeeper",
    fields: { zkAddrs: required(zkAddrs, "ZooKeeper's servers") },
  },
  "io.l5d.consul": {
    doc: "services of Consul: /<dc>/<service>",
    fields: {
      ...consulHost,
      includeTag: preset(bool, false, "names are /<dc>/<tag>/<service>"),
      useHealthCheck: preset(bool, false, "only endpoints whose checks pass"),
      healthStatuses: preset(
        list(oneOf("passing", "warning", "critical")),
        ["passing"],
        "statuses that count as healthy",
      ),
      setHost: preset(bool, false, "send Host <service>.service.<dc>.<domain>"),
      consistencyMode: preset(consistency, "default", "Consul's consistency mode"),
      preferServiceAddress: preset(bool, true, "the service's address before the node's"),
      weights: preset(
        list(table({ tag: required(text, "a tag"), weight: required(number(), "its weight") })),
        [],
        "weights of endpoints by their tags",
      ),
      fixedLengthStreamedAfterKB: preset(int(), 5120, "accepted and without effect"),
      transferMetadata: preset(bool, false, "copy the service's metadata to its addresses"),
    },
  },
  "io.l5d.k8s": { doc: "Kubernetes: /<namespace>/<port>/<service>", fields: k8s },
  "io.l5d.k8s.external": {
    doc: "load balancers of Kubernetes services",
    experimental: true,
    fields: k8s,
  },
  "io.l5d.k8s.ns": {
    doc: "Kubernetes, one namespace: /<port>/<service>",
    fields: {
      ...k8s,
      envVar: preset(text, "POD_NAMESPACE", "the environment variable with the namespace"),
    },
  },
  "io.l5d.k8s.istio": {
    doc: "Istio 0.x, which is no more",
    experimental: true,
    fields: hostPort("istio-manager.default.svc.cluster.local", 8080),
  },
  "io.l5d.marathon": {
    doc: "apps of Marathon",
    fields: {
      ...hostPort("marathon.mesos", 80),
      uriPrefix: optional(text, "stands before the API's paths"),
      ttlMs: preset(int(), 5000, "time between polls"),
      jitterMs: preset(int(), 50, "random share of that time"),
      useHealthCheck: preset(bool, false, "only tasks whose checks pass"),
      tls: optional(clientTls, "TLS to Marathon"),
      dst: optional(path, "the name under which Marathon is found, in place of host and port"),
    },
  },
  "io.l5d.dnssrv": {
    doc: "SRV records of DNS",
    experimental: true,
    fields: {
      refreshIntervalSeconds: preset(int(1), 5, "seconds between questions"),
      dnsHosts: preset(list(text), [], "DNS servers; the system's otherwise"),
    },
  },
  "io.l5d.zkLeader": {
    doc: "the leader of an election in ZooKeeper",
    fields: { zkAddrs: required(zkAddrs, "ZooKeeper's servers") },
  },
  "io.l5d.curator": {
    doc: "services that Curator registered in ZooKeeper",
    experimental: true,
    fields: {
      zkAddrs: required(zkAddrs, "ZooKeeper's servers"),
      basePath: preset(text, "/", "the path below which services are registered"),
    },
  },
  "io.l5d.rancher": {
    doc: "services of Rancher",
    experimental: true,
    fields: {
      portMappings: optional(mapOf(port), "ports by their names, beside http and https"),
      maxWait: preset(int(), 30, "longest pause between questions, in seconds"),
    },
  },
  "io.l5d.rewrite": {
    doc: "names that match a pattern become others",
    fields: {
      prefix: required(
        path,
        "the prefix of the names it takes",
        "The 'prefix' property is required for the io.l5d.rewrite namer.",
      ),
      pattern: required(pattern, "what they look like, with {captures}"),
      name: required(text, "what they become, captures put in"),
    },
    check: (value: { pattern?: Pattern; name?: string }, at: At, reading: Reading) => {
      const captured = captureNames(value.pattern?.pattern ?? "");
      for (const name of captureNames(value.name ?? "")) {
        if (captured.includes(name)) continue;
        const place = reading.placeOf(value, "name");
        reading.source.error(
          place,
          `{${name}} is not captured by pattern`,
          did(captured[0] && `{${captured[0]}}`),
        );
      }
    },
  },
} as const;
const namerFields = {
  prefix: optional(path, "the prefix of its names, after /#; its kind otherwise"),
  experimental,
  transformers: transformerList,
};
export type NamerConfig = KindValue<typeof namers, typeof namerFields>;
export const namer = kinds<NamerConfig>("namer", namerFields, {
  experimental: (kind, value) =>
    `The ${printPath(["#", ...((value.prefix as Path | undefined) ?? [kind])])} namer ${byFlag}.`,
});

/** The prefix of a namer's names: `/#/<prefix>`. */
export function namerPrefix(config: { kind: string; prefix?: Path | undefined }): Path {
  return ["#", ...(config.prefix ?? [config.kind])];
}

const byFlag =
  "is experimental and must be explicitly enabled by setting the `experimental' parameter to `true'";

const dst = required(path, "the name under which it is found", "`dst` is a required field");
const retry = (baseSeconds: number) =>
  nested(
    table(
      {
        baseSeconds: preset(int(), baseSeconds, "first pause"),
        maxSeconds: preset(int(), 600, "longest pause"),
      },
      (value, at, { source }) => {
        if (value.baseSeconds > 0 && value.maxSeconds >= value.baseSeconds) return;
        source.error(
          at,
          `illegal retry values: baseSeconds=${value.baseSeconds} maxSeconds=${value.maxSeconds}`,
          "both above 0, and maxSeconds not below baseSeconds",
        );
      },
    ),
    "pauses between attempts to reach it",
  );
const failureThreshold = (closeTimeoutMs: number) =>
  optional(
    table({
      minPeriodMs: preset(int(), 5000, "time over which failures are counted"),
      closeTimeoutMs: preset(
        int(),
        closeTimeoutMs,
        "time without an answer that counts as failure",
      ),
    }),
    "when a connection to it is given up",
  );

export const interpreters = {
  default: { doc: "the configured namers", ...nothing },
  "io.l5d.namerd": {
    doc: "namerd, over Thrift",
    fields: {
      dst,
      namespace: preset(text, "default", "the dtab's namespace"),
      retry: retry(5),
      tls: optional(namerdTls, "TLS to namerd"),
      failureThreshold: failureThreshold(4000),
    },
  },
  "io.l5d.namerd.http": {
    doc: "namerd, over HTTP",
    experimental: true,
    fields: {
      dst,
      namespace: preset(text, "default", "the dtab's namespace"),
      retry: retry(5),
      tls: optional(clientTls, "TLS to namerd"),
    },
  },
  "io.l5d.mesh": {
    doc: "namerd, over gRPC",
    fields: {
      dst,
      root: preset(path, ["default"] as Path, "the dtab's namespace, as a path of one segment"),
      retry: retry(1),
      tls: optional(clientTls, "TLS to namerd"),
      failureThreshold: failureThreshold(6000),
      initialStreamWindowSizeKB: preset(int(), 10_240, "window of an HTTP/2 stream"),
    },
    check: (value: { root?: Path }, at: At, reading: Reading) => {
      if (!value.root || value.root.length === 1) return;
      reading.source.error(
        reading.placeOf(value, "root"),
        `io.l5d.mesh: \`root\` may only contain a single path element (for now): ${printPath(value.root)}`,
      );
    },
  },
  "io.l5d.fs": {
    doc: "the configured namers, below a dtab in a watched file",
    fields: { dtabFile: required(existing("file"), "the file") },
  },
  "io.l5d.k8s.configMap": {
    doc: "the configured namers, below a dtab in a ConfigMap",
    experimental: true,
    fields: {
      name: required(text, "the ConfigMap"),
      filename: required(text, "its key"),
      namespace: preset(text, "default", "its namespace"),
      ...hostPort("localhost", 8001),
    },
  },
  "io.l5d.consul.interpreter": {
    doc: "the configured namers, below a dtab in Consul",
    fields: {
      ...consulHost,
      pathPrefix: preset(path, ["namerd", "dtabs"] as Path, "the key below which dtabs are stored"),
      namespace: preset(text, "default", "the dtab's namespace"),
      datacenter: optional(text, "the data centre; the agent's otherwise"),
      readConsistencyMode: preset(consistency, "default", "Consul's consistency mode"),
      writeConsistencyMode: preset(consistency, "default", "Consul's consistency mode"),
      backoff: optional(backoff, "pauses between attempts; from 1 ms to 1 minute otherwise"),
    },
  },
  "io.l5d.k8s.istio": {
    doc: "Istio 0.x, which is no more",
    experimental: true,
    fields: istio.fields,
  },
} as const;
const interpreterFields = { experimental, transformers: transformerList };
export type InterpreterConfig = KindValue<typeof interpreters, typeof interpreterFields>;
export const interpreter = kinds<InterpreterConfig>("interpreter", interpreterFields, {
  experimental: (kind) => `The ${kind} interpreter ${byFlag}.`,
});

const share = (written: string): number | undefined =>
  /^(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(written) && Number(written) <= 1
    ? Number(written)
    : undefined;
const unshared = "sampleRate must be between 0.0 and 1.0";
const sampleRate = scalar("a number from 0 to 1", share);
const levels = ["ALL", "TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL", "OFF"];

export const telemeters = {
  "io.l5d.prometheus": {
    doc: "metrics for Prometheus on the admin port",
    fields: {
      path: preset(text, "/admin/metrics/prometheus", "where they are served"),
      prefix: preset(text, "", "stands before every name"),
    },
  },
  "io.l5d.influxdb": { doc: "metrics for InfluxDB on the admin port", ...nothing },
  "io.l5d.statsd": {
    doc: "metrics to StatsD",
    experimental: true,
    fields: {
      prefix: preset(text, "linkerd", "stands before every name"),
      hostname: preset(text, "127.0.0.1", "host of StatsD"),
      port: preset(port, 8125, "its port"),
      gaugeIntervalMs: preset(int(1), 10_000, "time between two values of a gauge"),
      sampleRate: preset(sampleRate, 0.01, "share of counters and timers that are sent"),
    },
  },
  "io.l5d.tracelog": {
    doc: "traces into the log",
    fields: {
      sampleRate: preset(sampleRate, 1, "share of requests that are traced"),
      level: preset(
        scalar(
          `one of ${levels.join(", ")}`,
          (level) => (levels.includes(level) ? level : undefined),
          (level) => `Illegal log level: ${level}`,
        ),
        "INFO",
        "their level in the log",
      ),
    },
  },
  "io.l5d.recentRequests": {
    doc: "a page with the latest requests",
    fields: {
      sampleRate: required(
        scalar("a number from 0 to 1", share, () => unshared),
        "share of requests that are kept",
        unshared,
      ),
      capacity: preset(int(1), 10, "how many are kept"),
    },
  },
  "io.l5d.zipkin": {
    doc: "traces to Zipkin",
    fields: {
      ...hostPort("localhost", 9410),
      sampleRate: preset(sampleRate, 0.001, "share of requests that are traced"),
    },
  },
} as const;
const telemeterFields = { experimental };
export type TelemeterConfig = KindValue<typeof telemeters, typeof telemeterFields>;
export const telemeter = kinds<TelemeterConfig>("telemeter", telemeterFields, {
  experimental: (kind) => `The ${kind} telemeter ${byFlag}.`,
});

export const announcers = {
  "io.l5d.serversets": {
    doc: "announce servers in ZooKeeper",
    fields: {
      zkAddrs: required(zkAddrs, "ZooKeeper's servers"),
      pathPrefix: preset(path, ["discovery"] as Path, "the node below which they are announced"),
    },
  },
} as const;
const announcerFields: Fields = {
  prefix: optional(path, "the prefix of its names, after /#; its kind otherwise"),
};
export type AnnouncerConfig = KindValue<typeof announcers> & { readonly prefix: Path | undefined };
export const announcer = kinds<AnnouncerConfig>("announcer", announcerFields);

/** All categories but the protocols. */
export const partKinds = {
  announcer: announcers,
  authorizer: authorizers,
  failureAccrual: failureAccruals,
  h2Classifier: h2Classifiers,
  h2Identifier: h2Identifiers,
  httpClassifier: httpClassifiers,
  httpIdentifier: httpIdentifiers,
  interpreter: interpreters,
  labeler: labelers,
  loadBalancer: loadBalancers,
  namer: namers,
  propagator: propagators,
  telemeter: telemeters,
  transformer: transformers,
} satisfies Kinds;
