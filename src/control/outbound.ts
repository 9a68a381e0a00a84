// How to reach a target: its protocol, its routes, their backends. OutboundPolicies.Get and Watch answer with
// these; what leads there stands in the order in which Linkerd's policy controller asks.

import type { Init } from "./init.ts";
import { create } from "@bufbuild/protobuf";
import type { OutboundPolicy } from "../../proto/gen/outbound_pb.js";
import { OutboundPolicySchema } from "../../proto/gen/outbound_pb.js";
import { contains, parseCidr } from "../platform/cidr.ts";
import type { Resource, Service } from "../platform/kinds.ts";
import { duration } from "../proxy/fromproto.ts";
import { failureAccrual } from "./annotations.ts";
import type { Parent, RouteKind } from "./attachment.ts";
import { byAge, routesOn } from "./attachment.ts";
import type { EgressNetwork } from "./backends.ts";
import { originMeta } from "./backends.ts";
import { isOpaqueService, ownerOf, parseServiceName } from "./lookup.ts";
import type { RouteContext } from "./outboundroutes.ts";
import {
  defaultHttpRoute,
  defaultOpaqueRoute,
  defaultTlsRoute,
  forbiddenRoute,
  grpcRoute,
  httpRoute,
  tcpRoute,
  tlsRoute,
} from "./outboundroutes.ts";
import { notFound } from "./refusal.ts";
import type { World } from "./world.ts";

/** What a client wants to reach. */
export type OutboundTarget =
  | { readonly ip: string; readonly port: number }
  | { readonly authority: string };

type PolicyInit = Init<typeof OutboundPolicySchema>;
type ProtocolInit = NonNullable<NonNullable<PolicyInit["protocol"]>["kind"]>;

const DETECT_TIMEOUT = duration(10_000);

/** The policy of a target for clients of a namespace; throws a refusal when the cluster has no such target. */
export function outboundFor(
  world: World,
  target: OutboundTarget,
  clientNamespace: string,
): OutboundPolicy {
  return create(OutboundPolicySchema, policyInit(world, target, clientNamespace));
}

function policyInit(world: World, target: OutboundTarget, clientNamespace: string): PolicyInit {
  if ("authority" in target) {
    const name = parseServiceName(target.authority, world.settings.clusterDomain);
    const service = name && world.Service.get(`${name.namespace}/${name.name}`);
    if (!service) throw notFound(`there is no service ${target.authority}`);
    return servicePolicy(world, service, name.port, clientNamespace);
  }
  const { ip, port } = target;
  const owner = ownerOf(world, ip, port);
  if (owner?.kind === "service") return servicePolicy(world, owner.service, port, clientNamespace);
  if (world.settings.clusterNetworks.some((range) => contains(range, ip))) {
    throw notFound(`no service has the address ${ip}`);
  }
  return egressPolicy(world, egressNetworkFor(world, ip, clientNamespace), target, clientNamespace);
}

function servicePolicy(
  world: World,
  service: Service,
  port: number,
  clientNamespace: string,
): PolicyInit {
  const { annotations } = service.metadata;
  const context: RouteContext = {
    world,
    annotations,
    origin: { kind: "service", service, port },
  };
  const metadata = originMeta(context.origin);
  const defined = service.spec.ports.find((each) => each.port === port);
  if (!defined && service.spec.ports.length > 0) {
    const value = { routes: [forbiddenRoute("undefined-port")] };
    return { metadata, protocol: { kind: { case: "opaque", value } } };
  }
  const parent: Parent = { kind: "Service", metadata: service.metadata };
  const attached = attachedRoutes(context, parent, port, clientNamespace);
  const opaque = isOpaqueService(world, service, port);
  const kind = declaredProtocol(context, attached, defined?.appProtocol, opaque);
  return { metadata, protocol: { kind } };
}

type Attached = ReturnType<typeof attachedRoutes>;

function attachedRoutes(
  context: RouteContext,
  parent: Parent,
  port: number,
  clientNamespace: string,
) {
  const on = <K extends RouteKind, T>(
    kinds: readonly K[],
    print: (context: RouteContext, route: Resource<K>) => T,
  ): T[] =>
    routesOn(context.world, kinds, parent, port, clientNamespace).map((each) =>
      print(context, each),
    );
  return {
    grpc: on(["GRPCRoute"], grpcRoute),
    http: on(["PolicyHTTPRoute", "HTTPRoute"], httpRoute),
    tls: on(["TLSRoute"], tlsRoute),
    tcp: on(["TCPRoute"], tcpRoute),
  };
}

const NOTHING: Attached = { grpc: [], http: [], tls: [], tcp: [] };

// The first that applies: what a service's port says of itself, then that it is opaque, then what hangs on it.
function declaredProtocol(
  context: RouteContext,
  attached: Attached,
  appProtocol: string | undefined,
  isOpaque: boolean,
): ProtocolInit {
  const { grpc, tls, tcp } = attached;
  const accrual = accrualOf(context);
  const http = attached.http.length > 0 ? attached.http : [defaultHttpRoute(context, "http")];
  const opaque = [defaultOpaqueRoute(context, "opaq")];
  switch (appProtocol) {
    case undefined:
      return isOpaque
        ? { case: "opaque", value: { routes: tcp.length > 0 ? tcp : opaque } }
        : routedProtocol(attached, { http, tls, opaque }, accrual);
    case "http":
      return { case: "http1", value: { routes: http, ...accrual } };
    case "kubernetes.io/h2c":
      return grpc.length > 0
        ? { case: "grpc", value: { routes: grpc, ...accrual } }
        : { case: "http2", value: { routes: http, ...accrual } };
    default:
      return { case: "opaque", value: { routes: tcp.length > 0 ? tcp : opaque } };
  }
}

// Routes say the protocol, the most specific kind first; without any it is found out. `all` has the default ones too.
function routedProtocol(
  { grpc, http, tls, tcp }: Attached,
  all: Pick<Attached, "http" | "tls"> & { readonly opaque: Attached["tcp"] },
  accrual: ReturnType<typeof accrualOf>,
): ProtocolInit {
  if (grpc.length > 0) return { case: "grpc", value: { routes: grpc, ...accrual } };
  if (http.length === 0 && tls.length > 0) return { case: "tls", value: { routes: all.tls } };
  if (http.length === 0 && tcp.length > 0) return { case: "opaque", value: { routes: tcp } };
  const routed = { routes: all.http, ...accrual };
  const opaque = { routes: all.opaque };
  const value = { timeout: DETECT_TIMEOUT, opaque, http1: routed, http2: routed };
  return { case: "detect", value };
}

function accrualOf({ annotations }: RouteContext) {
  const found = failureAccrual(annotations);
  return found && { failureAccrual: found };
}

// Off the cluster: through an egress network, or, where none covers the address, as it was asked for.
function egressPolicy(
  world: World,
  network: EgressNetwork | undefined,
  address: { readonly ip: string; readonly port: number },
  clientNamespace: string,
): PolicyInit {
  const origin = { kind: "egress" as const, network, address };
  const context: RouteContext = { world, origin, annotations: network?.metadata.annotations ?? {} };
  const denied = network?.spec.trafficPolicy === "Deny";
  const name = (protocol: string): string =>
    network ? `${protocol}-egress-${denied ? "deny" : "allow"}` : "egress-fallback";
  const parent = network && { kind: "EgressNetwork" as const, metadata: network.metadata };
  const attached = parent
    ? attachedRoutes(context, parent, address.port, clientNamespace)
    : NOTHING;
  const all = {
    http: [...attached.http, defaultHttpRoute(context, name("http"), denied)],
    tls: [...attached.tls, defaultTlsRoute(context, name("tls"), denied)],
    opaque: [...attached.tcp, defaultOpaqueRoute(context, name("tcp"), denied)],
  };
  const kind = routedProtocol(attached, all, accrualOf(context));
  return { metadata: originMeta(origin), protocol: { kind } };
}

// Of the client's own networks, else of the global ones, the narrowest range; then the oldest, then by name.
function egressNetworkFor(
  world: World,
  ip: string,
  clientNamespace: string,
): EgressNetwork | undefined {
  for (const namespace of [clientNamespace, world.settings.globalEgressNamespace]) {
    const covering = [...world.EgressNetwork.values()]
      .filter((network) => network.metadata.namespace === namespace)
      .map((network) => ({ network, bits: coverage(network, ip) }))
      .filter(({ bits }) => bits >= 0)
      .sort((a, b) => b.bits - a.bits || byAge(a.network, b.network));
    if (covering[0]) return covering[0].network;
  }
  return undefined;
}

// The length of the longest prefix of the network that has the address; -1 for none.
function coverage({ spec }: EgressNetwork, ip: string): number {
  if (!spec.networks) return 0;
  const covering = spec.networks
    .filter(({ except }) => !except.some((range) => contains(parseCidr(range)!, ip)))
    .map(({ cidr }) => parseCidr(cidr)!)
    .filter((range) => contains(range, ip));
  return Math.max(-1, ...covering.map(({ bits }) => bits));
}
