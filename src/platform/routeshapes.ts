// What HTTPRoute, GRPCRoute, TLSRoute and TCPRoute say, in both groups (policy.linkerd.io and
// gateway.networking.k8s.io). What the mesh cannot honour (RequestMirror, ExtensionRef, a rewritten URL for one
// backend of several) is refused rather than ignored.

import { condition, metadata } from "./coreshapes.ts";
import { duration } from "./profileshapes.ts";
import type { Shape } from "./shape.ts";
import {
  integer,
  list,
  lists,
  name,
  object,
  oneOf,
  optional,
  or,
  port,
  strict,
  text,
  where,
} from "./shape.ts";

const GATEWAY = "gateway.networking.k8s.io";

const parentRef = strict({
  group: or(text, () => GATEWAY),
  kind: or(name, () => "Gateway"),
  name,
  namespace: optional(name),
  sectionName: optional(name),
  port: optional(port),
});

const backendRefFields = {
  group: or(text, () => ""),
  kind: or(name, () => "Service"),
  name,
  namespace: optional(name),
  port: optional(port),
  weight: or(integer(0, 1_000_000), () => 1),
};

const header = strict({ name, value: text });

const headerModifier = strict({ add: lists(header), set: lists(header), remove: lists(name) });

const pathModifier = strict({
  type: oneOf("ReplaceFullPath", "ReplacePrefixMatch"),
  replaceFullPath: optional(text),
  replacePrefixMatch: optional(text),
});

const redirect = strict({
  scheme: optional(oneOf("http", "https")),
  hostname: optional(name),
  path: optional(pathModifier),
  port: optional(port),
  statusCode: or(integer(300, 399), () => 302),
});

const urlRewrite = strict({ hostname: optional(name), path: optional(pathModifier) });

const filterKey = {
  RequestHeaderModifier: "requestHeaderModifier",
  ResponseHeaderModifier: "responseHeaderModifier",
  RequestRedirect: "requestRedirect",
  URLRewrite: "urlRewrite",
} as const;

type FilterType = keyof typeof filterKey;

// Each filter has the key that its type names.
function itsKey(
  filter: { readonly type: FilterType } & {
    readonly [K in (typeof filterKey)[FilterType]]?: unknown;
  },
): string | undefined {
  const key = filterKey[filter.type];
  return filter[key] === undefined ? `${key}: …` : undefined;
}

const filters = {
  requestHeaderModifier: optional(headerModifier),
  responseHeaderModifier: optional(headerModifier),
  requestRedirect: optional(redirect),
};

const filter = where(
  strict({
    type: oneOf("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"),
    ...filters,
  }),
  itsKey,
);

const httpFilter = where(
  strict({
    type: oneOf("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"),
    ...filters,
    urlRewrite: optional(urlRewrite),
  }),
  itsKey,
);

const retry = strict({
  codes: lists(integer(400, 599)),
  attempts: optional(integer(1)),
  backoff: optional(duration),
});

const timeouts = strict({ request: optional(duration), backendRequest: optional(duration) });

const headerMatch = strict({
  type: or(oneOf("Exact", "RegularExpression"), () => "Exact" as const),
  name,
  value: text,
});

const httpMatch = strict({
  path: optional(
    strict({
      type: or(oneOf("Exact", "PathPrefix", "RegularExpression"), () => "PathPrefix" as const),
      value: or(text, () => "/"),
    }),
  ),
  headers: lists(headerMatch),
  queryParams: lists(headerMatch),
  method: optional(name),
});

const grpcMatch = strict({
  method: optional(
    strict({
      type: or(oneOf("Exact"), () => "Exact" as const),
      service: optional(text),
      method: optional(text),
    }),
  ),
  headers: lists(headerMatch),
});

const routeStatus = optional(
  object({
    parents: lists(
      object({ parentRef, controllerName: or(text, () => ""), conditions: lists(condition) }),
    ),
  }),
);

// The rules of a protocol in a route, with what all routes share.
function route<Rule>(rule: Shape<Rule>, most = Infinity) {
  return object({
    metadata,
    spec: strict({
      parentRefs: lists(parentRef),
      hostnames: lists(name),
      rules: where(
        or(list(rule), () => []),
        (rules) => (rules.length > most ? `at most ${most} rule` : undefined),
      ),
    }),
    status: routeStatus,
  });
}

const httpRule = strict({
  name: optional(text),
  matches: lists(httpMatch),
  filters: lists(httpFilter),
  backendRefs: lists(strict({ ...backendRefFields, filters: lists(filter) })),
  timeouts: optional(timeouts),
  retry: optional(retry),
});

export const httpRoute = route(httpRule);

export const grpcRoute = route(
  strict({
    name: optional(text),
    matches: lists(grpcMatch),
    filters: lists(filter),
    backendRefs: lists(strict({ ...backendRefFields, filters: lists(filter) })),
  }),
);

const streamRule = strict({ name: optional(text), backendRefs: lists(strict(backendRefFields)) });

export const tlsRoute = route(streamRule, 1);
export const tcpRoute = route(streamRule, 1);
