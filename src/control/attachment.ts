// Which routes hang on which parent. A route that names a service in its own namespace is the producer's and
// counts for every client; one in another namespace is the consumer's and counts, instead of the producer's,
// for clients of its namespace.

import type { Metadata, Resource } from "../platform/kinds.ts";
import type { World } from "./world.ts";
import { index } from "./world.ts";

export type RouteKind = "PolicyHTTPRoute" | "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute";

export const ROUTE_KINDS: readonly RouteKind[] = [
  "PolicyHTTPRoute",
  "HTTPRoute",
  "GRPCRoute",
  "TLSRoute",
  "TCPRoute",
];

export type ParentKind = "Service" | "EgressNetwork" | "Server";

/** What routes hang on. */
export type Parent = { readonly kind: ParentKind; readonly metadata: Metadata };

const GROUPS: Record<ParentKind, readonly string[]> = {
  Service: ["", "core"],
  EgressNetwork: ["policy.linkerd.io"],
  Server: ["policy.linkerd.io"],
};

/** A parent reference of a route. */
export type ParentRef = Resource<RouteKind>["spec"]["parentRefs"][number];

type Attached = { readonly route: Resource<RouteKind>; readonly ref: ParentRef };
type Port = { readonly port: number; readonly name?: string | undefined };

// Routes by kind and by "kind namespace/name" of what they hang on, in the order in which proxies try them.
const attachments = index(ROUTE_KINDS, (world) => {
  const byParent = new Map<string, Attached[]>();
  for (const kind of ROUTE_KINDS) {
    for (const route of [...world[kind].values()].sort(byAge)) {
      for (const ref of route.spec.parentRefs) {
        const parent = parentKindOf(ref);
        if (!parent) continue;
        const namespace = ref.namespace ?? route.metadata.namespace;
        const key = `${kind} ${parent} ${namespace}/${ref.name}`;
        const attached = byParent.get(key) ?? [];
        byParent.set(key, attached);
        attached.push({ route, ref });
      }
    }
  }
  return byParent;
});

/** The routes of a kind that name a parent, whatever their port, with the references by which they do, oldest first. */
export function routesNaming(
  world: World,
  kind: RouteKind,
  parentKind: ParentKind,
  parentKey: string,
): readonly Attached[] {
  return attachments(world).get(`${kind} ${parentKind} ${parentKey}`) ?? [];
}

/** The routes of some kinds on a port of a parent, for clients of a namespace, oldest first. */
export function routesOn<K extends RouteKind>(
  world: World,
  routeKinds: readonly K[],
  parent: Parent,
  port: number | undefined,
  clientNamespace: string,
): Resource<K>[] {
  const { namespace, name } = parent.metadata;
  const { ports } = world.Service.get(`${namespace}/${name}`)?.spec ?? {};
  const declared = ports?.find((each) => each.port === port && each.protocol === "TCP");
  const found = routeKinds
    .flatMap((kind) => routesNaming(world, kind, parent.kind, `${namespace}/${name}`))
    .filter(({ ref }) =>
      parent.kind === "Service" && declared
        ? names(ref, declared)
        : ref.port === undefined || ref.port === port,
    )
    .map(({ route }) => route)
    .sort(byAge) as Resource<K>[];
  const of = (ns: string): Resource<K>[] => found.filter((each) => each.metadata.namespace === ns);
  const consumer = clientNamespace === namespace ? [] : of(clientNamespace);
  return consumer.length > 0 ? consumer : of(namespace);
}

/** Whether a reference names a port of its service: by number, by its name as the section, by both, or all by neither. */
export function names(ref: ParentRef, { port, name }: Port): boolean {
  return (
    (ref.port === undefined || ref.port === port) &&
    (ref.sectionName === undefined || ref.sectionName === name)
  );
}

/** The kind that a reference names, when it is one that routes of a mesh hang on. */
export function parentKindOf({ group, kind }: ParentRef): ParentKind | undefined {
  const found = (Object.keys(GROUPS) as ParentKind[]).find((each) => each === kind);
  return found && GROUPS[found].includes(group) ? found : undefined;
}

/** Whether an object is older than another; those of one age go by name. */
export function byAge(a: { metadata: Metadata }, b: { metadata: Metadata }): number {
  return (
    a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
    keyed(a.metadata).localeCompare(keyed(b.metadata))
  );
}

const keyed = ({ namespace, name }: Metadata): string => `${namespace}/${name}`;
