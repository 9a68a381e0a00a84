// What a port of a workload accepts and from whom: its Server or the default policy, routes with their own
// authorizations, probes, rate limits. InboundServerPolicies answers with these.

import { create } from "@bufbuild/protobuf";
import type {
  GrpcRouteSchema,
  HttpLocalRateLimitSchema,
  HttpRouteSchema,
  Server,
} from "../../proto/gen/inbound_pb.js";
import { ServerSchema } from "../../proto/gen/inbound_pb.js";
import type { LabelSelector, Pod, Resource } from "../platform/kinds.ts";
import { selects } from "../platform/kinds.ts";
import type { AccessPolicy } from "../platform/policyshapes.ts";
import { ACCESS_POLICIES } from "../platform/policyshapes.ts";
import { portNumber } from "../platform/probe.ts";
import { identityOf } from "../platform/sidecar.ts";
import { duration, printMethod } from "../proxy/fromproto.ts";
import { byAge, routesOn } from "./attachment.ts";
import {
  defaultAuthorizations,
  probeAuthorization,
  routeAuthorizations,
  serverAuthorizations,
} from "./authorizations.ts";
import type { Init } from "./init.ts";
import type { ExternalWorkload } from "./lookup.ts";
import { annotation, isOpaquePod, serversOfPod } from "./lookup.ts";
import { builtIn, metaOf, resource } from "./meta.ts";
import { containersOf } from "./podports.ts";
import { notFound } from "./refusal.ts";
import {
  ANY_PATH,
  filterOf,
  grpcFilter,
  grpcMatches,
  hostMatch,
  httpMatches,
} from "./routeproto.ts";
import type { World } from "./world.ts";

/** A workload as its proxy names itself. */
export type WorkloadName = {
  readonly namespace: string;
  readonly pod?: string;
  readonly externalWorkload?: string;
};

type ServerInit = Init<typeof ServerSchema>;
type ProtocolKind = NonNullable<Exclude<ServerInit["protocol"], undefined>["kind"]>;
type HttpRouteInit = Init<typeof HttpRouteSchema>;
type GrpcRouteInit = Init<typeof GrpcRouteSchema>;

const POLICY = "policy.linkerd.io";
const DETECT_TIMEOUT = duration(10_000);

/** The policy of a workload's port; throws a refusal when nobody knows the workload. */
export function inboundFor(world: World, workload: WorkloadName, port: number): Server {
  const { namespace } = workload;
  const pod = world.Pod.get(`${namespace}/${workload.pod}`);
  if (pod) {
    const server = serversOfPod(world, pod, port).sort(byAge)[0];
    return create(
      ServerSchema,
      server ? serverPolicy(world, server, pod, port) : podPolicy(world, pod, port),
    );
  }
  const external = world.ExternalWorkload.get(`${namespace}/${workload.externalWorkload}`);
  if (!external)
    throw notFound(`unknown server: ${namespace}/${workload.pod ?? workload.externalWorkload}`);
  const server = serverOfExternal(world, external, port);
  return create(
    ServerSchema,
    server
      ? serverPolicy(world, server, undefined, port)
      : defaultPolicy(world, defaultOf(world, external, port), false, []),
  );
}

function podPolicy(world: World, pod: Pod, port: number): ServerInit {
  const opaque = isOpaquePod(world, pod, port);
  return defaultPolicy(world, defaultOf(world, pod, port), opaque, defaultRoutes(world, pod, port));
}

function defaultPolicy(
  world: World,
  policy: AccessPolicy,
  opaque: boolean,
  httpRoutes: HttpRouteInit[],
): ServerInit {
  const routes = httpRoutes.length > 0 ? httpRoutes : [defaultRoute()];
  return {
    labels: { group: "", kind: "default", name: policy },
    authorizations: defaultAuthorizations(world, policy),
    protocol: {
      kind: opaque
        ? { case: "opaque", value: {} }
        : { case: "detect", value: { timeout: DETECT_TIMEOUT, httpRoutes: routes } },
    },
  };
}

function serverPolicy(
  world: World,
  server: Resource<"Server">,
  pod: Pod | undefined,
  port: number,
): ServerInit {
  return {
    labels: { group: POLICY, kind: "server", name: server.metadata.name },
    authorizations: serverAuthorizations(world, server),
    protocol: { kind: protocolOf(world, server, pod, port) },
  };
}

function protocolOf(
  world: World,
  server: Resource<"Server">,
  pod: Pod | undefined,
  port: number,
): ProtocolKind {
  const { namespace } = server.metadata;
  const parent = { kind: "Server" as const, metadata: server.metadata };
  const limit = rateLimit(world, server);
  const http = (): HttpRouteInit[] => {
    const attached = routesOn(world, ["PolicyHTTPRoute", "HTTPRoute"], parent, port, namespace);
    if (attached.length > 0) return attached.map((route) => httpRoute(world, route));
    return pod ? defaultRoutes(world, pod, port) : [defaultRoute()];
  };
  const grpc = (): GrpcRouteInit[] => {
    const attached = routesOn(world, ["GRPCRoute"], parent, port, namespace);
    if (attached.length > 0) return attached.map((route) => grpcRoute(world, route));
    return [{ metadata: builtIn("default"), rules: [{ matches: [{ rpc: {} }] }] }];
  };
  switch (server.spec.proxyProtocol) {
    case "unknown": {
      const limited = limit && { httpLocalRateLimit: limit };
      return {
        case: "detect",
        value: { timeout: DETECT_TIMEOUT, httpRoutes: http(), ...limited },
      };
    }
    case "HTTP/1":
      return { case: "http1", value: { routes: http(), ...(limit && { localRateLimit: limit }) } };
    case "HTTP/2":
      return { case: "http2", value: { routes: http(), ...(limit && { localRateLimit: limit }) } };
    case "gRPC":
      return { case: "grpc", value: { routes: grpc() } };
    case "opaque":
      return { case: "opaque", value: {} };
    case "TLS":
      return { case: "tls", value: {} };
  }
}

// What a pod without routes serves: everything, and its probes for anybody.
function defaultRoutes(world: World, pod: Pod, port: number): HttpRouteInit[] {
  const paths = probePaths(pod, port);
  if (paths.length === 0) return [defaultRoute()];
  const probe: HttpRouteInit = {
    metadata: builtIn("probe"),
    authorizations: [probeAuthorization(world)],
    rules: [
      {
        matches: paths.map((path) => ({
          path: { kind: { case: "exact", value: path } },
          method: { type: printMethod("GET") },
        })),
      },
    ],
  };
  return [defaultRoute(), probe];
}

function defaultRoute(): HttpRouteInit {
  return { metadata: builtIn("default"), rules: [{ matches: [ANY_PATH] }] };
}

function probePaths(pod: Pod, port: number): string[] {
  const paths = containersOf(pod).flatMap((container) =>
    [container.livenessProbe, container.readinessProbe, container.startupProbe].flatMap((probe) => {
      const get = probe?.httpGet;
      return get && portNumber(get.port, container.ports) === port ? [get.path.split("?")[0]!] : [];
    }),
  );
  return [...new Set(paths)].sort();
}

// Responses are not changed on the way in.
function httpRoute(world: World, route: Resource<"HTTPRoute" | "PolicyHTTPRoute">): HttpRouteInit {
  return {
    ...ofRoute(world, route),
    rules: route.spec.rules.map((rule) => ({
      matches: httpMatches(rule),
      filters: rule.filters
        .map(filterOf)
        .filter((kind) => kind.case !== "responseHeaderModifier")
        .map((kind) => ({ kind })),
    })),
  };
}

function grpcRoute(world: World, route: Resource<"GRPCRoute">): GrpcRouteInit {
  return {
    ...ofRoute(world, route),
    rules: route.spec.rules.map((rule) => ({
      matches: grpcMatches(rule),
      filters: rule.filters.map(grpcFilter).filter((filter) => filter !== undefined),
    })),
  };
}

function ofRoute(world: World, route: Resource<"HTTPRoute" | "PolicyHTTPRoute" | "GRPCRoute">) {
  return {
    metadata: metaOf(route),
    hosts: route.spec.hostnames.map(hostMatch),
    authorizations: routeAuthorizations(world, route),
  };
}

// The oldest policy of the Server counts.
function rateLimit(
  world: World,
  { metadata }: Resource<"Server">,
): Init<typeof HttpLocalRateLimitSchema> | undefined {
  const policy = [...world.HTTPLocalRateLimitPolicy.values()]
    .filter((each) => each.metadata.namespace === metadata.namespace)
    .filter((each) => each.spec.targetRef.name === metadata.name)
    .sort(byAge)[0];
  if (!policy) return undefined;
  const { namespace, name } = policy.metadata;
  const { total, identity, overrides } = policy.spec;
  return {
    metadata: resource(POLICY, "HTTPLocalRateLimitPolicy", name, namespace),
    ...(total && { total: { ...total } }),
    ...(identity && { identity: { ...identity } }),
    overrides: overrides.map(({ requestsPerSecond, clientRefs }) => ({
      limit: { requestsPerSecond },
      clients: {
        identities: clientRefs.map((ref) => ({
          name: identityOf(ref.name, ref.namespace ?? namespace, world.settings),
        })),
      },
    })),
  };
}

const DEFAULT_POLICY = "config.linkerd.io/default-inbound-policy";
const REQUIRE_IDENTITY = "config.linkerd.io/proxy-require-identity-inbound-ports";

// The default policy of a workload's port: its annotation, its namespace's, or the mesh's.
function defaultOf(world: World, workload: Pod | ExternalWorkload, port: number): AccessPolicy {
  const asked = annotation(world, workload, DEFAULT_POLICY) as AccessPolicy | undefined;
  const known = asked !== undefined && ACCESS_POLICIES.includes(asked);
  const policy = known ? asked : world.settings.defaultInboundPolicy;
  const strict = annotation(world, workload, REQUIRE_IDENTITY)
    ?.split(",")
    .map(Number)
    .includes(port);
  if (!strict || !policy.endsWith("-unauthenticated")) return policy;
  return policy.replace("-unauthenticated", "-authenticated") as AccessPolicy;
}

function serverOfExternal(
  world: World,
  workload: ExternalWorkload,
  port: number,
): Resource<"Server"> | undefined {
  const ports = workload.spec.ports.map(({ name, port: containerPort, protocol }) => ({
    ...(name !== undefined && { name }),
    containerPort,
    protocol,
  }));
  return [...world.Server.values()]
    .filter(({ metadata, spec }) => {
      return (
        metadata.namespace === workload.metadata.namespace &&
        spec.externalWorkloadSelector !== undefined &&
        selects(spec.externalWorkloadSelector as LabelSelector, workload.metadata.labels) &&
        portNumber(spec.port, ports) === port
      );
    })
    .sort(byAge)[0];
}
