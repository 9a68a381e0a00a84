// Routes of an outbound policy: those that hang on its service or egress network, and the default ones where
// none do. HTTP, gRPC, TLS and TCP routes each in their own message, as the wire has it.

import type { Init } from "./init.ts";
import type {
  GrpcRouteSchema,
  HttpRouteSchema,
  OpaqueRouteSchema,
  TlsRouteSchema,
} from "../../proto/gen/outbound_pb.js";
import type { GrpcRoute, HttpRoute, Resource } from "../platform/kinds.ts";
import { parseGoDuration } from "../platform/quantity.ts";
import { duration } from "../proxy/fromproto.ts";
import type { Annotations } from "./annotations.ts";
import { grpcRetry, httpRetry, inherit, timeouts } from "./annotations.ts";
import type { BackendInit, Origin } from "./backends.ts";
import { originBackend, routedBackends } from "./backends.ts";
import { builtIn, metaOf } from "./meta.ts";
import {
  ANY_PATH,
  filterOf,
  grpcFilter,
  grpcMatches,
  hostMatch,
  httpMatches,
} from "./routeproto.ts";
import type { World } from "./world.ts";

type HttpInit = Init<typeof HttpRouteSchema>;
type GrpcInit = Init<typeof GrpcRouteSchema>;
type OpaqueInit = Init<typeof OpaqueRouteSchema>;
type TlsInit = Init<typeof TlsRouteSchema>;

/** What a policy's routes are made for. */
export type RouteContext = {
  readonly world: World;
  readonly origin: Origin;
  /** Of the service or egress network, for what routes do not say themselves. */
  readonly annotations: Annotations;
};

export function httpRoute(context: RouteContext, route: HttpRoute): HttpInit {
  const annotations = inherit(route.metadata.annotations, context.annotations);
  return {
    metadata: metaOf(route),
    hosts: route.spec.hostnames.map(hostMatch),
    rules: route.spec.rules.map((rule) => {
      const attemptMs = parseGoDuration(rule.timeouts?.backendRequest ?? "0") || undefined;
      const requestMs = parseGoDuration(rule.timeouts?.request ?? "0") || undefined;
      return {
        matches: httpMatches(rule),
        filters: rule.filters.map((filter) => ({ kind: filterOf(filter) })),
        backends: {
          kind: distribution(
            context,
            rule.backendRefs,
            route.metadata.namespace,
            ({ ref, problem }) => ({
              filters: [
                ...ref.filters.map((filter) => ({ kind: filterOf(filter) })),
                ...(problem === undefined ? [] : [httpFailure(500, problem)]),
              ],
              ...(attemptMs && { requestTimeout: duration(attemptMs) }),
            }),
          ),
        },
        ...httpBehaviour(context.world, annotations, requestMs, attemptMs, rule.retry),
      };
    }),
  };
}

export function grpcRoute(context: RouteContext, route: GrpcRoute): GrpcInit {
  const annotations = inherit(route.metadata.annotations, context.annotations);
  const retry = grpcRetry(annotations);
  const times = timeouts(annotations);
  return {
    metadata: metaOf(route),
    hosts: route.spec.hostnames.map(hostMatch),
    rules: route.spec.rules.map((rule) => ({
      matches: grpcMatches(rule),
      filters: rule.filters.map(grpcFilter).filter((filter) => filter !== undefined),
      backends: {
        kind: distribution(
          context,
          rule.backendRefs,
          route.metadata.namespace,
          ({ ref, problem }) => ({
            filters: [
              ...ref.filters.map(grpcFilter).filter((filter) => filter !== undefined),
              ...(problem === undefined ? [] : [grpcFailure(problem)]),
            ],
          }),
        ),
      },
      allowL5dRequestHeaders: context.world.settings.allowL5dRequestHeaders,
      ...(times && { timeouts: times }),
      ...(retry && { retry }),
    })),
  };
}

export function tlsRoute(context: RouteContext, route: Resource<"TLSRoute">): TlsInit {
  return {
    metadata: metaOf(route),
    snis: route.spec.hostnames.map(hostMatch),
    rules: [streamRule(context, route)],
  };
}

export function tcpRoute(context: RouteContext, route: Resource<"TCPRoute">): OpaqueInit {
  return { metadata: metaOf(route), rules: [streamRule(context, route)] };
}

/** The route that takes all HTTP there is; with `denied`, to refuse it. */
export function defaultHttpRoute(context: RouteContext, name: string, denied = false): HttpInit {
  return {
    metadata: builtIn(name),
    rules: [
      {
        matches: [ANY_PATH],
        filters: denied ? [httpFailure(403, "traffic not allowed")] : [],
        backends: { kind: first(context, {}) },
        ...httpBehaviour(context.world, context.annotations),
      },
    ],
  };
}

/** The route of bytes that nobody looks into. */
export function defaultOpaqueRoute(
  context: RouteContext,
  name: string,
  denied = false,
): OpaqueInit {
  return { metadata: builtIn(name), rules: [defaultStreamRule(context, denied)] };
}

export function defaultTlsRoute(context: RouteContext, name: string, denied = false): TlsInit {
  return { metadata: builtIn(name), rules: [defaultStreamRule(context, denied)] };
}

/** A route that leads nowhere. */
export function forbiddenRoute(name: string): OpaqueInit {
  return {
    metadata: builtIn(name),
    rules: [
      {
        filters: [{ kind: { case: "forbidden", value: {} } }],
        backends: { kind: { case: "empty", value: {} } },
      },
    ],
  };
}

function defaultStreamRule(context: RouteContext, denied: boolean) {
  return {
    filters: denied ? [{ kind: { case: "forbidden" as const, value: {} } }] : [],
    backends: { kind: first(context, {}) },
  };
}

function streamRule(context: RouteContext, route: Resource<"TLSRoute"> | Resource<"TCPRoute">) {
  const refs = route.spec.rules[0]?.backendRefs ?? [];
  return {
    backends: {
      kind: distribution(context, refs, route.metadata.namespace, ({ problem }) => ({
        filters:
          problem === undefined
            ? []
            : [{ kind: { case: "invalid" as const, value: { message: problem } } }],
      })),
    },
  };
}

type Distribution<M> =
  | { case: "empty"; value: Record<never, never> }
  | { case: "firstAvailable"; value: { backends: ({ backend: BackendInit } & M)[] } }
  | {
      case: "randomAvailable";
      value: { backends: { weight: number; backend: { backend: BackendInit } & M }[] };
    };

// The backends of a rule; `more` adds to each what its protocol has. Without any, the origin itself.
function distribution<R extends Parameters<typeof routedBackends>[2][number], M extends object>(
  context: RouteContext,
  refs: readonly R[],
  namespace: string,
  more: (routed: { ref: R; problem: string | undefined }) => M,
): Distribution<M> {
  if (refs.length === 0) return first(context, {} as M);
  const routed = routedBackends(context.world, context.origin, refs, namespace);
  if (routed.length === 0) return { case: "empty", value: {} };
  const backends = routed.map(({ ref, backend, problem, weight }) => ({
    weight,
    backend: { backend, ...more({ ref, problem }) },
  }));
  return { case: "randomAvailable", value: { backends } };
}

function first<M extends object>({ world, origin }: RouteContext, more: M): Distribution<M> {
  const backends = [{ backend: originBackend(world, origin), ...more }];
  return { case: "firstAvailable", value: { backends } };
}

function httpBehaviour(
  { settings }: World,
  annotations: Annotations,
  requestMs?: number,
  attemptMs?: number,
  declared?: HttpRoute["spec"]["rules"][number]["retry"],
) {
  const retry = httpRetry(annotations, attemptMs, declared);
  const times = timeouts(annotations, requestMs);
  return {
    allowL5dRequestHeaders: settings.allowL5dRequestHeaders,
    // The older form of timeouts.request, for older proxies.
    ...(times && { timeouts: times, ...(times.request && { requestTimeout: times.request }) }),
    ...(retry && { retry }),
  };
}

function httpFailure(status: number, message: string) {
  return { kind: { case: "failureInjector" as const, value: { status, message } } };
}

const GRPC_INTERNAL = 13;

function grpcFailure(message: string) {
  return { kind: { case: "failureInjector" as const, value: { code: GRPC_INTERNAL, message } } };
}
