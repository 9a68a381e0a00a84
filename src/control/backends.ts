// Where a route sends: the backends that it names, with their weights, as proxies are told them. A backend
// that is not there answers every request with an error rather than be left out in silence.

import type { Init } from "./init.ts";
import type { BackendSchema } from "../../proto/gen/outbound_pb.js";
import type { Resource, Service } from "../platform/kinds.ts";
import { duration, printTcpAddress } from "../proxy/fromproto.ts";
import { balancing } from "./annotations.ts";
import { serviceFqdn } from "./lookup.ts";
import { builtIn, type MetaInit, resource, serviceMeta } from "./meta.ts";
import type { World } from "./world.ts";

export type EgressNetwork = Resource<"EgressNetwork">;
export type BackendInit = Init<typeof BackendSchema>;

/** Where an outbound policy leads by itself: a service's port, or an address outside the cluster. */
export type Origin =
  | { readonly kind: "service"; readonly service: Service; readonly port: number }
  | {
      readonly kind: "egress";
      readonly network: EgressNetwork | undefined;
      readonly address: { readonly ip: string; readonly port: number };
    };

type BackendRef = {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
  readonly weight: number;
};

/** A backend, and why it cannot be used when it cannot. */
export type RoutedBackend<R> = {
  readonly ref: R;
  readonly backend: BackendInit;
  readonly problem: string | undefined;
  readonly weight: number;
};

const QUEUE = { capacity: 100, failfastTimeout: duration(3000) };

/** The backend of a policy whose route names none. */
export function originBackend(world: World, origin: Origin): BackendInit {
  if (origin.kind === "service") return serviceBackend(world, origin.service, origin.port);
  return {
    metadata: originMeta(origin),
    queue: QUEUE,
    kind: { case: "forward", value: { addr: printTcpAddress(origin.address), weight: 10_000 } },
  };
}

/** What a policy is about. */
export function originMeta(origin: Origin): MetaInit {
  if (origin.kind === "service") {
    return serviceMeta(origin.service.metadata, origin.port);
  }
  if (!origin.network) return builtIn("egress-fallback");
  const { name, namespace } = origin.network.metadata;
  return resource("policy.linkerd.io", "EgressNetwork", name, namespace, origin.address.port);
}

/** The backends that a rule names and that take a share, in their order. */
export function routedBackends<R extends BackendRef>(
  world: World,
  origin: Origin,
  refs: readonly R[],
  namespace: string,
): RoutedBackend<R>[] {
  return refs
    .filter(({ weight }) => weight > 0)
    .map((ref) => ({ ref, weight: ref.weight, ...resolve(world, origin, ref, namespace) }));
}

function resolve(
  world: World,
  origin: Origin,
  ref: BackendRef,
  routeNamespace: string,
): { backend: BackendInit; problem: string | undefined } {
  const namespace = ref.namespace ?? routeNamespace;
  const isService = ref.kind === "Service" && (ref.group === "" || ref.group === "core");
  const service = isService ? world.Service.get(`${namespace}/${ref.name}`) : undefined;
  const bad = (problem: string) => {
    const metadata = resource(ref.group, ref.kind, ref.name, namespace, ref.port ?? 0);
    return { backend: { metadata, queue: QUEUE }, problem };
  };
  if (ref.kind === "EgressNetwork") {
    const same =
      origin.kind === "egress" &&
      origin.network?.metadata.name === ref.name &&
      origin.network.metadata.namespace === namespace;
    if (same) return { backend: originBackend(world, origin), problem: undefined };
    return bad(`EgressNetwork ${ref.name} is not what the request was sent to`);
  }
  if (!isService) return bad(`backends of kind ${ref.kind} are not supported`);
  if (!service) return bad(`Service not found ${ref.name}`);
  if (ref.port === undefined) return bad(`Service ${ref.name} is named without a port`);
  return { backend: serviceBackend(world, service, ref.port), problem: undefined };
}

function serviceBackend({ settings }: World, service: Service, port: number): BackendInit {
  const { annotations } = service.metadata;
  const path = `${serviceFqdn(service, settings.clusterDomain)}:${port}`;
  return {
    metadata: serviceMeta(service.metadata, port),
    queue: QUEUE,
    kind: {
      case: "balancer",
      value: {
        discovery: { kind: { case: "dst", value: { path } } },
        ...balancing(annotations),
      },
    },
  };
}
