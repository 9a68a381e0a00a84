// Everything the control plane knows at one moment: all resources, and how the mesh is set up. Answers are
// pure functions of a world, so tests call them without a cluster, and a stream is a watch of worlds mapped.

import type { Clock, Timer } from "../base/clock.ts";
import type { Watch } from "../base/watch.ts";
import { combine, source } from "../base/watch.ts";
import type { Cidr } from "../platform/cidr.ts";
import { parseCidr } from "../platform/cidr.ts";
import type { Kind } from "../platform/kinds.ts";
import { kinds } from "../platform/kinds.ts";
import type { AccessPolicy } from "../platform/policyshapes.ts";
import type { ResourceMap, Resources } from "../platform/resources.ts";

/** How a control plane is set up; the names of the chart's values where it has them. */
export type MeshSettings = {
  readonly controlNamespace: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly clusterNetworks: readonly Cidr[];
  readonly defaultInboundPolicy: AccessPolicy;
  /** Ports that carry protocols in which the server speaks first. */
  readonly opaquePorts: ReadonlySet<number>;
  /** Whether meshed HTTP/1 travels as HTTP/2. */
  readonly enableH2Upgrade: boolean;
  /** Whether proxies listen on IPv4 only. */
  readonly disableIPv6: boolean;
  /** `transport-header`: meshed connections go to the inbound port and name the port they want inside. */
  readonly outboundTransportMode: "transport-header" | "transparent";
  readonly globalEgressNamespace: string;
  readonly probeNetworks: readonly Cidr[];
  readonly allowL5dRequestHeaders: boolean;
  readonly extEndpointZoneWeights: boolean;
};

const networks = (...texts: readonly string[]): Cidr[] => texts.map((text) => parseCidr(text)!);

export const DEFAULT_SETTINGS: MeshSettings = {
  controlNamespace: "linkerd",
  clusterDomain: "cluster.local",
  trustDomain: "cluster.local",
  clusterNetworks: networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fd00::/8",
  ),
  defaultInboundPolicy: "all-unauthenticated",
  opaquePorts: new Set([25, 587, 3306, 4444, 5432, 6379, 9300, 11211]),
  enableH2Upgrade: true,
  disableIPv6: true,
  outboundTransportMode: "transport-header",
  globalEgressNamespace: "linkerd-egress",
  probeNetworks: networks("0.0.0.0/0", "::/0"),
  allowL5dRequestHeaders: false,
  extEndpointZoneWeights: false,
};

/** All resources by kind, and the settings. Never changes; a change is another world. */
export type World = { readonly [K in Kind]: ResourceMap<K> } & {
  readonly settings: MeshSettings;
  /** Worlds of other clusters by their names, where services refer to them. */
  readonly remotes?: ReadonlyMap<string, World>;
};

const COALESCE_MS = 50;

/** The worlds that resources go through; changes within 50 ms come as one. */
export function watchWorld(
  resources: Resources,
  settings: MeshSettings,
  clock: Clock,
): Watch<World> {
  const all = combine(kinds.map((kind) => resources.watch(kind)));
  return coalesce(all, clock).map((maps) => {
    return { ...Object.fromEntries(kinds.map((kind, i) => [kind, maps[i]])), settings } as World;
  });
}

/** Something worked out from some kinds, once for each change of theirs. */
export function index<T>(of: readonly Kind[], build: (world: World) => T): (world: World) => T {
  // By the first of them, so that worlds of several clusters keep theirs.
  const known = new WeakMap<object, { readonly inputs: readonly unknown[]; readonly value: T }>();
  return (world) => {
    const first = world[of[0]!];
    const found = known.get(first);
    if (found && of.every((kind, i) => found.inputs[i] === world[kind])) return found.value;
    const value = build(world);
    known.set(first, { inputs: of.map((kind) => world[kind]), value });
    return value;
  };
}

// The first state passes at once; later ones when none has come for a moment, or a moment after the first.
function coalesce<T>(watch: Watch<T>, clock: Clock): Watch<T> {
  return source<T>((set) => {
    let timer: Timer | undefined;
    let known = false;
    const close = watch.observe((state) => {
      if (!known) {
        known = state.kind === "ok";
        set(state);
      } else {
        timer ??= clock.after(COALESCE_MS, () => {
          timer = undefined;
          set(watch.state);
        });
      }
    });
    return () => {
      timer?.cancel();
      close();
    };
  });
}
