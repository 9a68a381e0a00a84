// The verb `linkerd authz`: which policies decide who may call a resource, on which of its servers and routes.

import { Fault } from "../base/fault.ts";
import { combine } from "../base/watch.ts";
import type { LabelSelector, Resource } from "../platform/kinds.ts";
import { selects } from "../platform/kinds.ts";
import type { ResourceMap, Resources } from "../platform/resources.ts";
import { order } from "../viz/stat.ts";
import type { MeshPod } from "../viz/world.ts";
import { isWanted, podsOf, thingsOf } from "../viz/world.ts";
import { command } from "./command.ts";
import { findMesh } from "./mesh.ts";
import { left, printListing } from "./table.ts";
import { namespace, namespaceOf, oneResource } from "./vizflags.ts";

export type Authorization = {
  /** "" for all routes of the server. */
  readonly route: string;
  readonly server: string;
  readonly policy: string;
  /** The older kind, ServerAuthorization. */
  readonly serverAuthorization: string;
};

type Kinds = readonly [
  ResourceMap<"Server">,
  ResourceMap<"AuthorizationPolicy">,
  ResourceMap<"ServerAuthorization">,
  ResourceMap<"PolicyHTTPRoute">,
  ResourceMap<"HTTPRoute">,
];

export const authorizations = command({
  name: "authz",
  summary: "List the authorizations of a resource",
  usage: "RESOURCE",
  examples: [["Who may call web", "authz deploy/web -n test"]],
  args: [1, 2],
  offers: "resource",
  flags: { namespace },
  run: async ({ args, flags, globals, terminal }) => {
    const { kind, name } = oneResource(args, "authz");
    const mesh = await findMesh(globals, terminal.env);
    const wanted = { namespace: namespaceOf(flags, mesh), name };
    const world = await mesh.world();
    const things = thingsOf(world, kind).filter((thing) => isWanted(thing, wanted));
    if (name !== "" && things.length === 0)
      throw new Fault("not-found", `there is no ${args.join(" ")} in ${wanted.namespace}`);
    const pods = things.flatMap((thing) => podsOf(world, thing));
    terminal.print(printAuthorizations(listAuthorizations(await policiesOf(mesh.resources), pods)));
  },
});

async function policiesOf(resources: Resources): Promise<Kinds> {
  return combine<Kinds>([
    resources.watch("Server"),
    resources.watch("AuthorizationPolicy"),
    resources.watch("ServerAuthorization"),
    resources.watch("PolicyHTTPRoute"),
    resources.watch("HTTPRoute"),
  ]).next();
}

/** What authorizes callers of `pods`, in order of server and route. */
export function listAuthorizations(kinds: Kinds, pods: readonly MeshPod[]): Authorization[] {
  const [servers, policies, older, ...routeKinds] = kinds;
  const routes = routeKinds.flatMap((map) => [...map.values()]);
  const found: Authorization[] = [];
  for (const { metadata, spec } of servers.values()) {
    const isMine = pods.some(
      ({ namespace: ns, labels }) =>
        ns === metadata.namespace &&
        spec.podSelector &&
        selects(spec.podSelector as LabelSelector, labels),
    );
    if (!isMine) continue;
    const { name: server, namespace: ns } = metadata;
    for (const policy of policies.values()) {
      if (policy.metadata.namespace !== ns) continue;
      for (const route of routesHit(policy, server, ns, routes)) {
        found.push({ route, server, policy: policy.metadata.name, serverAuthorization: "" });
      }
    }
    for (const { metadata: own, spec: rule } of older.values()) {
      const { name, selector } = rule.server;
      const hits = selector ? selects(selector as LabelSelector, metadata.labels) : name === server;
      if (own.namespace === ns && hits) {
        found.push({ route: "", server, policy: "", serverAuthorization: own.name });
      }
    }
  }
  return found.sort(
    (a, b) => order(a.server, b.server) || order(a.route, b.route) || order(a.policy, b.policy),
  );
}

type Route = Resource<"HTTPRoute" | "PolicyHTTPRoute">;

// The routes of a server that a policy is about; "" stands for all of them.
function routesHit(
  { spec: { targetRef } }: Resource<"AuthorizationPolicy">,
  server: string,
  namespace: string,
  routes: readonly Route[],
): string[] {
  if (targetRef.kind === "Namespace") return [""];
  if (targetRef.kind === "Server") return targetRef.name === server ? [""] : [];
  return routes
    .filter(
      ({ metadata, spec }) =>
        metadata.namespace === namespace &&
        metadata.name === targetRef.name &&
        spec.parentRefs.some((parent) => parent.kind === "Server" && parent.name === server),
    )
    .map(({ metadata }) => metadata.name);
}

export function printAuthorizations(rows: readonly Authorization[]): string {
  return printListing(
    [
      left<Authorization>("ROUTE", ({ route }) => route || "*"),
      left<Authorization>("SERVER", ({ server }) => server),
      left<Authorization>("AUTHORIZATION_POLICY", ({ policy }) => policy),
      left<Authorization>("SERVER_AUTHORIZATION", ({ serverAuthorization }) => serverAuthorization),
    ],
    rows,
  );
}
