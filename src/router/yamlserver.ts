// The settings of servers, protocol by protocol.

import { h2Streams } from "./yamlclient.ts";
import { serverTls, session, socketOptions } from "./yamlparts.ts";
import { bool, int, ip, path, port, text } from "./yamlscalars.ts";
import { type Labeler, labeler } from "./yamltraffic.ts";
import { list, nested, optional, preset, required, table } from "./yamltypes.ts";

const byRequest: Labeler = { kind: "requestRandom" };
const forwardedHeader = optional(
  table({
    by: preset(labeler, byRequest, "the label of this proxy"),
    for: preset(labeler, byRequest, "the label of the client"),
  }),
  "send a Forwarded header",
);
const maxCallDepth = preset(
  int(1),
  1000,
  "proxies that a request may have passed, by its Via header",
);
const server = (defaultPort: number) => ({
  port: preset(port, defaultPort, "port to listen on, 0 for any"),
  ip: preset(ip, "127.0.0.1", "address to listen on, 0.0.0.0 for all"),
  label: optional(text, "accepted and without effect: metrics have its address"),
  tls: optional(serverTls, "accept TLS"),
  socketOptions: nested(socketOptions, "options of the sockets"),
  maxConcurrentRequests: optional(int(1), "requests at a time; more are refused"),
  timeoutMs: optional(int(1), "the time that a request may take here"),
  announce: preset(list(path), [], "names under which the server is announced"),
  clearContext: preset(bool, false, "drop l5d-* headers of clients: for servers at the edge"),
  serverSession: nested(session, "how long connections live"),
});

/** Settings of servers by protocol. */
export const servers = {
  http: {
    ...server(4140),
    addForwardedHeader: forwardedHeader,
    timestampHeader: optional(text, "send the time of arrival in this header"),
    maxCallDepth,
  },
  h2: {
    ...server(4142),
    ...h2Streams,
    addForwardedHeader: forwardedHeader,
    maxCallDepth,
    maxConcurrentStreamsPerConnection: preset(int(1), 1000, "streams at a time; more are refused"),
  },
  tcp: {
    port: required(port, "port to listen on, 0 for any"),
    ip: preset(ip, "127.0.0.1", "address to listen on, 0.0.0.0 for all"),
    tls: optional(serverTls, "terminate TLS"),
    socketOptions: nested(socketOptions, "options of the sockets"),
  },
  thrift: { ...server(4114), thriftFramed: preset(bool, true, "frames or a bare stream") },
  mux: server(4141),
  thriftmux: { ...server(4144), thriftFramed: preset(bool, true, "frames or a bare stream") },
} as const;
