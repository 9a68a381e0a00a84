// What Linkerd's own kinds say: who may call whom, rate limits, external workloads and
// egress. They are strict, because a mistyped key of a policy opens or closes a door in silence.

import { ipFamily } from "../io/ip.ts";
import { condition, labelSelector, metadata } from "./coreshapes.ts";
import type { Shape } from "./shape.ts";
import {
  bool,
  integer,
  list,
  lists,
  matching,
  name,
  object,
  oneOf,
  optional,
  or,
  port,
  portOrName,
  strict,
  text,
  where,
} from "./shape.ts";
import { parseCidr } from "./cidr.ts";

const POLICY = "policy.linkerd.io";

export const ACCESS_POLICIES = [
  "all-unauthenticated",
  "all-authenticated",
  "cluster-unauthenticated",
  "cluster-authenticated",
  "deny",
  "audit",
] as const;

/** One of the default inbound policies. */
export type AccessPolicy = (typeof ACCESS_POLICIES)[number];

// Inbound policy

const accessPolicy = oneOf(...ACCESS_POLICIES);

export const server = object({
  metadata,
  spec: where(
    strict({
      podSelector: optional(labelSelector),
      externalWorkloadSelector: optional(labelSelector),
      port: portOrName,
      proxyProtocol: or(
        oneOf("unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS"),
        () => "unknown" as const,
      ),
      accessPolicy: or(accessPolicy, () => "deny" as const),
    }),
    (spec) =>
      (spec.podSelector === undefined) === (spec.externalWorkloadSelector === undefined)
        ? "either podSelector or externalWorkloadSelector"
        : undefined,
  ),
});

const cidr = matching<string>(
  'an address range such as "10.0.0.0/8"',
  (value) => parseCidr(value) !== undefined,
);

const network = strict({ cidr, except: or(oneOrMore(cidr), () => []) });

const account = strict({ name, namespace: optional(name) });

const client = where(
  strict({
    networks: optional(list(network)),
    unauthenticated: optional(bool),
    meshTLS: optional(
      strict({
        unauthenticatedTLS: optional(bool),
        identities: optional(list(name)),
        serviceAccounts: optional(list(account)),
      }),
    ),
  }),
  (spec) =>
    (spec.unauthenticated ?? false) === (spec.meshTLS !== undefined)
      ? "either unauthenticated: true or meshTLS"
      : undefined,
);

export const serverAuthorization = object({
  metadata,
  spec: strict({
    server: where(strict({ name: optional(name), selector: optional(labelSelector) }), (spec) =>
      (spec.name === undefined) === (spec.selector === undefined)
        ? "either name or selector"
        : undefined,
    ),
    client,
  }),
});

const localRef = { group: or(text, () => ""), kind: name, name };

const authenticationRef = strict({
  ...localRef,
  kind: oneOf("MeshTLSAuthentication", "NetworkAuthentication", "ServiceAccount"),
  namespace: optional(name),
});

export const authorizationPolicy = object({
  metadata,
  spec: strict({
    targetRef: strict({
      ...localRef,
      kind: oneOf("Server", "Namespace", "HTTPRoute", "GRPCRoute"),
      namespace: optional(name),
    }),
    requiredAuthenticationRefs: where(list(authenticationRef), (refs) => {
      const networks = refs.filter((ref) => ref.kind === "NetworkAuthentication").length;
      return networks > 1 || refs.length - networks > 1
        ? "at most one MeshTLSAuthentication or ServiceAccount and one NetworkAuthentication"
        : undefined;
    }),
  }),
});

export const meshTLSAuthentication = object({
  metadata,
  spec: where(
    strict({
      identities: lists(name),
      identityRefs: lists(
        strict({
          ...localRef,
          kind: oneOf("ServiceAccount", "Namespace"),
          namespace: optional(name),
        }),
      ),
    }),
    (spec) =>
      spec.identities.length + spec.identityRefs.length === 0
        ? "at least one of identities and identityRefs"
        : undefined,
  ),
});

export const networkAuthentication = object({
  metadata,
  spec: strict({ networks: list(network, 1) }),
});

const limit = strict({ requestsPerSecond: integer(1, 0xffff_ffff) });

const serverRef = strict({
  group: or(oneOf(POLICY), () => POLICY as typeof POLICY),
  kind: oneOf("Server"),
  name,
});

export const httpLocalRateLimitPolicy = object({
  metadata,
  spec: where(
    strict({
      targetRef: serverRef,
      total: optional(limit),
      identity: optional(limit),
      overrides: lists(
        strict({
          requestsPerSecond: integer(1, 0xffff_ffff),
          clientRefs: list(
            strict({ ...localRef, kind: oneOf("ServiceAccount"), namespace: optional(name) }),
            1,
          ),
        }),
      ),
    }),
    (spec) => {
      const most = spec.total?.requestsPerSecond ?? Infinity;
      const each = [spec.identity, ...spec.overrides].map((l) => l?.requestsPerSecond ?? 0);
      return Math.max(...each) > most ? "no limit above that of total" : undefined;
    },
  ),
  status: optional(object({ conditions: lists(condition) })),
});

// Outside the mesh

export const egressNetwork = object({
  metadata,
  spec: strict({
    trafficPolicy: oneOf("Allow", "Deny"),
    networks: optional(list(network, 1)),
  }),
  status: optional(object({ conditions: lists(condition) })),
});

export const externalWorkload = object({
  metadata,
  spec: strict({
    meshTLS: strict({ identity: name, serverName: name }),
    ports: lists(
      strict({
        name: optional(name),
        port,
        protocol: or(oneOf("TCP", "UDP"), () => "TCP" as const),
      }),
    ),
    workloadIPs: lists(
      strict({ ip: matching<string>("an IP address", (value) => ipFamily(value) !== undefined) }),
    ),
  }),
  status: optional(object({ conditions: lists(condition) })),
});

/** Linkerd takes one text where a list is meant. */
function oneOrMore(item: Shape<string>): Shape<readonly string[]> {
  const several = list(item);
  return {
    wanted: several.wanted,
    read: (value, path, mistakes) =>
      several.read(typeof value === "string" ? [value] : value, path, mistakes),
  };
}
