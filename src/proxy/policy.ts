// What the control plane tells a sidecar, in our own plain values: how to reach a destination and who may
// reach a port. The wire messages are translated to these once (outboundpolicy.ts, inboundpolicy.ts,
// profile.ts); nothing behind that line knows protobuf.

import type { BudgetOptions } from "../base/budget.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { Authorization } from "../stack/authorize.ts";
import type { RateLimit } from "../stack/ratelimit.ts";
import type { RouteFilter } from "../stack/rewrite.ts";
import type { Accrual } from "../stack/breaker.ts";
import type { Load } from "../stack/latency.ts";
import type { RetryPolicy } from "../stack/retry.ts";
import type { HostMatch, HttpMatch } from "../stack/route.ts";
import type { Timeouts } from "../stack/timeout.ts";
import type { Formula } from "./formula.ts";

/** Which resource a policy, route or backend comes from. Built-in ones have kind `default` and no group. */
export type Meta = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly section: string;
  readonly port: number;
};

// --- Outbound.

/** One address of a destination, with what the control plane knows of it. */
export type Address = SocketAddr & {
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  /** The identity that its sidecar has to prove, and the server name to ask for; undefined: no TLS. */
  readonly tls: { readonly id: string; readonly serverName: string } | undefined;
  readonly hint: "h2" | "opaque" | undefined;
  /** The port of its sidecar to dial in place of its own, with a transport header. */
  readonly transportPort: number | undefined;
  /** The authority that a gateway routes by. */
  readonly authority: string | undefined;
  /** PINGs on its HTTP/2 connection. */
  readonly keepAlive: { readonly intervalMs: number; readonly timeoutMs: number } | undefined;
};

/** All addresses of a destination; `exists` false when the control plane knows no such destination. */
export type AddressSet = {
  readonly exists: boolean;
  readonly addresses: ReadonlyMap<string, Address>;
};

/** What a balancer goes by: latencies, requests under way, or whose turn it is. */
export type Balancing = Load | "outstanding" | "in-turn";

export type Backend = {
  readonly meta: Meta;
  readonly queue: { readonly capacity: number; readonly failfastMs: number };
  readonly to:
    | { readonly kind: "balance"; readonly path: string; readonly load: Balancing }
    | { readonly kind: "forward"; readonly address: Address }
    | { readonly kind: "none" };
};

export type RouteBackend = {
  readonly backend: Backend;
  readonly weight: number;
  readonly filters: readonly RouteFilter[];
};

/** `first`: the first backend that is ready; `random`: any ready one, by weight; `empty`: none at all. */
export type Distribution = {
  readonly kind: "first" | "random" | "empty";
  readonly backends: readonly RouteBackend[];
};

export type HttpRule = {
  readonly matches: readonly HttpMatch[];
  readonly filters: readonly RouteFilter[];
  readonly to: Distribution;
  readonly timeouts: Timeouts;
  readonly retry: RetryPolicy | undefined;
  /** Whether l5d-retry-* and l5d-timeout of a request are obeyed; they are stripped in any case. */
  readonly obeysHeaders: boolean;
  /** The route of a ServiceProfile, when it comes from one. */
  readonly profile: ProfileRule | undefined;
};

export type ProfileRule = {
  /** The destination that the profile is for, `name.namespace.svc.domain:port`. */
  readonly dst: string;
  /** Which requests it is for: profiles match in ways that routes cannot. */
  readonly wants: RequestMatch;
  readonly labels: Readonly<Record<string, string>>;
  readonly retryable: boolean;
  readonly classes: readonly { readonly match: ResponseMatch; readonly failure: boolean }[];
  readonly budget: BudgetOptions;
};

export type ResponseMatch = Formula<{ readonly from: number; readonly to: number }>;

export type HttpRoute = {
  readonly meta: Meta;
  readonly hosts: readonly HostMatch[];
  readonly rules: readonly HttpRule[];
};

export type HttpRoutes = {
  readonly routes: readonly HttpRoute[];
  readonly accrual: Accrual | undefined;
};

export type TcpRoute = {
  readonly meta: Meta;
  /** Server names, for TLS routes; empty: any. */
  readonly snis: readonly HostMatch[];
  readonly filters: readonly RouteFilter[];
  readonly to: Distribution;
};

export type OutboundProtocol =
  | { readonly kind: "opaque"; readonly opaque: readonly TcpRoute[] }
  | { readonly kind: "tls"; readonly tls: readonly TcpRoute[] }
  | { readonly kind: "http1" | "http2" | "grpc"; readonly http: HttpRoutes }
  | {
      readonly kind: "detect";
      readonly timeoutMs: number;
      readonly opaque: readonly TcpRoute[];
      readonly http1: HttpRoutes;
      readonly http2: HttpRoutes;
    };

export type OutboundPolicy = { readonly meta: Meta; readonly protocol: OutboundProtocol };

/** The field by which a sidecar tells another one which service, by its profile, a request is for. */
export const CANONICAL = "l5d-dst-canonical";

/** What GetProfile says of a destination. */
export type Profile = {
  /** The name of the service; "" for an address without one. */
  readonly name: string;
  readonly opaque: boolean;
  readonly parent: Meta | undefined;
  readonly endpoint: Address | undefined;
  readonly routes: readonly {
    readonly rule: ProfileRule;
    readonly timeoutMs: number | undefined;
  }[];
  readonly overrides: readonly {
    readonly path: string;
    readonly weight: number;
    readonly meta: Meta | undefined;
  }[];
};

/** A path as a whole, or a method. */
export type RequestMatch = Formula<RegExp | string | undefined>;

// --- Inbound.

export type Authz = Authorization & { readonly meta: Meta };

export type InboundRule = {
  readonly matches: readonly HttpMatch[];
  readonly filters: readonly RouteFilter[];
};

export type InboundRoute = {
  readonly meta: Meta;
  readonly hosts: readonly HostMatch[];
  readonly authorizations: readonly Authz[];
  readonly rules: readonly InboundRule[];
};

export type ServerRateLimit = RateLimit & { readonly meta: Meta };

export type InboundProtocol = {
  readonly kind: "detect" | "http1" | "http2" | "grpc" | "opaque" | "tls";
  readonly detectMs: number;
  readonly routes: readonly InboundRoute[];
  readonly rateLimit: ServerRateLimit | undefined;
};

/** Who may reach a port of the workload, and what is spoken there. */
export type InboundPolicy = {
  readonly meta: Meta;
  readonly protocol: InboundProtocol;
  readonly authorizations: readonly Authz[];
};

/** The name of something built in. */
export function builtIn(name: string): Meta {
  return { group: "", kind: "default", namespace: "", name, section: "", port: 0 };
}
