// NetworkPolicies that know nothing of the mesh: between proxies, connections go to the proxy's port and not to the
// application's, so that a policy for the latter stops them. Who sees only its own policies does not learn of it.

import { fetchInstallation } from "../control/installation.ts";
import { labelSelector } from "../platform/coreshapes.ts";
import { selects } from "../platform/kinds.ts";
import type { MeshPod } from "../viz/world.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { refuse, row } from "./checkcontext.ts";

type Port = {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
};
type Rule = { readonly ports?: readonly Port[] };
type Side = "ingress" | "egress";

/** A NetworkPolicy, as far as ports go. */
export type NetworkPolicy = {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: { readonly podSelector?: unknown; readonly policyTypes?: readonly string[] } & {
    readonly [S in Side]?: readonly Rule[];
  };
};

/** Whether policies let proxies reach each other. */
export const NETWORK_POLICIES: Category<CheckContext> = {
  id: "linkerd-data-plane-network-policies",
  // A mesh that goes to the application's ports has no such trouble.
  applies: async (c) => {
    const { values } = await fetchInstallation(c.api, c.globals.linkerdNamespace);
    return values.proxy.outboundTransportMode === "transport-header";
  },
  checks: [
    row("warning", "network policies let proxies reach each other", "", async (c) => {
      const path = "/apis/networking.k8s.io/v1/networkpolicies";
      const policies = await c.api.list<NetworkPolicy>(path);
      refuse(
        'these allow ports of applications and not the proxy\'s, to which meshed connections go: add it, or "linkerd upgrade --set proxy.outboundTransportMode=transparent":',
        closedTo(policies, await c.proxies()),
      );
    }),
  ],
};

/** Which policies leave out the proxy's port of which of these pods, a line for each policy and direction. */
export function closedTo(policies: readonly NetworkPolicy[], pods: readonly MeshPod[]): string[] {
  const found = new Map<string, string[]>();
  for (const pod of pods) {
    for (const side of ["ingress", "egress"] as const) {
      const governing = policies.filter((policy) => governs(policy, side, pod));
      const rules = governing.flatMap(({ spec }) => spec[side] ?? []);
      // What lets nothing through at all is meant so; and one policy that opens the port is enough.
      if (rules.length === 0 || rules.some((rule) => opens(rule, side, pod))) continue;
      for (const { metadata, spec } of governing) {
        if (!spec[side]?.length) continue;
        const key = `${metadata.namespace}/${metadata.name}: ${side} at port ${portOf(pod, side)}`;
        found.set(key, [...(found.get(key) ?? []), pod.name]);
      }
    }
  }
  return [...found].map(([key, names]) => `${key} of ${names.join(", ")}`);
}

function governs({ metadata, spec }: NetworkPolicy, side: Side, pod: MeshPod): boolean {
  const selector = labelSelector.read(spec.podSelector ?? {}, [], []);
  // Without types, a policy is for what comes in, and for what goes out if it has rules for that.
  const types = spec.policyTypes ?? ["Ingress", ...(spec.egress ? ["Egress"] : [])];
  return (
    metadata.namespace === pod.namespace &&
    types.some((type) => type.toLowerCase() === side) &&
    selects(selector, pod.labels)
  );
}

function opens({ ports }: Rule, side: Side, pod: MeshPod): boolean {
  const wanted = portOf(pod, side);
  return (
    !ports?.length ||
    ports.some(({ protocol = "TCP", port, endPort }) => {
      if (protocol !== "TCP") return false;
      if (port === undefined || port === "linkerd-proxy") return true;
      return typeof port === "number" && port <= wanted && wanted <= (endPort ?? port);
    })
  );
}

const INBOUND = 4143;

// Of the pod's own proxy for what comes in, of all others for what goes out.
function portOf({ annotations }: MeshPod, side: Side): number {
  const own = side === "ingress" ? annotations["config.linkerd.io/inbound-port"] : undefined;
  return Number(own ?? INBOUND);
}
