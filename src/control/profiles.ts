// The profile of a target: routes of its ServiceProfile, whether it is opaque, or, for an address that is no
// service's, the one endpoint behind it. Destination.GetProfile answers with these.

import type { Init } from "./init.ts";
import { create } from "@bufbuild/protobuf";
import type { DestinationProfile } from "../../proto/gen/destination_pb.js";
import { DestinationProfileSchema } from "../../proto/gen/destination_pb.js";
import type {
  RequestMatchSchema,
  ResponseMatchSchema,
  RouteSchema,
  WeightedAddrSchema,
} from "../../proto/gen/destination_pb.js";
import { ipFamily } from "../io/ip.ts";
import type { Pod, Resource, Service } from "../platform/kinds.ts";
import type { RequestMatch, ResponseMatch } from "../platform/profileshapes.ts";
import { parseGoDuration, parseQuantity } from "../platform/quantity.ts";
import { duration, printMethod, printTcpAddress } from "../proxy/fromproto.ts";
import type { Client } from "./endpoints.ts";
import { externalAddress, podAddress } from "./endpoints.ts";
import {
  isOpaquePod,
  isOpaqueService,
  ownerOf,
  parseServiceName,
  serviceFqdn,
  slicesOfService,
} from "./lookup.ts";
import { resource, serviceMeta } from "./meta.ts";
import { invalidArgument, notFound } from "./refusal.ts";
import type { World } from "./world.ts";

type ServiceProfile = Resource<"ServiceProfile">;
type TrafficSplit = Resource<"TrafficSplit">;
type ProfileInit = Init<typeof DestinationProfileSchema>;
type AddrInit = Init<typeof WeightedAddrSchema>;

const RETRY_BUDGET = { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: { seconds: 10n } };

/** The profile of "ip:port" or of a service's name; throws a refusal when there can be none. */
export function profileFor(world: World, path: string, client: Client): DestinationProfile {
  return create(DestinationProfileSchema, profileInit(world, path, client));
}

function profileInit(world: World, path: string, client: Client): ProfileInit {
  const address = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(path);
  if (address && ipFamily(address[1]!) !== undefined) {
    return addressProfile(world, address[1]!, Number(address[2]), client);
  }
  const name = parseServiceName(path, world.settings.clusterDomain);
  if (!name) throw invalidArgument(`${path} is neither an address nor a service of this cluster`);
  const service = world.Service.get(`${name.namespace}/${name.name}`);
  if (!service) throw notFound(`there is no service ${name.name} in namespace ${name.namespace}`);
  if (name.hostname === undefined) return serviceProfile(world, service, name.port, client);
  const pod = podOfHost(world, service, name.hostname);
  if (!pod) throw notFound(`service ${name.name} has no pod ${name.hostname}`);
  return podProfile(world, pod, pod.status!.podIP!, name.port, client);
}

function addressProfile(world: World, ip: string, port: number, client: Client): ProfileInit {
  const owner = ownerOf(world, ip, port);
  if (owner?.kind === "service") return serviceProfile(world, owner.service, port, client);
  if (owner?.kind === "pod" && owner.pod.status?.phase === "Running") {
    return podProfile(world, owner.pod, ip, port, client);
  }
  if (owner?.kind === "external") {
    const { namespace } = owner.workload.metadata;
    return endpointProfile(externalAddress(owner.workload, ip, port), namespace, false);
  }
  return endpointProfile({ addr: printTcpAddress({ ip, port }), weight: 10_000 }, undefined, false);
}

function podProfile(world: World, pod: Pod, ip: string, port: number, client: Client): ProfileInit {
  const init = podAddress(world, pod, ip, port, client);
  return endpointProfile(init, pod.metadata.namespace, isOpaquePod(world, pod, port));
}

function endpointProfile(
  init: AddrInit,
  namespace: string | undefined,
  opaque: boolean,
): ProfileInit {
  const metricLabels = { ...(namespace !== undefined && { namespace }), ...init.metricLabels };
  const endpoint = Object.assign(init, { metricLabels });
  return { endpoint, opaqueProtocol: opaque, retryBudget: RETRY_BUDGET };
}

function serviceProfile(world: World, service: Service, port: number, client: Client): ProfileInit {
  const { namespace } = service.metadata;
  if (service.spec.ports.length > 0 && !service.spec.ports.some((each) => each.port === port)) {
    return {};
  }
  const fqdn = serviceFqdn(service, world.settings.clusterDomain);
  const profile =
    world.ServiceProfile.get(`${client.namespace}/${fqdn}`) ??
    world.ServiceProfile.get(`${namespace}/${fqdn}`);
  const base: ProfileInit = {
    fullyQualifiedName: fqdn,
    opaqueProtocol: isOpaqueService(world, service, port),
    retryBudget: RETRY_BUDGET,
    parentRef: serviceMeta(service.metadata, port),
  };
  if (profile) Object.assign(base, declared(profile, port, world.settings.clusterDomain));
  const split = profile?.spec.dstOverrides.length ? undefined : splitOf(world, service);
  return split ? Object.assign(base, { dstOverrides: leaves(split, port, world) }) : base;
}

// SMI's TrafficSplit, unless a ServiceProfile says where else to send.
function splitOf(world: World, { metadata }: Service): TrafficSplit | undefined {
  for (const split of world.TrafficSplit.values()) {
    const [name] = split.spec.service.split(".");
    if (split.metadata.namespace === metadata.namespace && name === metadata.name) return split;
  }
  return undefined;
}

function leaves({ metadata, spec }: TrafficSplit, port: number, { settings }: World) {
  return spec.backends.map(({ service, weight }) => {
    const [name] = service.split(".");
    return {
      authority: `${name}.${metadata.namespace}.svc.${settings.clusterDomain}:${port}`,
      weight: Math.round(parseQuantity(weight)! * 10_000),
      backendRef: serviceMeta({ name: name!, namespace: metadata.namespace }, port),
    };
  });
}

// What a ServiceProfile adds.
function declared(
  { metadata, spec }: ServiceProfile,
  port: number,
  clusterDomain: string,
): ProfileInit {
  const budget = spec.retryBudget;
  return {
    profileRef: resource("linkerd.io", "ServiceProfile", metadata.name, metadata.namespace),
    routes: spec.routes.map(route),
    dstOverrides: spec.dstOverrides.map(({ authority, weight }) => {
      const full = authority.includes(":") ? authority : `${authority}:${port}`;
      const name = parseServiceName(full, clusterDomain);
      return {
        authority: full,
        weight: Math.round(parseQuantity(weight)! * 10_000),
        ...(name && { backendRef: serviceMeta(name, name.port) }),
      };
    }),
    ...(budget && {
      retryBudget: {
        retryRatio: budget.retryRatio,
        minRetriesPerSecond: budget.minRetriesPerSecond,
        ttl: duration(parseGoDuration(budget.ttl)!),
      },
    }),
    ...(spec.opaquePorts.includes(String(port)) && { opaqueProtocol: true }),
  };
}

function route(declaredRoute: ServiceProfile["spec"]["routes"][number]) {
  const timeoutMs = parseGoDuration(declaredRoute.timeout ?? "0")!;
  const init: Init<typeof RouteSchema> = {
    condition: requestMatch(declaredRoute.condition),
    responseClasses: declaredRoute.responseClasses.map(({ condition, isFailure }) => ({
      condition: responseMatch(condition),
      isFailure,
    })),
    metricsLabels: { route: declaredRoute.name },
    isRetryable: declaredRoute.isRetryable,
    ...(timeoutMs > 0 && { timeout: duration(timeoutMs) }),
  };
  return init;
}

// Several keys in one condition must all hold.
function requestMatch(match: RequestMatch): Init<typeof RequestMatchSchema> {
  const parts: Init<typeof RequestMatchSchema>[] = [];
  if (match.all)
    parts.push({ match: { case: "all", value: { matches: match.all.map(requestMatch) } } });
  if (match.any)
    parts.push({ match: { case: "any", value: { matches: match.any.map(requestMatch) } } });
  if (match.not) parts.push({ match: { case: "not", value: requestMatch(match.not) } });
  if (match.pathRegex !== undefined) {
    parts.push({ match: { case: "path", value: { regex: match.pathRegex } } });
  }
  if (match.method !== undefined) {
    parts.push({ match: { case: "method", value: { type: printMethod(match.method) } } });
  }
  return parts.length === 1 ? parts[0]! : { match: { case: "all", value: { matches: parts } } };
}

function responseMatch(match: ResponseMatch): Init<typeof ResponseMatchSchema> {
  const parts: Init<typeof ResponseMatchSchema>[] = [];
  if (match.all)
    parts.push({ match: { case: "all", value: { matches: match.all.map(responseMatch) } } });
  if (match.any)
    parts.push({ match: { case: "any", value: { matches: match.any.map(responseMatch) } } });
  if (match.not) parts.push({ match: { case: "not", value: responseMatch(match.not) } });
  if (match.status) {
    const { min, max } = match.status;
    const value = { min: min ?? max ?? 0, max: max ?? min ?? 0 };
    parts.push({ match: { case: "status", value } });
  }
  return parts.length === 1 ? parts[0]! : { match: { case: "all", value: { matches: parts } } };
}

function podOfHost(world: World, service: Service, hostname: string): Pod | undefined {
  const ref = slicesOfService(world, service)
    .flatMap(({ endpoints }) => endpoints)
    .find((endpoint) => endpoint.hostname === hostname)?.targetRef;
  return ref && world.Pod.get(`${ref.namespace ?? service.metadata.namespace}/${ref.name}`);
}
