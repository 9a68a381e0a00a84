// Inbound Server messages, translated, and the policies that stand until the control plane has answered.

import type {
  Authz as WireAuthz,
  GrpcRoute,
  HttpLocalRateLimit,
  HttpRoute,
  ProxyProtocol,
  Server,
} from "../../proto/gen/inbound_pb.js";
import { durationMs, invalid, parseHost, parseMeta, parseNetwork, present } from "./fromproto.ts";
import { parseFilter, parseGrpcMatch, parseHttpMatch } from "./matches.ts";
import {
  builtIn,
  type Authz,
  type InboundPolicy,
  type InboundProtocol,
  type InboundRoute,
  type ServerRateLimit,
} from "./policy.ts";
import type { Network } from "../stack/authorize.ts";
import type { DefaultPolicy } from "./settingtypes.ts";

/** The policy that a message carries; throws an `invalid-policy` fault. */
export function parseInboundPolicy(wire: Server): InboundPolicy {
  const { group = "", kind = "default", name, ...rest } = wire.labels;
  const meta = {
    ...builtIn(present(name, "labels.name")),
    group,
    kind,
    namespace: rest["namespace"] ?? "",
  };
  return {
    meta,
    protocol: parseProtocol(present(wire.protocol, "protocol").kind),
    authorizations: parseAuthorizations(wire.authorizations, "authorizations"),
  };
}

const ANY_ADDRESS: readonly Network[] = [
  { ip: "0.0.0.0", prefix: 0 },
  { ip: "::", prefix: 0 },
];

/** The built-in policy `name`; the `cluster-*` ones accept clients from `cluster` only. */
export function defaultInboundPolicy(
  name: DefaultPolicy,
  protocol: "detect" | "opaque",
  detectMs: number,
  cluster: readonly Network[],
): InboundPolicy {
  const nets = name.startsWith("cluster-") ? cluster : ANY_ADDRESS;
  const clients: Authz["clients"] = name.endsWith("-tls-unauthenticated")
    ? { kind: "tls" }
    : name.endsWith("-authenticated")
      ? { kind: "identities", names: new Set(), suffixes: [""] }
      : { kind: "anybody" };
  const meta = builtIn(name);
  const authz = { meta, clients, networks: nets.map((net) => ({ net, except: [] })) };
  const authorizations = name === "deny" ? [] : [authz];
  const routes = [DEFAULT_ROUTE];
  return {
    meta,
    protocol: { kind: protocol, detectMs, routes, rateLimit: undefined },
    authorizations,
  };
}

/** What admits clients of this machine, whatever the policy: kubelet and the workload itself. */
export const LOOPBACK: Authz = {
  meta: builtIn("loopback"),
  clients: { kind: "anybody" },
  networks: [
    { net: { ip: "127.0.0.0", prefix: 8 }, except: [] },
    { net: { ip: "::1", prefix: 128 }, except: [] },
  ],
};

const DEFAULT_ROUTE: InboundRoute = {
  meta: builtIn("default"),
  hosts: [],
  authorizations: [],
  rules: [{ matches: [], filters: [] }],
};

function parseProtocol(kind: ProxyProtocol["kind"]): InboundProtocol {
  switch (kind.case) {
    case "detect": {
      const { timeout, httpRoutes, httpLocalRateLimit } = kind.value;
      const detectMs = durationMs(present(timeout, "detect.timeout"));
      return protocolOf("detect", detectMs, httpRoutes, httpLocalRateLimit);
    }
    case "http1":
    case "http2":
      return protocolOf(kind.case, 0, kind.value.routes, kind.value.localRateLimit);
    case "grpc":
      return protocolOf("grpc", 0, kind.value.routes, undefined);
    case "opaque":
    case "tls":
      return protocolOf(kind.case, 0, [], undefined);
    case undefined:
      throw invalid("protocol", "is of a kind that this proxy does not know");
  }
}

function protocolOf(
  kind: InboundProtocol["kind"],
  detectMs: number,
  routes: readonly (HttpRoute | GrpcRoute)[],
  limit: HttpLocalRateLimit | undefined,
): InboundProtocol {
  return {
    kind,
    detectMs,
    routes: routes.map((route, i) => parseRoute(route, `routes[${i}]`)),
    rateLimit: limit && parseRateLimit(limit),
  };
}

function parseRoute(wire: HttpRoute | GrpcRoute, place: string): InboundRoute {
  return {
    meta: parseMeta(wire.metadata, `${place}.metadata`),
    hosts: wire.hosts.map((host) => parseHost(host.match, `${place}.hosts`)),
    authorizations: parseAuthorizations(wire.authorizations, `${place}.authorizations`),
    rules: wire.rules.map((rule) => ({
      matches:
        rule.$typeName === "io.linkerd.proxy.inbound.GrpcRoute.Rule"
          ? rule.matches.map((match) => parseGrpcMatch(match, `${place}.matches`))
          : rule.matches.map((match) => parseHttpMatch(match, `${place}.matches`)),
      filters: rule.filters.map(({ kind }) => parseFilter(kind, `${place}.filters`)),
    })),
  };
}

// An authorization without networks admits nobody, so it is left out, as linkerd2-proxy does.
function parseAuthorizations(wire: readonly WireAuthz[], place: string): Authz[] {
  return wire
    .filter(({ networks }) => networks.length > 0)
    .map(({ networks, authentication, metadata, labels }) => ({
      meta: metadata
        ? parseMeta(metadata, `${place}.metadata`)
        : {
            ...builtIn(labels["name"] ?? ""),
            group: labels["group"] ?? "",
            kind: labels["kind"] ?? "",
          },
      networks: networks.map(({ net, except }) => ({
        net: parseNetwork(net, `${place}.networks`),
        except: except.map((one) => parseNetwork(one, `${place}.networks.except`)),
      })),
      clients: parseClients(authentication, `${place}.authentication`),
    }));
}

function parseClients(wire: WireAuthz["authentication"], place: string): Authz["clients"] {
  const { permit } = present(wire, place);
  if (permit.case === undefined) throw invalid(place, "permits nothing that this proxy knows");
  if (permit.case === "unauthenticated") return { kind: "anybody" };
  const { clients } = permit.value;
  if (clients.case === undefined) throw invalid(`${place}.mesh_tls`, "names no clients");
  if (clients.case === "unauthenticated") return { kind: "tls" };
  return {
    kind: "identities",
    names: new Set(clients.value.identities.map(({ name }) => name)),
    suffixes: clients.value.suffixes.map(({ parts }) =>
      parts.length ? `.${parts.join(".")}` : "",
    ),
  };
}

function parseRateLimit({
  metadata,
  total,
  identity,
  overrides,
}: HttpLocalRateLimit): ServerRateLimit {
  return {
    meta: parseMeta(metadata, "local_rate_limit.metadata"),
    totalRps: total?.requestsPerSecond,
    identityRps: identity?.requestsPerSecond,
    overrides: overrides.map(({ limit, clients }) => ({
      rps: present(limit, "local_rate_limit.overrides.limit").requestsPerSecond,
      identities: clients?.identities.map(({ name }) => name) ?? [],
    })),
  };
}
