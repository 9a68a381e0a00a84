// What old files and wrong documentation contain: keys and kinds of Linkerd 1 that are gone, renamed, or never were.
// A table, so that a user of any release is told what to write today.

/** A key that is no more. `ignored` keys do no harm and are passed over with a warning. */
export type OldKey = {
  readonly key: string;
  /** Where it stood, as a pattern of a place with empty brackets. */
  readonly at: RegExp;
  readonly says: string;
  /** The key that is read in its place. */
  readonly readAs?: string;
  readonly ignored?: true;
};

const router = /^routers\[\]$/;
const policy = /^routers\[\]\.(client|service)(\.configs\[\])?$/;
const client = /^routers\[\]\.client(\.configs\[\])?$/;
const anyTls = /\.tls$/;

export const oldKeys: readonly OldKey[] = [
  { key: "baseDtab", at: router, says: "gone since 0.9: write dtab" },
  {
    key: "tracers",
    at: /^$/,
    says: "gone since 0.9: tracers are telemeters, write them under telemetry",
  },
  {
    key: "timeoutMs",
    at: /^routers\[\]\.service(\.configs\[\])?$/,
    says: "a service has totalTimeoutMs, a client requestAttemptTimeoutMs",
  },
  { key: "timeoutMs", at: router, says: "gone since 1.0: write service.totalTimeoutMs" },
  { key: "failFast", at: router, says: "gone since 1.0: write client.failFast" },
  { key: "loadBalancer", at: router, says: "gone since 1.0: write client.loadBalancer" },
  {
    key: "responseClassifier",
    at: router,
    says: "gone since 1.0: write service.responseClassifier",
  },
  { key: "retries", at: client, says: "gone since 1.0: write service.retries" },
  { key: "failureAccrual", at: router, says: "gone since 1.0: write client.failureAccrual" },
  {
    key: "bindingTimeoutMs",
    at: client,
    says: "gone since 1.0: write bindingTimeoutMs at the router",
  },
  {
    key: "names",
    at: anyTls,
    says: "gone since 1.0: write client.kind io.l5d.static with one entry of configs for each name, and its tls.commonName there",
  },
  {
    key: "kind",
    at: /^routers\[\]\.client(\.configs\[\])?\.tls$/,
    says: "gone since 1.0: io.l5d.noValidation is disableValidation: true, io.l5d.static is commonName, io.l5d.boundPath is client.kind io.l5d.static with a prefix that captures the name",
  },
  { key: "strict", at: anyTls, says: "gone since 1.0", ignored: true },
  {
    key: "engine",
    at: /^routers\[\]\.(client|servers\[\])/,
    says: "gone since 1.3.0",
    ignored: true,
  },
  {
    key: "loggers",
    at: /^routers\[\](\.client)?$/,
    says: "gone since 1.4.0: write client.requestAuthorizers",
  },
  {
    key: "requestAuthorizers",
    at: router,
    says: "gone since 1.6.0: write client.requestAuthorizers",
  },
  { key: "threshold", at: /failureThreshold$/, says: "gone since 1.5.0: write minPeriodMs" },
  { key: "windowSize", at: /failureThreshold$/, says: "gone since 1.5.0: write closeTimeoutMs" },
  { key: "maxChunkKB", at: router, says: "gone since 1.6.0", ignored: true },
  { key: "maxRequestKB", at: router, says: "gone since 1.7.0: write streamAfterContentLengthKB" },
  {
    key: "maxResponseKB",
    at: router,
    says: "gone since 1.7.0: write maxErrResponseKB for error bodies",
  },
  {
    key: "enabled",
    at: /servers\[\]\.tls$|^admin\.tls$/,
    says: "the documentation has it, Linkerd 1 refuses it: remove tls to turn it off",
  },
  {
    key: "maxHeaderListByts",
    at: /./,
    says: "the documentation's misspelling",
    readAs: "maxHeaderListBytes",
  },
  {
    key: "host",
    at: /^telemetry\[\]$/,
    says: "the documentation of io.l5d.tracelog has it, it means nothing",
    ignored: true,
  },
  { key: "retries", at: policy, says: "belongs under service" },
  { key: "interfaces", at: /^$/, says: "of a namerd.yaml, which is no file of a router" },
  { key: "storage", at: /^$/, says: "of a namerd.yaml, which is no file of a router" },
];

/** A kind that is no more, or never was, and the one that is read in its place. */
export type OldKind = { readonly readAs: string; readonly says: string };

const since1 = (readAs: string): OldKind => ({ readAs, says: `renamed in 1.0: write ${readAs}` });

export const oldKinds: Readonly<Record<string, Readonly<Record<string, OldKind>>>> = {
  telemeter: {
    "io.l5d.commonMetrics": {
      readAs: "io.l5d.prometheus",
      says: "gone since 1.0: metrics.json is always served, write io.l5d.prometheus for Prometheus",
    },
  },
  httpClassifier: {
    "io.l5d.nonRetryable5XX": since1("io.l5d.http.nonRetryable5XX"),
    "io.l5d.retryableRead5XX": since1("io.l5d.http.retryableRead5XX"),
    "io.l5d.retryableIdempotent5XX": since1("io.l5d.http.retryableIdempotent5XX"),
    "io.l5d.http.retryable5XX": {
      readAs: "io.l5d.http.retryableRead5XX",
      says: "no release ever had it; it is read as io.l5d.http.retryableRead5XX, which retries reads only (did you mean io.l5d.http.retryableAll5XX, which retries POST too?)",
    },
  },
  h2Classifier: {
    "io.l5d.nonRetryable5XX": since1("io.l5d.h2.nonRetryable5XX"),
    "io.l5d.retryableRead5XX": since1("io.l5d.h2.retryableRead5XX"),
    "io.l5d.retryableIdempotent5XX": since1("io.l5d.h2.retryableIdempotent5XX"),
    "io.l5d.http.retryable5XX": {
      readAs: "io.l5d.h2.retryableRead5XX",
      says: "no release ever had it; it is read as io.l5d.h2.retryableRead5XX",
    },
  },
  httpIdentifier: {
    headerToken: since1("io.l5d.header.token"),
    "io.l5d.headerToken": since1("io.l5d.header.token"),
    methodAndHost: since1("io.l5d.methodAndHost"),
    path: since1("io.l5d.path"),
    header: since1("io.l5d.header"),
    static: since1("io.l5d.static"),
  },
  h2Identifier: {
    headerToken: since1("io.l5d.header.token"),
    "io.l5d.headerToken": since1("io.l5d.header.token"),
    headerPath: since1("io.l5d.header.path"),
    "io.l5d.headerPath": since1("io.l5d.header.path"),
  },
};
