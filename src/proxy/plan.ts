// One outbound policy from the two things that the control plane says of a destination: its client policy
// and its profile. The order of precedence is linkerd2-proxy's; all of it is pure, so every case is a test.

import { exponential } from "../base/backoff.ts";
import { DEFAULT_BUDGET } from "../base/budget.ts";
import { isGrpcFailure } from "../stack/classify.ts";
import type { RetryPolicy } from "../stack/retry.ts";
import { DEFAULT_LOAD } from "../stack/latency.ts";
import {
  builtIn,
  CANONICAL,
  type Address,
  type Backend,
  type Distribution,
  type HttpRoutes,
  type HttpRule,
  type Meta,
  type OutboundPolicy,
  type OutboundProtocol,
  type Profile,
  type ProfileRule,
  type TcpRoute,
} from "./policy.ts";
import type { SocketAddr } from "../io/conn.ts";
import { printAddr } from "../stack/normalize.ts";
import { compileClasses } from "./profile.ts";

/** What a plan takes where the control plane gives no value of its own. */
export type PlanDefaults = {
  readonly queue: Backend["queue"];
  readonly detectMs: number;
};

/** How to reach `original`. `policy` and `profile` are undefined when the control plane has none. */
export function planFor(
  original: SocketAddr,
  policy: OutboundPolicy | undefined,
  profile: Profile | undefined,
  defaults: PlanDefaults,
): OutboundPolicy {
  if (profile?.opaque) {
    const opaque = (policy && opaqueOf(policy.protocol)) ?? [
      tcpRoute(backendOf(original, profile, defaults)),
    ];
    return { meta: policy?.meta ?? metaOf(profile), protocol: { kind: "opaque", opaque } };
  }
  if (profile && (profile.routes.length > 0 || profile.overrides.length > 0)) {
    return profilePlan(original, profile, policy, defaults);
  }
  if (policy) return policy;
  const backend = backendOf(original, profile, defaults);
  return { meta: backend.meta, protocol: detect(backend, defaults) };
}

/** An address of which only the address is known. */
export function bareAddress({ ip, port }: SocketAddr): Address {
  return {
    ip,
    port,
    weight: 10_000,
    labels: {},
    tls: undefined,
    hint: undefined,
    transportPort: undefined,
    authority: undefined,
    keepAlive: undefined,
  };
}

function profilePlan(
  original: SocketAddr,
  profile: Profile,
  policy: OutboundPolicy | undefined,
  defaults: PlanDefaults,
): OutboundPolicy {
  const meta = metaOf(profile);
  const to: Distribution = profile.overrides.length
    ? {
        kind: "random",
        backends: profile.overrides.map(({ path, weight, meta: own }) => ({
          backend: balanced(path, own ?? namedMeta(path), defaults),
          weight,
          filters: [],
        })),
      }
    : first(backendOf(original, profile, defaults));
  const dst = `${profile.name}:${original.port}`;
  // The other side's sidecar counts by the same profile.
  const edits = { add: [], set: [[CANONICAL, dst]], remove: [] } as const;
  const rule = (own: ProfileRule, requestMs?: number): HttpRule => ({
    ...PLAIN_RULE,
    filters: [{ kind: "request-headers", edits }],
    to,
    timeouts: { requestMs },
    retry: own.retryable ? profileRetry(own) : undefined,
    profile: { ...own, dst },
  });
  const rules = profile.routes.map((route) => rule(route.rule, route.timeoutMs));
  // The accrual of the policy is kept: it belongs to the service and not to its routes.
  const accrual = policy?.protocol.kind === "detect" ? policy.protocol.http1.accrual : undefined;
  const http: HttpRoutes = {
    routes: [{ meta, hosts: [], rules: [...rules, rule(ANY_REQUEST)] }],
    accrual,
  };
  const opaque = [{ meta, snis: [], filters: [], to }];
  const timeoutMs = defaults.detectMs;
  return { meta, protocol: { kind: "detect", timeoutMs, opaque, http1: http, http2: http } };
}

function opaqueOf(protocol: OutboundProtocol): readonly TcpRoute[] | undefined {
  return protocol.kind === "opaque" || protocol.kind === "detect" ? protocol.opaque : undefined;
}

function backendOf(
  original: SocketAddr,
  profile: Profile | undefined,
  defaults: PlanDefaults,
): Backend {
  if (profile?.endpoint) {
    const to = { kind: "forward", address: profile.endpoint } as const;
    return { meta: builtIn("endpoint"), queue: defaults.queue, to };
  }
  if (profile?.name) {
    return balanced(`${profile.name}:${original.port}`, metaOf(profile), defaults);
  }
  const to = { kind: "forward", address: bareAddress(original) } as const;
  return { meta: builtIn("fallback"), queue: defaults.queue, to };
}

function detect(backend: Backend, { detectMs }: PlanDefaults): OutboundProtocol {
  const rule: HttpRule = { ...PLAIN_RULE, to: first(backend) };
  const routes = [{ meta: builtIn("http"), hosts: [], rules: [rule] }];
  const http = { routes, accrual: undefined };
  return {
    kind: "detect",
    timeoutMs: detectMs,
    opaque: [tcpRoute(backend)],
    http1: http,
    http2: http,
  };
}

const PLAIN_RULE = {
  matches: [],
  filters: [],
  timeouts: {},
  retry: undefined,
  obeysHeaders: false,
  profile: undefined,
};

// A retryable route is tried again for as long as its budget pays, within reason: who calls what is down for good hears
// of it in a third of a second.
const PROFILE_RETRIES = 8;

function profileRetry(rule: ProfileRule): RetryPolicy {
  const classes = compileClasses(rule);
  return {
    limit: PROFILE_RETRIES,
    maxBodyBytes: 65_536,
    statuses: [],
    grpcStatuses: [],
    attemptMs: undefined,
    backoff: exponential(5, 50, 1),
    decides: (_, { status }, grpcStatus) =>
      classes.find(({ match }) => match(status))?.failure ??
      (status >= 500 || isGrpcFailure(grpcStatus ?? 0)),
  };
}

// What no route of a profile is for.
const ANY_REQUEST: ProfileRule = {
  dst: "",
  wants: { kind: "all", of: [] },
  labels: {},
  retryable: false,
  classes: [],
  budget: DEFAULT_BUDGET,
};

function tcpRoute(backend: Backend): TcpRoute {
  return { meta: builtIn("opaq"), snis: [], filters: [], to: first(backend) };
}

function first(backend: Backend): Distribution {
  return { kind: "first", backends: [{ backend, weight: 1, filters: [] }] };
}

function balanced(path: string, meta: Meta, { queue }: PlanDefaults): Backend {
  return { meta, queue, to: { kind: "balance", path, load: DEFAULT_LOAD } };
}

function metaOf(profile: Profile): Meta {
  if (profile.parent) return profile.parent;
  return profile.endpoint
    ? builtIn(printAddr(profile.endpoint))
    : namedMeta(profile.name || "profile");
}

// `name.namespace.svc.…[:port]`, as authorities of services are.
function namedMeta(authority: string): Meta {
  const [host = "", port = "0"] = authority.split(":");
  const [name = "", namespace = "", svc] = host.split(".");
  return svc === "svc"
    ? { group: "core", kind: "Service", namespace, name, section: "", port: Number(port) }
    : builtIn(authority);
}
