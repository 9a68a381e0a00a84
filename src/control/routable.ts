// Which endpoints of a service a client may use: those that are ready, else the best that there are, of an address family
// that proxies speak, on the client's own node or in its zone where that is asked for.

import type { Service } from "../platform/kinds.ts";
import type { Client } from "./endpoints.ts";
import { type Slice, slicesOfService, zoneOfNode } from "./lookup.ts";
import type { World } from "./world.ts";

type Candidate = { readonly slice: Slice; readonly endpoint: Slice["endpoints"][number] };

/** The endpoints of a service for a client, each with the slice that it is of. */
export function routable(world: World, service: Service, client: Client): Candidate[] {
  const all = reachable(world, service);
  const isReady = ({ endpoint }: Candidate): boolean => endpoint.conditions.ready !== false;
  // Better than none: pods that are to end and still serve, as kube-proxy does it (KEP-1669), and those of nodes that
  // cannot report, for in an outage of the API server all endpoints become unready.
  const ready = all.some(isReady)
    ? all.filter(isReady)
    : all.filter((candidate) => isLeaving(candidate) || isUnheard(world, candidate));
  if (service.spec.internalTrafficPolicy === "Local") {
    return ready.filter(({ endpoint }) => endpoint.nodeName === client.nodeName);
  }
  const zone = zoneOfNode(world, client.nodeName);
  if (zone === undefined || ready.some(({ endpoint }) => !endpoint.hints?.forZones.length)) {
    return ready;
  }
  const near = ready.filter(({ endpoint }) =>
    endpoint.hints!.forZones.some(({ name }) => name === zone),
  );
  return near.length > 0 ? near : ready;
}

// A service of both families has each pod twice: by IPv6 where proxies listen there, else by IPv4. Slices of host names
// have no addresses.
function reachable(world: World, service: Service): Candidate[] {
  const { disableIPv6 } = world.settings;
  const all = slicesOfService(world, service)
    .filter(({ addressType: type }) => type === "IPv4" || (type === "IPv6" && !disableIPv6))
    .flatMap((slice) => slice.endpoints.map((endpoint) => ({ slice, endpoint })));
  const isV6 = ({ slice }: Candidate): boolean => slice.addressType === "IPv6";
  const twice = new Set(all.filter(isV6).map(({ endpoint }) => endpoint.targetRef?.name));
  twice.delete(undefined);
  return all.filter((each) => isV6(each) || !twice.has(each.endpoint.targetRef?.name));
}

function isLeaving({ endpoint: { conditions } }: Candidate): boolean {
  return conditions.terminating === true && conditions.serving === true;
}

// The kubelet says whether containers are ready; that the pod is not although they are, and nothing else is asked of it,
// comes from a node controller that has not heard of the kubelet.
function isUnheard(world: World, { slice, endpoint }: Candidate): boolean {
  const { conditions, targetRef } = endpoint;
  if (conditions.terminating || targetRef?.kind !== "Pod") return false;
  const namespace = targetRef.namespace ?? slice.metadata.namespace;
  const pod = world.Pod.get(`${namespace}/${targetRef.name}`);
  if (pod === undefined || pod.spec.readinessGates?.length) return false;
  const is = (type: string, status: string): boolean =>
    pod.status?.conditions.some((each) => each.type === type && each.status === status) ?? false;
  return is("ContainersReady", "True") && is("Ready", "False");
}
