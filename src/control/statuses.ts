// What the policy controller says of routes, egress networks and rate limits in their status: whether their
// parents took them and whether what they refer to is there. People read it; answers to proxies do not. A route may
// hang on gateways too: what their controllers say of it is left as it is.

import type { Clock } from "../base/clock.ts";
import { type Close, constant, type Watch } from "../base/watch.ts";
import { covers, parseCidr } from "../platform/cidr.ts";
import type { Condition, Kind, Resource } from "../platform/kinds.ts";
import { keyOf } from "../platform/kinds.ts";
import type { Resources } from "../platform/resources.ts";
import type { ParentRef, RouteKind } from "./attachment.ts";
import { byAge, names, parentKindOf, ROUTE_KINDS, routesNaming } from "./attachment.ts";
import type { World } from "./world.ts";
import { keepWritten } from "./writes.ts";

const CONTROLLER_NAME = "linkerd.io/policy-controller";

/** The kinds whose statuses are written. */
export const WRITTEN: readonly Kind[] = [
  ...ROUTE_KINDS,
  "HTTPLocalRateLimitPolicy",
  "EgressNetwork",
];

/** A status that a resource should have. */
export type WantedStatus = { readonly kind: Kind; readonly key: string; readonly status: unknown };

/** Writes each status that differs, as worlds come, while we lead and until closed. */
export function writeStatuses(
  world: Watch<World>,
  resources: Resources,
  clock: Clock,
  isLeader: Watch<boolean> = constant(true),
): Close {
  return keepWritten(world, isLeader, (latest) => {
    const now = new Date(clock.wall()).toISOString();
    return statusesOf(latest, now).map(({ kind, key, status }) => ({
      key: `${kind} ${key}`,
      send: () => resources.writeStatus(kind, key, status),
    }));
  });
}

/** The statuses that differ from what the world has; `now` is when they became so. */
export function statusesOf(world: World, now: string): WantedStatus[] {
  const wanted: WantedStatus[] = [];
  for (const kind of ROUTE_KINDS) {
    for (const route of world[kind].values() as Iterable<Resource<RouteKind>>) {
      const said = route.status?.parents ?? [];
      const [ours = [], others = []] = [isOurs, isOthers].map((whose) => said.filter(whose));
      const parents = parentsOf(world, kind, route, ours, now);
      if (isSame(ours, parents)) continue;
      wanted.push({ kind, key: keyOf(route), status: { parents: [...others, ...parents] } });
    }
  }
  const want = (kind: "HTTPLocalRateLimitPolicy" | "EgressNetwork", reasonOf: ReasonOf): void => {
    for (const resource of world[kind].values()) {
      const before = resource.status?.conditions ?? [];
      const set = conditions(resource, before, now);
      const status = { conditions: [set("Accepted", reasonOf(resource))] };
      if (!isSame(before, status.conditions)) wanted.push({ kind, key: keyOf(resource), status });
    }
  };
  want("HTTPLocalRateLimitPolicy", (policy) => rateLimitReason(world, policy as RateLimit));
  want("EgressNetwork", (network) => egressReason(world, network as EgressNetwork));
  return wanted;
}

type RateLimit = Resource<"HTTPLocalRateLimitPolicy">;
type EgressNetwork = Resource<"EgressNetwork">;
type ReasonOf = (resource: RateLimit | EgressNetwork) => string;
type Said = NonNullable<Resource<RouteKind>["status"]>["parents"][number];

const isOurs = ({ controllerName }: Said): boolean => controllerName === CONTROLLER_NAME;
const isOthers = (said: Said): boolean => !isOurs(said);
const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function parentsOf(
  world: World,
  kind: RouteKind,
  route: Resource<RouteKind>,
  before: readonly Said[],
  now: string,
): Said[] {
  return route.spec.parentRefs
    .filter((ref) => parentKindOf(ref) !== undefined)
    .map((parentRef) => {
      const said = before.find((each) => isSame(each.parentRef, parentRef));
      const set = conditions(route, said?.conditions ?? [], now);
      return {
        parentRef,
        controllerName: CONTROLLER_NAME,
        conditions: [
          set("Accepted", acceptance(world, kind, route, parentRef)),
          set("ResolvedRefs", resolution(world, route)),
        ],
      };
    });
}

// The most specific kind of route wins a parent's port.
const PRECEDENCE: readonly (readonly RouteKind[])[] = [
  ["GRPCRoute"],
  ["PolicyHTTPRoute", "HTTPRoute"],
  ["TLSRoute"],
  ["TCPRoute"],
];

function acceptance(
  world: World,
  kind: RouteKind,
  route: Resource<RouteKind>,
  ref: ParentRef,
): string {
  const parentKind = parentKindOf(ref)!;
  const parentKey = `${ref.namespace ?? route.metadata.namespace}/${ref.name}`;
  const parent = world[parentKind].get(parentKey);
  if (!parent) return "NoMatchingParent";
  if (parentKind !== "Service") return "Accepted";
  const { ports } = (parent as Resource<"Service">).spec;
  if (!ports.some((port) => names(ref, port))) return "NoMatchingTarget";
  const stronger = PRECEDENCE.slice(
    0,
    PRECEDENCE.findIndex((each) => each.includes(kind)),
  ).flat();
  const conflicts = stronger
    .flatMap((other) => routesNaming(world, other, parentKind, parentKey))
    .some(({ ref: { port } }) => port === undefined || ref.port === undefined || port === ref.port);
  return conflicts ? "RouteReasonConflicted" : "Accepted";
}

function resolution(world: World, route: Resource<RouteKind>): string {
  for (const rule of route.spec.rules) {
    for (const { group, kind, name, namespace = route.metadata.namespace } of rule.backendRefs) {
      const known =
        kind === "Service" ? group === "" || group === "core" : kind === "EgressNetwork";
      if (!known) return "InvalidKind";
      const found = world[kind as "Service" | "EgressNetwork"].get(`${namespace}/${name}`);
      if (!found) return "BackendNotFound";
    }
  }
  return "ResolvedRefs";
}

// The oldest limit of a Server counts.
function rateLimitReason(world: World, policy: RateLimit): string {
  const { namespace } = policy.metadata;
  const { name } = policy.spec.targetRef;
  const rivals = [...world.HTTPLocalRateLimitPolicy.values()].filter(
    (each) => each.metadata.namespace === namespace && each.spec.targetRef.name === name,
  );
  if (!world.Server.has(`${namespace}/${name}`)) return "NoMatchingTarget";
  return rivals.sort(byAge)[0] === policy ? "Accepted" : "RateLimitReasonAlreadyExists";
}

// What lies inside the cluster is no egress: nobody asks networks about it.
function egressReason({ settings }: World, { spec }: EgressNetwork): string {
  const isInside = ({ cidr, except }: NonNullable<typeof spec.networks>[number]): boolean => {
    const [range, holes] = [parseCidr(cidr)!, except.map((each) => parseCidr(each)!)];
    return settings.clusterNetworks.some((cluster) => {
      const shared = covers(range, cluster) ? cluster : covers(cluster, range) ? range : undefined;
      return shared !== undefined && !holes.some((hole) => covers(hole, shared));
    });
  };
  return spec.networks?.some(isInside) ? "EgressReasonNetworkOverlap" : "Accepted";
}

// What is said to people of reasons that are none to be content.
const MESSAGES: Readonly<Record<string, string>> = {
  NoMatchingParent: "the parent is not there",
  NoMatchingTarget: "what it is for is not there",
  RouteReasonConflicted: "a route of a kind that goes before is for the same port",
  BackendNotFound: "a backend is not there",
  InvalidKind: "a backend is neither a Service nor an EgressNetwork",
  RateLimitReasonAlreadyExists: "an older policy limits the same Server",
  EgressReasonNetworkOverlap:
    "a network overlaps with clusterNetworks, inside which nothing is egress",
};

// A condition is true when its reason is its own name, and keeps its time as long as that does not change.
function conditions(
  { metadata: { generation } }: Resource,
  before: readonly Condition[],
  now: string,
): (type: "Accepted" | "ResolvedRefs", reason: string) => Condition {
  return (type, reason) => {
    const status = reason === type ? "True" : "False";
    const same = before.find((each) => each.type === type && each.status === status);
    return {
      type,
      status,
      reason,
      message: MESSAGES[reason] ?? "",
      lastTransitionTime: same?.lastTransitionTime ?? now,
      ...(generation !== undefined && { observedGeneration: generation }),
    };
  };
}
