// The settings of services and clients, protocol by protocol: how requests are retried, balanced, sent.

import { type Backoff, backoff, budget, clientTls, session, socketOptions } from "./yamlparts.ts";
import { bool, int, scalar } from "./yamlscalars.ts";
import {
  type FailureAccrual,
  type H2Classifier,
  type HttpClassifier,
  type LoadBalancer,
  authorizer,
  failureAccrual,
  h2Classifier,
  httpClassifier,
  loadBalancer,
} from "./yamltraffic.ts";
import { list, nested, optional, preset, table } from "./yamltypes.ts";

const noBackoff: Backoff = { kind: "constant", ms: 0 };
const retries = table({
  budget: nested(budget, "how many retries are allowed"),
  backoff: preset(backoff, noBackoff, "pauses between retries"),
});

const service = {
  totalTimeoutMs: optional(int(1), "the time that a request may take, all its retries included"),
  retries: nested(retries, "when and how often a request is sent again"),
};
const defaultHttpClassifier: HttpClassifier = { kind: "io.l5d.http.nonRetryable5XX" };
const defaultH2Classifier: H2Classifier = { kind: "io.l5d.h2.nonRetryable5XX" };

/** Settings of services by protocol. */
export const services = {
  http: {
    ...service,
    responseClassifier: preset(
      httpClassifier,
      defaultHttpClassifier,
      "what counts as failure and may be retried",
    ),
  },
  h2: {
    ...service,
    responseClassifier: preset(
      h2Classifier,
      defaultH2Classifier,
      "what counts as failure and may be retried",
    ),
    classificationTimeoutMs: preset(
      int(),
      100,
      "how long to wait for a stream's end before deciding",
    ),
    retryBufferSize: nested(
      table({
        requestBytes: preset(int(), 16_383, "longest request that can be retried"),
        responseBytes: preset(int(), 16_383, "longest response that can be discarded for a retry"),
      }),
      "how much is kept for retries",
    ),
  },
  thrift: {
    ...service,
    responseClassifier: optional(httpClassifier, "what counts as failure and may be retried"),
  },
} as const;

const p2c: LoadBalancer = { kind: "p2c", maxEffort: 5, enableProbation: false };
const fiveInARow: FailureAccrual = {
  kind: "io.l5d.consecutiveFailures",
  failures: 5,
  backoff: undefined,
};
const client = {
  tls: optional(clientTls, "TLS to the endpoints"),
  loadBalancer: preset(loadBalancer, p2c, "how an endpoint is chosen"),
  hostConnectionPool: nested(
    table({
      minSize: preset(int(), 0, "connections to keep, even if idle"),
      maxSize: preset(int(1), 2 ** 31 - 1, "connections to have at most"),
      idleTimeMs: optional(int(), "close a connection that is idle for so long; never otherwise"),
      maxWaiters: preset(int(), 2 ** 31 - 1, "requests that may wait for a connection"),
    }),
    "connections to one endpoint",
  ),
  failFast: preset(bool, false, "pass over an endpoint whose connections fail"),
  failureAccrual: preset(failureAccrual, fiveInARow, "when an endpoint is passed over"),
  requestAttemptTimeoutMs: optional(int(1), "the time that one attempt may take"),
  requeueBudget: nested(budget, "how many requests that were never sent may be sent again"),
  clientSession: nested(session, "how long connections live"),
  socketOptions: nested(socketOptions, "options of the sockets"),
};
const forwarding = {
  forwardClientCert: preset(bool, false, "send x-forwarded-client-cert; it is removed otherwise"),
  requestAuthorizers: preset(list(authorizer), [], "who may pass"),
};
/** Settings of HTTP/2 connections, of clients and servers alike. */
export const h2Streams = {
  windowUpdateRatio: preset(
    scalar("a number between 0 and 1", (written) => {
      const value = Number(written);
      return value > 0 && value < 1 ? value : undefined;
    }),
    0.99,
    "share of the window below which it is opened again",
  ),
  headerTableBytes: optional(int(), "size of the header table"),
  initialStreamWindowBytes: preset(int(), 65_535, "window of a new stream"),
  maxFrameBytes: preset(int(16_384, 16_777_215), 16_384, "longest frame"),
  maxHeaderListBytes: optional(int(), "longest header list"),
};

/** Settings of clients by protocol. */
export const clients = {
  http: { ...client, ...forwarding },
  h2: { ...client, ...forwarding, ...h2Streams },
  thrift: {
    ...client,
    thriftFramed: preset(bool, true, "frames or a bare stream"),
    attemptTTwitterUpgrade: preset(bool, false, "try to upgrade the protocol"),
  },
  mux: client,
  tcp: {
    tls: client.tls,
    loadBalancer: client.loadBalancer,
    socketOptions: client.socketOptions,
  },
} as const;
