// What the policy controller says of routes, egress networks and rate limits in their status: whether their
// parents took them and whether what they refer to is there. People read it; answers to proxies do not.

import type { Clock } from "../base/clock.ts";
import { type Close, combine, constant, type Watch } from "../base/watch.ts";
import type { Condition, Kind, Resource } from "../platform/kinds.ts";
import { keyOf } from "../platform/kinds.ts";
import type { Resources } from "../platform/resources.ts";
import type { ParentRef, RouteKind } from "./attachment.ts";
import { byAge, parentKindOf, ROUTE_KINDS } from "./attachment.ts";
import type { World } from "./world.ts";

const CONTROLLER_NAME = "linkerd.io/policy-controller";

/** The kinds whose statuses are written. */
export const WRITTEN: readonly Kind[] = [
  ...ROUTE_KINDS,
  "HTTPLocalRateLimitPolicy",
  "EgressNetwork",
];

/** A status that a resource should have. */
export type WantedStatus = { readonly kind: Kind; readonly key: string; readonly status: unknown };

/** Writes each status that differs, as worlds come, while we lead; one that cannot be written is tried again with the next world. */
export function writeStatuses(
  world: Watch<World>,
  resources: Resources,
  clock: Clock,
  isLeader: Watch<boolean> = constant(true),
): Close {
  return combine([world, isLeader]).each(([now, leads]) => {
    if (!leads) return;
    for (const { kind, key, status } of statusesOf(now, new Date(clock.wall()).toISOString())) {
      void resources.writeStatus(kind, key, status).catch(() => {});
    }
  });
}

/** The statuses that differ from what the world has; `now` is when they became so. */
export function statusesOf(world: World, now: string): WantedStatus[] {
  const wanted: WantedStatus[] = [];
  const want = (kind: Kind, resource: Resource, before: unknown, status: unknown): void => {
    if (meaning(before) !== meaning(status)) wanted.push({ kind, key: keyOf(resource), status });
  };
  for (const kind of ROUTE_KINDS) {
    for (const route of world[kind].values() as Iterable<Resource<RouteKind>>) {
      const parents = parentsOf(world, kind, route, now);
      if (parents.length > 0) want(kind, route, route.status, { parents });
    }
  }
  for (const policy of world.HTTPLocalRateLimitPolicy.values()) {
    const accepted = rateLimitCondition(world, policy, now);
    want("HTTPLocalRateLimitPolicy", policy, policy.status, { conditions: [accepted] });
  }
  for (const network of world.EgressNetwork.values()) {
    const accepted = condition("Accepted", "Accepted", "Accepted", now);
    want("EgressNetwork", network, network.status, { conditions: [accepted] });
  }
  return wanted;
}

function parentsOf(world: World, kind: RouteKind, route: Resource<RouteKind>, now: string) {
  return route.spec.parentRefs
    .filter((ref) => parentKindOf(ref) !== undefined)
    .map((parentRef) => ({
      parentRef,
      controllerName: CONTROLLER_NAME,
      conditions: [
        condition("Accepted", acceptance(world, kind, route, parentRef), "Accepted", now),
        condition("ResolvedRefs", resolution(world, route), "ResolvedRefs", now),
      ],
    }));
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
  const namespace = ref.namespace ?? route.metadata.namespace;
  const parent = world[parentKind].get(`${namespace}/${ref.name}`);
  if (!parent) return "NoMatchingParent";
  if (parentKind !== "Service") return "Accepted";
  const { ports } = (parent as Resource<"Service">).spec;
  if (ref.port !== undefined && !ports.some(({ port }) => port === ref.port))
    return "NoMatchingTarget";
  const stronger = PRECEDENCE.slice(
    0,
    PRECEDENCE.findIndex((each) => each.includes(kind)),
  ).flat();
  const conflicts = stronger.some((other) =>
    ([...world[other].values()] as Resource<RouteKind>[]).some((each) =>
      each.spec.parentRefs.some((taken) => {
        const at = taken.namespace ?? each.metadata.namespace;
        const samePort =
          taken.port === undefined || ref.port === undefined || taken.port === ref.port;
        return (
          parentKindOf(taken) === parentKind &&
          at === namespace &&
          taken.name === ref.name &&
          samePort
        );
      }),
    ),
  );
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
function rateLimitCondition(
  world: World,
  policy: Resource<"HTTPLocalRateLimitPolicy">,
  now: string,
): Condition {
  const { namespace } = policy.metadata;
  const { name } = policy.spec.targetRef;
  const rivals = [...world.HTTPLocalRateLimitPolicy.values()].filter(
    (each) => each.metadata.namespace === namespace && each.spec.targetRef.name === name,
  );
  const reason = !world.Server.has(`${namespace}/${name}`)
    ? "NoMatchingTarget"
    : rivals.sort(byAge)[0] === policy
      ? "Accepted"
      : "RateLimitReasonAlreadyExists";
  return condition("Accepted", reason, "Accepted", now);
}

function condition(type: string, reason: string, good: string, now: string): Condition {
  return {
    type,
    status: reason === good ? "True" : "False",
    reason,
    message: "",
    lastTransitionTime: now,
  };
}

// A status without its times.
function meaning(status: unknown): string {
  return JSON.stringify(status, (key, value: unknown) => {
    return key === "lastTransitionTime" || key === "observedGeneration" ? undefined : value;
  });
}
