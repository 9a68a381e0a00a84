// What makes a policy resource or a service profile wrong: its shape (keys, types, choices), and the rules that no
// shape can say, as a table by kind. All mistakes are named at once.

import { covers, parseCidr } from "../platform/cidr.ts";
import { parseGoDuration } from "../platform/quantity.ts";
import type { Kind, Resource } from "../platform/kinds.ts";
import { KINDS, kindOf } from "../platform/kinds.ts";
import type { Mistake } from "../platform/shape.ts";
import type { ResponseMatch } from "../platform/profileshapes.ts";
import { parentKindOf, ROUTE_KINDS, type ParentRef, type RouteKind } from "./attachment.ts";
import type { RawObject } from "./manifest.ts";

type Rules = {
  readonly [K in Kind]?: (resource: Resource<K>, raw: RawObject) => readonly string[];
};

const unless = (isRight: unknown, mistake: string): string[] => (isRight ? [] : [mistake]);

type Network = { readonly cidr: string; readonly except?: readonly string[] };

function networks(list: readonly Network[]): string[] {
  return list.flatMap(({ cidr, except = [] }) => {
    const range = parseCidr(cidr)!;
    return except.flatMap((text) => {
      const hole = parseCidr(text)!;
      return covers(hole, range)
        ? [`except ${text} leaves nothing of ${cidr}`]
        : unless(covers(range, hole), `except ${text} is not inside ${cidr}`);
    });
  });
}

type Route = Resource<RouteKind>;
type Timeouts = { readonly request?: string; readonly backendRequest?: string };

function routes({ spec }: Route): string[] {
  return [
    ...spec.parentRefs.flatMap((ref) =>
      unless(
        parentKindOf(ref) !== "EgressNetwork" || ref.port !== undefined,
        `the parent EgressNetwork ${ref.name} needs a port`,
      ),
    ),
    ...spec.rules.flatMap((rule) => [
      ...rule.backendRefs.flatMap(({ group, kind, name, port }) =>
        unless(
          port !== undefined || kind !== "Service" || !["", "core"].includes(group),
          `the backend Service ${name} needs a port`,
        ),
      ),
      ...timeouts((rule as { timeouts?: Timeouts }).timeouts),
    ]),
  ];
}

// On the wire their rules have no others.
function grpcFilters({ spec }: Resource<"GRPCRoute">): string[] {
  return spec.rules
    .flatMap((rule) => [rule, ...rule.backendRefs])
    .flatMap(({ filters }) => filters)
    .filter(({ type }) => type !== "RequestHeaderModifier")
    .map(({ type }) => `a GRPCRoute can have the filter RequestHeaderModifier, not ${type}`);
}

function timeouts({ request, backendRequest }: Timeouts = {}): string[] {
  const [whole, each] = [request, backendRequest].map((text) => parseGoDuration(text ?? "0s")!);
  return unless(
    !whole || each! <= whole,
    `timeouts: backendRequest (${backendRequest}) is longer than request (${request})`,
  );
}

// "*" for everybody, "*.ns.example" for all below it, or one name.
const isIdentity = (name: string): boolean =>
  name === "*" || !name.replace(/^\*\./, "").includes("*");

function responses({ status, all, any, not }: ResponseMatch): string[] {
  const { min = 100, max = 599 } = status ?? {};
  return [
    ...unless(min <= max, `status: min ${min} is above max ${max}`),
    ...[...(all ?? []), ...(any ?? []), ...(not ? [not] : [])].flatMap(responses),
  ];
}

const RULES: Rules = {
  ...(Object.fromEntries(ROUTE_KINDS.map((kind) => [kind, routes])) as Pick<Rules, RouteKind>),
  GRPCRoute: (route) => [...routes(route), ...grpcFilters(route)],
  MeshTLSAuthentication: ({ spec }) => [
    ...spec.identities.flatMap((name) =>
      unless(
        isIdentity(name),
        `identities: ${name} has a * elsewhere than in front, as in "*.example"`,
      ),
    ),
    ...spec.identityRefs.flatMap(({ kind, namespace }) =>
      unless(kind !== "Namespace" || namespace === undefined, "a Namespace is in no namespace"),
    ),
  ],
  ServiceProfile: ({ spec }) =>
    spec.routes.flatMap(({ name, responseClasses }) =>
      responseClasses
        .flatMap(({ condition }) => responses(condition))
        .map((mistake) => `route ${name}: ${mistake}`),
    ),
  AuthorizationPolicy: ({ metadata, spec }) => {
    const target = spec.targetRef as { kind: string; name: string; namespace?: string };
    return [
      ...unless(
        target.namespace === undefined || target.namespace === metadata.namespace,
        "the target must be in the policy's own namespace",
      ),
      ...unless(
        target.kind !== "Namespace" || target.name === metadata.namespace,
        "a policy for a namespace must be for its own",
      ),
    ];
  },
  NetworkAuthentication: ({ spec }) => networks(spec.networks),
  EgressNetwork: ({ spec }) => networks(spec.networks ?? []),
  ServerAuthorization: ({ spec }) => {
    const { client } = spec as { client: { networks?: readonly Network[] } };
    return networks(client.networks ?? []);
  },
};

/** What is wrong with an object, a sentence each; nothing for kinds that we do not read. */
export function mistakesOf(object: RawObject): string[] {
  const kind = kindOf(object.apiVersion ?? "", object.kind ?? "");
  if (!kind || !isOurs(kind, object)) return [];
  const found: Mistake[] = [];
  const resource = {
    apiVersion: object.apiVersion,
    kind: object.kind,
    ...(KINDS[kind].shape.read(object, [], found) as object),
  };
  if (found.length > 0)
    return found.map(
      ({ path, value, wanted }) =>
        `${path.join(".")}: expected ${wanted}${value === undefined ? "" : `, not ${JSON.stringify(value)}`}`,
    );
  const rule = RULES[kind] as
    | ((resource: unknown, raw: RawObject) => readonly string[])
    | undefined;
  return [...(rule?.(resource, object) ?? [])];
}

// Other controllers have routes too, for gateways of theirs and with filters that only they know.
function isOurs(kind: Kind, { spec }: RawObject): boolean {
  if (!(ROUTE_KINDS as readonly Kind[]).includes(kind)) return true;
  const { parentRefs } = (spec ?? {}) as { parentRefs?: readonly Partial<ParentRef>[] };
  if (!Array.isArray(parentRefs) || parentRefs.length === 0) return true;
  return parentRefs.some(
    ({ group = "gateway.networking.k8s.io", kind: parent = "Gateway", name = "" }) =>
      parentKindOf({ group, kind: parent, name } as ParentRef) !== undefined,
  );
}
