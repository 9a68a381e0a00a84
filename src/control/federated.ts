// One service of several clusters: "web-federated" has the pods of each "web" that wants to be a member, whichever cluster
// it is of. The mirror of each Link enters the members of its cluster, and this cluster's own, and takes out its own when
// they leave; the last one to leave takes the service along.

import { isDeepStrictEqual } from "node:util";
import { selects, type Service } from "../platform/kinds.ts";
import { FLAT, isGiven, MARKS } from "./link.ts";
import { copiedFrom, type Remote, type Sight, tcpPorts } from "./mirror.ts";
import type { Candidate } from "./mirrorstatus.ts";
import { type Marks, put, removal, type Write } from "./mirrorwrite.ts";

const ENDING = "-federated";

/** The members that a Link's cluster has. */
export function federated({ link }: Sight, remote: Remote): Candidate[] {
  const { federatedServiceSelector: selector } = link.spec;
  if (!isGiven(selector)) return [];
  return [...remote.services.values()]
    .filter(({ metadata }) => selects(selector, metadata.labels))
    .map((of) => ({
      of,
      keys: [`${of.metadata.namespace}/${of.metadata.name}${ENDING}`],
      ports: tcpPorts(of),
      needsGateway: false,
      isOurs: isFederated,
    }));
}

// Not that of one cluster.
const isFederated = ({ metadata: { labels, name } }: Service): boolean =>
  labels[MARKS.mirrored] === "true" && labels[MARKS.cluster] === undefined && name.endsWith(ENDING);

/** What makes a member known. */
export function join({ link, services }: Sight, { of, keys: [key = ""] }: Candidate): Write[] {
  const { name, namespace } = of.metadata;
  const now = services.get(key);
  const own = services.get(`${namespace}/${name}`);
  const isLocal = own && selects(link.spec.federatedServiceSelector, own.metadata.labels);
  const members = membersOf(now, link.metadata.name, `${name}@${link.metadata.name}`);
  const { labels, annotations } = now?.metadata ?? copiedFrom(of, link);
  const { [FLAT.local]: _, ...others } = annotations;
  const wanted = {
    labels: { ...labels, [MARKS.mirrored]: "true" },
    annotations: {
      ...others,
      [FLAT.cluster]: members.join(),
      ...(isLocal && { [FLAT.local]: name }),
    },
  };
  return change(key, now, wanted, now?.spec.ports ?? tcpPorts(of));
}

/** What takes a cluster's members out of all services but these. */
export function leave(
  cluster: string,
  services: ReadonlyMap<string, Service>,
  but: ReadonlySet<string>,
): Write[] {
  return [...services].flatMap(([key, now]) => {
    const members = (now.metadata.annotations[FLAT.cluster] ?? "").split(",");
    if (!isFederated(now) || but.has(key) || !members.some((word) => word.endsWith(`@${cluster}`)))
      return [];
    const left = membersOf(now, cluster);
    if (left.length === 0) return [removal(key)];
    const { labels, annotations } = now.metadata;
    const wanted = { labels, annotations: { ...annotations, [FLAT.cluster]: left.join() } };
    return change(key, now, wanted, now.spec.ports);
  });
}

// Those of other clusters, and the given one.
function membersOf(now: Service | undefined, cluster: string, ...own: string[]): string[] {
  const words = (now?.metadata.annotations[FLAT.cluster] ?? "").split(",").filter(Boolean);
  return [...words.filter((word) => !word.endsWith(`@${cluster}`)), ...own].sort();
}

// Mirrors of other Links write it too: who was slower has to look again.
function change(
  key: string,
  now: Service | undefined,
  wanted: Marks,
  ports: Service["spec"]["ports"],
): Write[] {
  const { labels, annotations, resourceVersion } = now?.metadata ?? {};
  if (isDeepStrictEqual({ labels, annotations }, wanted)) return [];
  return [put("Service", key, now !== undefined, wanted, { spec: { ports } }, resourceVersion)];
}
