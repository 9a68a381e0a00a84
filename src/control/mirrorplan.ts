// The way from what a cluster has to the mirrors that it should have, as requests to its API server, and what the Link's
// status says of each service. A pure function: what is missing, was changed or is too much shows in what it is given.

import { isDeepStrictEqual } from "node:util";
import { hasLabels } from "../platform/kinds.ts";
import { federated, join, leave } from "./federated.ts";
import { type LinkStatus, MARKS } from "./link.ts";
import { asItIs, exported, marksOf, type Mirror, mirrorsAmong, type Sight } from "./mirror.ts";
import { type Candidate, refusalOf, statusOf } from "./mirrorstatus.ts";
import { type Marks, put, removal, type Write } from "./mirrorwrite.ts";

export type MirrorOptions = {
  readonly enableHeadlessServices: boolean;
  readonly enableNamespaceCreation: boolean;
};

/** What to ask of the API server, in this order, and the Link's status; `now` is when what changes in it did. */
export function planMirrors(
  sight: Sight,
  options: MirrorOptions,
  now: string,
): { readonly writes: readonly Write[]; readonly status: LinkStatus } {
  const { link, remote, services } = sight;
  const { name } = link.metadata;
  const mine = mirrorsAmong(services, name);
  const gateways = gatewaysOf(sight);
  if (remote === undefined) {
    const writes = [...mine.values()].flatMap((service) => follow(sight, asItIs(sight, service)));
    return { writes, status: { ...link.status, gateways } };
  }
  const judged = <C extends Candidate>(all: readonly C[], before: LinkStatus["mirrorServices"]) => {
    const makesNamespaces = options.enableNamespaceCreation;
    const each = all.map((one) => ({ one, refusal: refusalOf(sight, one, makesNamespaces) }));
    return {
      accepted: each.flatMap(({ one, refusal }) => (refusal ? [] : [one])),
      statuses: each.map(({ one, refusal }) => statusOf(one, refusal, before, now)),
    };
  };
  const { mirrorServices, federatedServices } = link.status;
  const own = judged(exported(sight, remote, options.enableHeadlessServices), mirrorServices);
  const shared = judged(federated(sight, remote), federatedServices);
  const mirrors = own.accepted.flatMap((each) => each.mirrors);
  const wanted = new Set(mirrors.map(({ key }) => key));
  const joined = new Set(shared.accepted.flatMap(({ keys }) => keys));
  return {
    writes: [
      ...missingNamespaces(sight, [...own.accepted, ...shared.accepted]),
      ...mirrors.flatMap((mirror) => follow(sight, mirror)),
      ...shared.accepted.flatMap((each) => join(sight, each)),
      ...[...mine.keys()].filter((key) => !wanted.has(key)).map(removal),
      ...leave(name, services, joined),
    ],
    status: { gateways, mirrorServices: own.statuses, federatedServices: shared.statuses },
  };
}

/** What it takes for nothing of a cluster to be left. */
export function planWithout({ services }: Pick<Sight, "services">, cluster: string): Write[] {
  const mine = [...mirrorsAmong(services, cluster).keys()];
  return [...mine.map(removal), ...leave(cluster, services, new Set())];
}

// Of an address that was not heard of yet, what was said before.
function gatewaysOf({ link, gateway }: Sight): LinkStatus["gateways"] {
  return gateway.flatMap(({ address, ip, alive, message }) => {
    const name = ip === undefined || ip === address ? address : `${address} (${ip})`;
    const before = link.status.gateways.find((each) => each.address === name);
    return alive === undefined ? (before ?? []) : { address: name, alive, message };
  });
}

function missingNamespaces({ namespaces }: Sight, accepted: readonly Candidate[]): Write[] {
  const names = new Set(accepted.map(({ of }) => of.metadata.namespace));
  return [...names]
    .filter((name) => !namespaces.has(name))
    .map((name) => {
      const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      return { method: "POST", path: "/api/v1/namespaces", body };
    });
}

// What it takes for this cluster to have the mirror. Endpoints come when their service is there.
function follow({ link, services, endpoints }: Sight, mirror: Mirror): Write[] {
  const { key, labels, annotations, ports, isHeadless, isFlat, subsets } = mirror;
  const spec = { ports, ...(isHeadless && { clusterIP: "None" }) };
  const now = services.get(key);
  if (now === undefined) return [put("Service", key, false, { labels, annotations }, { spec })];
  if ((now.spec.clusterIP === "None") !== isHeadless) return [removal(key)];
  const writes: Write[] = [];
  if (!hasMarks(now, mirror) || !isDeepStrictEqual(now.spec.ports, ports))
    writes.push(put("Service", key, true, { labels, annotations }, { spec }));
  const had = endpoints.get(key);
  const { gatewayIdentity } = link.spec;
  const marks = {
    labels: marksOf(link.metadata.name),
    annotations: {
      [MARKS.name]: annotations[MARKS.name] ?? "",
      ...(!isHeadless && !isFlat && gatewayIdentity && { [MARKS.identity]: gatewayIdentity }),
    },
  };
  if (subsets === undefined) return writes;
  if (!had || !hasMarks(had, marks) || !isDeepStrictEqual(had.subsets, subsets))
    writes.push(put("Endpoints", key, had !== undefined, marks, { subsets }));
  return writes;
}

// What others add to a mirror is theirs, until it has to be written anew.
const hasMarks = ({ metadata }: { readonly metadata: Marks }, wanted: Marks): boolean =>
  hasLabels(metadata.labels, wanted.labels) && hasLabels(metadata.annotations, wanted.annotations);
