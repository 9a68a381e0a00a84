// What the services of another cluster look like in this one: for each that is exported a Service that is called after
// it and the cluster. Its endpoints are the addresses of the cluster's gateway, or those of its pods, which the destination
// service finds by labels. For a headless one, where that is asked for, each pod with a name has one more.

import { metadata } from "../platform/coreshapes.ts";
import {
  hasLabels,
  keyOf,
  type LabelSelector,
  row,
  selects,
  type Service,
} from "../platform/kinds.ts";
import type { ResourceMap } from "../platform/resources.ts";
import * as shape from "../platform/shape.ts";
import { sliceOf } from "../platform/slices.ts";
import type { GatewayAddress } from "./gatewayprobe.ts";
import { FLAT, isGiven, type Link, MARKS } from "./link.ts";
import type { Strings } from "./manifest.ts";
import type { Candidate } from "./mirrorstatus.ts";
import type { Marks } from "./mirrorwrite.ts";

const addresses = shape.lists(
  shape.object({ ip: shape.name, hostname: shape.optional(shape.text) }),
);
const subset = shape.object({
  addresses,
  notReadyAddresses: addresses,
  ports: shape.lists(
    shape.object({
      name: shape.optional(shape.text),
      port: shape.port,
      protocol: shape.or(shape.text, () => "TCP"),
    }),
  ),
});

/** The row of Endpoints, which the cluster's EndpointSlices follow. */
export const ENDPOINTS = row(
  "Endpoints",
  "",
  "v1",
  "endpoints",
  shape.object({ metadata, subsets: shape.lists(subset) }),
);
export type Endpoints = shape.Of<typeof ENDPOINTS.shape>;
type Subset = Endpoints["subsets"][number];

/** All that the mirrors of a Link follow from. */
export type Sight = {
  readonly link: Link;
  /** Of the other cluster; undefined while it was never heard of. */
  readonly remote: Remote | undefined;
  readonly namespaces: ResourceMap<"Namespace">;
  /** All services of this cluster, and the endpoints of mirrors. */
  readonly services: ResourceMap<"Service">;
  readonly endpoints: ReadonlyMap<string, Endpoints>;
  readonly gateway: readonly GatewayAddress[];
};

export type Remote = {
  readonly services: ResourceMap<"Service">;
  /** Of headless services; empty unless these are mirrored as such. */
  readonly slices: ResourceMap<"EndpointSlice">;
};

/** A service that this cluster should have. */
export type Mirror = {
  readonly key: string;
  readonly labels: Strings;
  readonly annotations: Strings;
  readonly ports: Service["spec"]["ports"];
  readonly isHeadless: boolean;
  /** Whether its pods are called without a gateway. */
  readonly isFlat: boolean;
  /** Undefined for what shall stay as it is. */
  readonly subsets: readonly Subset[] | undefined;
};

/** A service of the other cluster and its mirrors. */
type Exported = Candidate & { readonly mirrors: readonly Mirror[] };

const NOT_COPIED = [
  "mirror.linkerd.io/*",
  "kubectl.kubernetes.io/last-applied-configuration",
  "service.kubernetes.io/topology-*",
];

/** The labels of a cluster's mirrors. */
export const marksOf = (cluster: string): Strings => ({
  [MARKS.mirrored]: "true",
  [MARKS.cluster]: cluster,
});

/** The mirrors of a cluster among services. */
export function mirrorsAmong(
  services: ResourceMap<"Service">,
  cluster: string,
): ReadonlyMap<string, Service> {
  const marks = marksOf(cluster);
  return new Map([...services].filter(([, { metadata }]) => hasLabels(metadata.labels, marks)));
}

/** What the Link selects of the other cluster's services, with the mirrors that each should have. */
export function exported(sight: Sight, remote: Remote, withHeadless: boolean): Exported[] {
  const { selector, remoteDiscoverySelector } = sight.link.spec;
  const select = (by: LabelSelector): Service[] =>
    isGiven(by)
      ? [...remote.services.values()].filter(({ metadata }) => selects(by, metadata.labels))
      : [];
  const flat = new Set(select(remoteDiscoverySelector));
  const behind = select(selector).filter((of) => !flat.has(of));
  const mirrorsOf = (of: Service): readonly Mirror[] => {
    const root = mirrored(sight, of, flat.has(of));
    if (root.isFlat || !withHeadless || of.spec.clusterIP !== "None") return [root];
    return headless(sight, root, hostnames(of, remote.slices));
  };
  const marks = marksOf(sight.link.metadata.name);
  return [...flat, ...behind].map((of) => {
    const mirrors = mirrorsOf(of);
    return {
      of,
      mirrors,
      keys: mirrors.map(({ key }) => key),
      ports: mirrors[0]!.ports,
      needsGateway: !flat.has(of),
      isOurs: ({ metadata }) => hasLabels(metadata.labels, marks),
    };
  });
}

/** A mirror whose original cannot be seen at the moment: its endpoints follow the gateway all the same. */
export function asItIs(sight: Sight, { metadata, spec }: Service): Mirror {
  const key = `${metadata.namespace}/${metadata.name}`;
  const { labels, annotations } = metadata;
  const isHeadless = spec.clusterIP === "None";
  const isFlat = labels[FLAT.cluster] !== undefined;
  const subsets = isHeadless || isFlat ? undefined : throughGateway(sight, key, spec.ports);
  return { key, labels, annotations, ports: spec.ports, isHeadless, isFlat, subsets };
}

/** The ports of a mirror: proxies carry nothing but TCP. */
export const tcpPorts = ({ spec }: Service): Mirror["ports"] =>
  spec.ports
    .filter(({ protocol }) => protocol === "TCP")
    .map(({ nodePort: _, ...port }) => ({ ...port, targetPort: port.port }));

/** The labels and annotations of a service that its mirrors have as well. */
export function copiedFrom({ metadata }: Service, { spec }: Link): Marks {
  return {
    labels: copied(metadata.labels, spec.excludedLabels),
    annotations: copied(metadata.annotations, spec.excludedAnnotations),
  };
}

function mirrored(sight: Sight, of: Service, isFlat: boolean): Mirror {
  const { spec, metadata } = sight.link;
  const { name, namespace, resourceVersion } = of.metadata;
  const { labels, annotations } = copiedFrom(of, sight.link);
  const key = `${namespace}/${name}-${metadata.name}`;
  const ports = tcpPorts(of);
  return {
    key,
    labels: {
      ...labels,
      ...marksOf(metadata.name),
      ...(isFlat && { [FLAT.cluster]: metadata.name, [FLAT.service]: name }),
    },
    annotations: {
      ...annotations,
      [MARKS.version]: resourceVersion,
      [MARKS.name]: `${name}.${namespace}.svc.${spec.targetClusterDomain}`,
    },
    ports,
    isHeadless: false,
    isFlat,
    // Where it was behind a gateway before, that is over.
    subsets: !isFlat
      ? throughGateway(sight, key, ports)
      : sight.endpoints.has(key)
        ? []
        : undefined,
  };
}

// The addresses behind the root are those of the services of its pods.
function headless(sight: Sight, root: Mirror, hosts: readonly string[]): Mirror[] {
  const [namespace = "", name = ""] = root.key.split("/");
  const cluster = sight.link.metadata.name;
  const own = (host: string): string => `${namespace}/${host}-${cluster}`;
  const known = hosts.flatMap((hostname) => {
    const ip = sight.services.get(own(hostname))?.spec.clusterIP;
    return ip ? [{ ip, hostname }] : [];
  });
  const ports = withoutTargets(root.ports);
  const subsets = known.length > 0 ? [{ addresses: known, notReadyAddresses: [], ports }] : [];
  const pods = hosts.map((host) => ({
    ...root,
    key: own(host),
    labels: { ...marksOf(cluster), [MARKS.headless]: name },
    annotations: { [MARKS.name]: `${host}.${root.annotations[MARKS.name]}` },
    subsets: throughGateway(sight, own(host), root.ports),
  }));
  return [{ ...root, isHeadless: true, subsets }, ...pods];
}

function hostnames(of: Service, slices: ResourceMap<"EndpointSlice">): string[] {
  const mine = [...slices.values()].filter((slice) => sliceOf(slice) === keyOf(of));
  const names = mine.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ hostname }) => hostname ?? []),
  );
  return [...new Set(names)].sort();
}

function throughGateway(
  { link, gateway, endpoints }: Sight,
  key: string,
  ports: Mirror["ports"],
): readonly Subset[] | undefined {
  // What was not heard of yet is as it was.
  const away = endpoints.get(key)?.subsets.flatMap(({ notReadyAddresses }) => notReadyAddresses);
  const wasAway = (ip: string): boolean => away?.some((each) => each.ip === ip) ?? false;
  const ready = new Map(
    gateway.flatMap(({ ip, alive }) => (ip ? [[ip, alive ?? !wasAway(ip)] as const] : [])),
  );
  if (ready.size === 0) return undefined;
  const those = (are: boolean) =>
    [...ready.keys()]
      .filter((ip) => ready.get(ip) === are)
      .sort()
      .map((ip) => ({ ip }));
  const port = Number(link.spec.gatewayPort);
  return [
    {
      addresses: those(true),
      notReadyAddresses: those(false),
      ports: withoutTargets(ports).map((each) => ({ ...each, port })),
    },
  ];
}

const withoutTargets = (ports: Mirror["ports"]): Subset["ports"] =>
  ports.map(({ name, port, protocol }) => ({
    ...(name !== undefined && { name }),
    port,
    protocol,
  }));

function copied(from: Strings, excluded: readonly string[]): Strings {
  const isLeftOut = (key: string): boolean =>
    [...NOT_COPIED, ...excluded].some((pattern) =>
      pattern.endsWith("*") ? key.startsWith(pattern.slice(0, -1)) : key === pattern,
    );
  return Object.fromEntries(Object.entries(from).filter(([key]) => !isLeftOut(key)));
}
