// The way from what a cluster has to the mirrors that it should have, as requests to its API server, and what the Link's
// status says of each service. A pure function: what is missing, was changed or is too much shows in what it is given.

import { isDeepStrictEqual } from "node:util";
import { hasLabels } from "../platform/kinds.ts";
import type { LinkStatus } from "./link.ts";
import { MARKS } from "./link.ts";
import {
  asItIs,
  exported,
  type Exported,
  marksOf,
  type Mirror,
  mirrorsAmong,
  type Sight,
} from "./mirror.ts";

export type MirrorOptions = {
  readonly enableHeadlessServices: boolean;
  readonly enableNamespaceCreation: boolean;
};

export type Write = {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: object;
};

type Condition = LinkStatus["mirrorServices"][number]["conditions"][number];
type Refusal = { readonly reason: string; readonly message: string };

const MAX_NAME = 63;

/** What to ask of the API server, in this order, and the Link's status; `now` is when what changes in it did. */
export function planMirrors(
  sight: Sight,
  options: MirrorOptions,
  now: string,
): { readonly writes: readonly Write[]; readonly status: LinkStatus } {
  const { link, remote, services } = sight;
  const mine = mirrorsAmong(services, link.metadata.name);
  const gateways = sight.gateway.flatMap(({ address, ip, alive, message }) => {
    const name = ip === undefined || ip === address ? address : `${address} (${ip})`;
    const before = link.status.gateways.find((each) => each.address === name);
    return alive === undefined ? (before ?? []) : { address: name, alive, message };
  });
  if (remote === undefined) {
    const writes = [...mine.values()].flatMap((service) => follow(sight, asItIs(sight, service)));
    return { writes, status: { ...link.status, gateways } };
  }
  const found = exported(sight, remote, options.enableHeadlessServices).map((each) => ({
    ...each,
    refusal: refusalOf(sight, each, options),
  }));
  const accepted = found.filter(({ refusal }) => refusal === undefined);
  const mirrors = accepted.flatMap((each) => each.mirrors);
  const wanted = new Set(mirrors.map(({ key }) => key));
  return {
    writes: [
      ...missingNamespaces(sight, accepted),
      ...mirrors.flatMap((mirror) => follow(sight, mirror)),
      ...[...mine.keys()].filter((key) => !wanted.has(key)).map(removal),
    ],
    status: {
      gateways,
      mirrorServices: found.map((each) => ({
        controllerName: "linkerd.io/service-mirror",
        remoteRef: refTo(`${each.of.metadata.namespace}/${each.of.metadata.name}`),
        conditions: [conditionOf(sight, each, each.refusal, now)],
      })),
    },
  };
}

/** What takes a mirror away; its endpoints go with it. */
export const removal = (key: string): Write => ({
  method: "DELETE",
  path: pathOf("services", key),
});

function refusalOf(
  { link, services, namespaces }: Sight,
  { of, mirrors }: Exported,
  { enableNamespaceCreation }: MirrorOptions,
): Refusal | undefined {
  const { namespace } = of.metadata;
  const names = mirrors.map(({ key }) => key.slice(namespace.length + 1));
  const long = names.find((name) => name.length > MAX_NAME);
  const marks = marksOf(link.metadata.name);
  const taken = mirrors.find(({ key }) => {
    const now = services.get(key);
    return now !== undefined && !hasLabels(now.metadata.labels, marks);
  });
  if (link.spec.gatewayAddress === "")
    return refuse("NoGateway", "the Link names no gateway that leads to the service");
  if (mirrors[0]!.ports.length === 0) return refuse("NoPort", "the service has no port for TCP");
  if (long !== undefined) return refuse("NameTooLong", `${long} has more than ${MAX_NAME} letters`);
  if (taken !== undefined)
    return refuse(
      "NameTaken",
      `there is a service ${taken.key} that is no mirror of this cluster's`,
    );
  if (!namespaces.has(namespace) && !enableNamespaceCreation)
    return refuse("NoNamespace", `there is no namespace ${namespace}; make it to have the mirror`);
  return undefined;
}

const refuse = (reason: string, message: string): Refusal => ({ reason, message });

// Of a condition that did not change, the time stays.
function conditionOf(
  { link }: Sight,
  { of, mirrors }: Exported,
  refusal: Refusal | undefined,
  now: string,
): Condition {
  const { name, namespace } = of.metadata;
  const [before] =
    link.status.mirrorServices.find(
      ({ remoteRef }) => remoteRef.name === name && remoteRef.namespace === namespace,
    )?.conditions ?? [];
  const condition = {
    type: "Mirrored",
    status: refusal ? "False" : "True",
    reason: refusal?.reason ?? "Mirrored",
    message: refusal?.message ?? "",
    localRef: refTo(mirrors[0]!.key),
  };
  const since = before?.lastTransitionTime ?? now;
  const isSame = isDeepStrictEqual(before, { ...condition, lastTransitionTime: since });
  return { ...condition, lastTransitionTime: isSame ? since : now };
}

function refTo(key: string) {
  const [namespace = "", name = ""] = key.split("/");
  return { group: "", kind: "Service", name, namespace };
}

function missingNamespaces({ namespaces }: Sight, accepted: readonly Exported[]): Write[] {
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
  const { key, labels, annotations, ports, isHeadless, subsets } = mirror;
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
      ...(!isHeadless && gatewayIdentity && { [MARKS.identity]: gatewayIdentity }),
    },
  };
  if (subsets === undefined) return writes;
  if (!had || !hasMarks(had, marks) || !isDeepStrictEqual(had.subsets, subsets))
    writes.push(put("Endpoints", key, had !== undefined, marks, { subsets }));
  return writes;
}

type Marks = Pick<Mirror, "labels" | "annotations">;

// What others add to a mirror is theirs, until it has to be written anew.
const hasMarks = ({ metadata }: { readonly metadata: Marks }, wanted: Marks): boolean =>
  hasLabels(metadata.labels, wanted.labels) && hasLabels(metadata.annotations, wanted.annotations);

function put(kind: string, key: string, isThere: boolean, marks: Marks, content: object): Write {
  const [namespace, name] = key.split("/");
  const plural = kind === "Service" ? "services" : "endpoints";
  return {
    method: isThere ? "PUT" : "POST",
    path: pathOf(plural, isThere ? key : `${namespace}/`),
    body: { apiVersion: "v1", kind, metadata: { name, namespace, ...marks }, ...content },
  };
}

/** "a/b" → "/api/v1/namespaces/a/services/b" */
function pathOf(plural: string, key: string): string {
  const [namespace, name] = key.split("/");
  return `/api/v1/namespaces/${namespace}/${plural}${name ? `/${name}` : ""}`;
}
