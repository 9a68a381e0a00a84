// Who may call a port or a route: default policies, AuthorizationPolicies with what they refer to, and
// ServerAuthorizations, all as the wire's one form (networks and an authentication).

import type { AuthnSchema, AuthzSchema } from "../../proto/gen/inbound_pb.js";
import type { IPNetworkSchema } from "../../proto/gen/net_pb.js";
import type { Cidr } from "../platform/cidr.ts";
import { parseCidr } from "../platform/cidr.ts";
import type { LabelSelector, Metadata, Resource } from "../platform/kinds.ts";
import { selects } from "../platform/kinds.ts";
import type { AccessPolicy } from "../platform/policyshapes.ts";
import { identityOf } from "../platform/sidecar.ts";
import { printIp } from "../proxy/fromproto.ts";
import { byAge } from "./attachment.ts";
import type { Init } from "./init.ts";
import { builtIn, resource } from "./meta.ts";
import type { World } from "./world.ts";

export type AuthzInit = Init<typeof AuthzSchema>;
type AuthnInit = Init<typeof AuthnSchema>;
type Policy = Resource<"AuthorizationPolicy">;
type Network = { readonly cidr: string; readonly except: readonly string[] };

const POLICY = "policy.linkerd.io";
const ANY_NETWORK = [parseCidr("0.0.0.0/0")!, parseCidr("::/0")!];

const UNAUTHENTICATED: AuthnInit = { permit: { case: "unauthenticated", value: {} } };
const ANY_IDENTITY = meshTls([{ parts: [] }], []);

/** What a default policy allows; nothing for `deny`. */
export function defaultAuthorizations(world: World, policy: AccessPolicy): AuthzInit[] {
  if (policy === "deny") return [];
  const cluster = policy.startsWith("cluster-");
  const authenticated = policy.endsWith("-authenticated");
  return [
    {
      metadata: builtIn(policy),
      labels: { group: "", kind: "default", name: policy },
      networks: networksOf(cluster ? world.settings.clusterNetworks : ANY_NETWORK),
      authentication: authenticated ? ANY_IDENTITY : UNAUTHENTICATED,
    },
  ];
}

/** What a kubelet's probes are allowed. */
export function probeAuthorization({ settings }: World): AuthzInit {
  return {
    metadata: builtIn("probe"),
    labels: { group: "", kind: "default", name: "probe" },
    networks: networksOf(settings.probeNetworks),
    authentication: UNAUTHENTICATED,
  };
}

/** What applies to a Server: by name, by its labels, by its namespace, and its own access policy. */
export function serverAuthorizations(world: World, server: Resource<"Server">): AuthzInit[] {
  const { name, namespace } = server.metadata;
  const policies = policiesOn(world, namespace, ({ kind, name: target }) => {
    return (kind === "Server" && target === name) || (kind === "Namespace" && target === namespace);
  });
  const older = [...world.ServerAuthorization.values()]
    .filter(({ metadata, spec }) => {
      if (metadata.namespace !== namespace) return false;
      return spec.server.selector
        ? selects(spec.server.selector as LabelSelector, server.metadata.labels)
        : spec.server.name === name;
    })
    .sort(byAge)
    .map((each) => serverAuthorization(world, each));
  return [...older, ...policies, ...defaultAuthorizations(world, server.spec.accessPolicy)];
}

/** What applies to one route only. */
export function routeAuthorizations(
  world: World,
  route: Resource<"HTTPRoute" | "PolicyHTTPRoute" | "GRPCRoute">,
): AuthzInit[] {
  const group = route.apiVersion.split("/")[0]!;
  return policiesOn(world, route.metadata.namespace, (target) => {
    return (
      target.kind === route.kind && target.name === route.metadata.name && target.group === group
    );
  });
}

/** One address range on the wire. */
function ipNetwork(range: Cidr): Init<typeof IPNetworkSchema> {
  return { ip: printIp(range), prefixLen: range.bits };
}

function policiesOn(
  world: World,
  namespace: string,
  hits: (target: Policy["spec"]["targetRef"]) => boolean,
): AuthzInit[] {
  return [...world.AuthorizationPolicy.values()]
    .filter(({ metadata, spec }) => metadata.namespace === namespace && hits(spec.targetRef))
    .sort(byAge)
    .map((policy) => authorizationPolicy(world, policy))
    .filter((authz) => authz !== undefined);
}

// Undefined when what it refers to is not there: who it would let in is not known, so it lets nobody in.
function authorizationPolicy(world: World, { metadata, spec }: Policy): AuthzInit | undefined {
  let networks = networksOf(ANY_NETWORK);
  let authentication = UNAUTHENTICATED;
  for (const ref of spec.requiredAuthenticationRefs) {
    const namespace = ref.namespace ?? metadata.namespace;
    const key = `${namespace}/${ref.name}`;
    switch (ref.kind) {
      case "NetworkAuthentication": {
        const found = world.NetworkAuthentication.get(key);
        if (!found) return undefined;
        networks = found.spec.networks.map(networkOf);
        break;
      }
      case "MeshTLSAuthentication": {
        const found = world.MeshTLSAuthentication.get(key);
        if (!found) return undefined;
        authentication = identities(meshIdentities(world, found));
        break;
      }
      case "ServiceAccount":
        authentication = identities([identityOf(ref.name, namespace, world.settings)]);
        break;
    }
  }
  return { ...titles(metadata, "authorizationpolicy"), networks, authentication };
}

function serverAuthorization(
  world: World,
  { metadata, spec }: Resource<"ServerAuthorization">,
): AuthzInit {
  const { client } = spec;
  const names = [
    ...(client.meshTLS?.identities ?? []),
    ...(client.meshTLS?.serviceAccounts ?? []).map(({ name, namespace }) =>
      identityOf(name, namespace ?? metadata.namespace, world.settings),
    ),
  ];
  return {
    ...titles(metadata, "serverauthorization"),
    networks: client.networks ? client.networks.map(networkOf) : networksOf(ANY_NETWORK),
    authentication: client.unauthenticated
      ? UNAUTHENTICATED
      : client.meshTLS?.unauthenticatedTLS
        ? {
            permit: { case: "meshTLS", value: { clients: { case: "unauthenticated", value: {} } } },
          }
        : identities(names),
  };
}

function meshIdentities({ settings }: World, authn: Resource<"MeshTLSAuthentication">): string[] {
  const { identities: names, identityRefs } = authn.spec;
  const referred = identityRefs.map(({ kind, name, namespace }) =>
    kind === "Namespace"
      ? identityOf("*", name, settings)
      : identityOf(name, namespace ?? authn.metadata.namespace, settings),
  );
  return [...names, ...referred];
}

// "*" is anybody with an identity, "*.a.b" whoever's name ends so.
function identities(names: readonly string[]): AuthnInit {
  const globs = names.filter((name) => name === "*" || name.startsWith("*."));
  return meshTls(
    globs.map((glob) => ({ parts: glob === "*" ? [] : glob.slice(2).split(".") })),
    names.filter((name) => !globs.includes(name)),
  );
}

function meshTls(suffixes: { parts: string[] }[], names: readonly string[]): AuthnInit {
  const value = { identities: names.map((name) => ({ name })), suffixes };
  return { permit: { case: "meshTLS", value: { clients: { case: "identities", value } } } };
}

function networkOf({ cidr, except }: Network) {
  return {
    net: ipNetwork(parseCidr(cidr)!),
    except: except.map((each) => ipNetwork(parseCidr(each)!)),
  };
}

const networksOf = (ranges: readonly Cidr[]) => ranges.map((range) => ({ net: ipNetwork(range) }));

function titles({ name, namespace }: Metadata, kind: string) {
  return {
    metadata: resource(POLICY, kind, name, namespace),
    labels: { group: POLICY, kind, name },
  };
}
