// The kinds of resources that destination and policy read from a cluster, as tables: programs watch them, charts allow them,
// checks ask whether they did.

import type { Kind } from "../platform/kinds.ts";

/** What destination and policy read; no secrets and no ConfigMaps. */
export const READ: readonly Kind[] = [
  "Namespace",
  "Node",
  "Pod",
  "Service",
  "EndpointSlice",
  "ReplicaSet",
  "Job",
  "ExternalWorkload",
  "ServiceProfile",
  "TrafficSplit",
  "Server",
  "ServerAuthorization",
  "AuthorizationPolicy",
  "MeshTLSAuthentication",
  "NetworkAuthentication",
  "HTTPLocalRateLimitPolicy",
  "EgressNetwork",
  "PolicyHTTPRoute",
  "HTTPRoute",
  "GRPCRoute",
  "TLSRoute",
  "TCPRoute",
];

/** Those of them that narrow nobody's access: without them the others are served while a role does not allow them. */
export const DISPENSABLE: readonly Kind[] = [
  "Node",
  "ReplicaSet",
  "Job",
  "ExternalWorkload",
  "ServiceProfile",
  "TrafficSplit",
  "TLSRoute",
  "TCPRoute",
];
