// The answer of `viz edges`: which workloads hold connections to which, and whether both sides know each other (mutual TLS).

import type { Metrics } from "./metrics.ts";
import { PRESENT } from "./metrics.ts";
import { order } from "./stat.ts";
import { groupLabels } from "./traffic.ts";
import { type Named, namedIn, type World } from "./world.ts";

export type Edge = {
  readonly src: Named;
  readonly dst: Named;
  /** Identities as in certificates ("web.emojivoto.serviceaccount.identity.linkerd.cluster.local"); "" for none. */
  readonly clientId: string;
  readonly serverId: string;
  /** Why it is not mutual TLS; "" when it is. */
  readonly noTlsReason: string;
};

/** The edges between resources of a kind that start or end in `namespace` ("" for any). */
export async function edges(
  world: World,
  metrics: Metrics,
  kind: string,
  namespace: string,
): Promise<Edge[]> {
  const own = groupLabels(kind, "");
  const other = groupLabels(kind, "dst_");
  const match = {
    direction: "outbound",
    ...Object.fromEntries([...own, ...other].map((label) => [label, PRESENT])),
  };
  const by = [
    ...new Set([
      ...own,
      ...other,
      "namespace",
      "dst_namespace",
      "pod",
      "server_id",
      "tls",
      "no_tls_reason",
    ]),
  ];
  const found = new Map<string, Edge>();
  for (const { labels } of await metrics.latest("tcp_open_connections", match, by)) {
    const { namespace: from = "", dst_namespace: to = "" } = labels;
    if (namespace !== "" && from !== namespace && to !== namespace) continue;
    const src = namedIn(from, { kind, name: labels[own.at(-1)!]! });
    const dst = namedIn(to, { kind, name: labels[other.at(-1)!]! });
    const serverId = labels["server_id"]!;
    const isMutual = labels["tls"] === "true";
    const edge: Edge = {
      src,
      dst,
      clientId: isMutual ? clientIdentity(world, from, labels["pod"]!, serverId) : "",
      serverId,
      noTlsReason: isMutual ? "" : labels["no_tls_reason"] || labels["tls"] || "unknown",
    };
    found.set(JSON.stringify(edge), edge);
  }
  return [...found.values()].sort(
    (a, b) =>
      order(a.src.namespace, b.src.namespace) ||
      order(a.dst.namespace, b.dst.namespace) ||
      order(a.src.name, b.src.name) ||
      order(a.dst.name, b.dst.name),
  );
}

// A proxy does not say its own name in its outbound metrics. Both ends share a trust domain, so what follows
// the first two labels of the server's name ends the client's too.
function clientIdentity(world: World, namespace: string, pod: string, serverId: string): string {
  const found = world.pods.find((p) => p.namespace === namespace && p.name === pod);
  const domain = serverId.split(".").slice(2).join(".");
  return found && domain !== "" ? `${found.serviceAccount}.${namespace}.${domain}` : "";
}
