// The kinds that shape traffic: balancers, accrual, classifiers, identifiers, trace headers, authorizers, labels.
// What they take; what they do is made elsewhere from these values.

import { type KindValue, kinds } from "./yamlchoice.ts";
import { backoff, hostPort, istio, nothing } from "./yamlparts.ts";
import { bool, int, number, path, port, text } from "./yamlscalars.ts";
import { list, optional, preset, required } from "./yamltypes.ts";

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

export const tcpIdentifiers = {
  "io.l5d.port": { doc: "/svc/<port of the server>", ...nothing },
  "io.l5d.sni": { doc: "/svc/<server name that the client's TLS asks for>", ...nothing },
  "io.l5d.static": {
    doc: "always the same name",
    fields: { path: required(path, "the name below the router's dstPrefix") },
  },
} as const;
export type TcpIdentifier = KindValue<typeof tcpIdentifiers>;
export const tcpIdentifier = kinds<TcpIdentifier>("tcpIdentifier");

export const propagators = {
  "io.l5d.default": { doc: "l5d-ctx-trace", ...nothing },
  "io.l5d.zipkin": { doc: "x-b3-* headers", ...nothing },
  "io.l5d.w3c": { doc: "traceparent of W3C; Linkerd 1 does not have it", ...nothing },
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
