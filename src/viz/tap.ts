// Tap: the requests of a resource as they pass, from the Tap.Observe streams of all its proxies.
// It follows the pods as they come and go, and never asks for more requests a second than its caller wants.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Close, Watch } from "../base/watch.ts";
import type { ObserveRequestSchema, TapEvent as ProxyEvent } from "../../proto/gen/tap_pb.js";
import { TapEventSchema as ProxyEventSchema } from "../../proto/gen/tap_pb.js";
import type { TapByResourceRequest, TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import {
  TapEvent_ProxyDirection as Direction,
  TapEventSchema,
} from "../../proto/gen/viz/viz_tap_pb.js";
import { kindOf } from "./kinds.ts";
import { parseSelector } from "./selector.ts";
import { observeMatch } from "./tapmatch.ts";
import type { MeshPod, World } from "./world.ts";
import { isWanted, podsOf, tapOf, thingsOf } from "./world.ts";

/** Opens a proxy's stream; calls `event` for each message, then `ended` once, with the fault that ended it if any. */
export type Observe = (
  pod: MeshPod,
  request: MessageInitShape<typeof ObserveRequestSchema>,
  event: (event: ProxyEvent) => void,
  ended: (fault: Fault | undefined) => void,
) => Close;

export type TapSink = {
  readonly event: (event: TapEvent) => void;
  /** Told once of each proxy that cannot be tapped. */
  readonly trouble: (pod: MeshPod, fault: Fault) => void;
};

const DEFAULT_MAX_RPS = 100;
const SECOND_MS = 1000;

/** Streams the events of what `request` selects to `sink` until closed. Throws when there is nothing to tap. */
export function tap(
  world: Watch<World>,
  observe: Observe,
  clock: Clock,
  request: TapByResourceRequest,
  sink: TapSink,
): Close {
  const now = world.value;
  if (!now)
    throw new Fault("unavailable", "the resources of the mesh are not known yet; try again");
  refuseEmpty(now, request);
  const match = observeMatch(request.match, now.names);
  const maxRps = request.maxRps > 0 ? request.maxRps : DEFAULT_MAX_RPS;
  const open = new Map<string, Stream>();
  let limit = 1;
  const follow = (state: World): void => {
    const pods = new Map(
      tappable(state, request).map((pod) => [`${pod.namespace}/${pod.name}`, pod]),
    );
    limit = Math.max(1, Math.floor(maxRps / Math.max(1, pods.size)));
    for (const [key, stream] of open) {
      if (pods.has(key)) continue;
      stream.close();
      open.delete(key);
    }
    for (const [key, pod] of pods) {
      if (open.has(key)) continue;
      const ask = () => ({ limit, match, ...extractOf(request) });
      const event = (from: ProxyEvent): void =>
        sink.event(describe(world.value ?? state, pod, from));
      open.set(key, new Stream(observe, clock, pod, ask, event, sink.trouble));
    }
  };
  const stop = world.each(follow);
  return () => {
    stop();
    for (const stream of open.values()) stream.close();
  };
}

// One proxy's stream: each lasts for its limit of requests, and the next begins a second after the last one did.
class Stream {
  #close: Close = () => {};
  #timer: Timer | undefined;
  #closed = false;
  #told = false;

  constructor(
    observe: Observe,
    clock: Clock,
    pod: MeshPod,
    ask: () => MessageInitShape<typeof ObserveRequestSchema>,
    event: (event: ProxyEvent) => void,
    trouble: TapSink["trouble"],
  ) {
    const turn = (): void => {
      const since = clock.now();
      this.#close = observe(pod, ask(), event, (fault) => {
        if (this.#closed) return;
        if (fault && !this.#told) {
          this.#told = true;
          trouble(pod, fault);
        }
        this.#timer = clock.after(Math.max(0, since + SECOND_MS - clock.now()), turn);
      });
    };
    turn();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#close();
  }
}

function tappable(world: World, request: TapByResourceRequest): MeshPod[] {
  return selected(world, request).filter((pod) => isTappable(pod) && tapOf(pod) === "enabled");
}

const isTappable = (pod: MeshPod): boolean => pod.meshed && pod.running && pod.ip !== "";

function selected(world: World, { target }: TapByResourceRequest): MeshPod[] {
  const { type = "", namespace = "", name = "" } = target?.resource ?? {};
  const kind = kindOf(type)?.name ?? type;
  const selects = parseSelector(target?.labelSelector ?? "");
  const things = thingsOf(world, kind).filter(
    (thing) => isWanted(thing, { namespace, name }) && selects(thing.labels),
  );
  return [...new Set(things.flatMap((thing) => podsOf(world, thing)))];
}

function refuseEmpty(world: World, request: TapByResourceRequest): void {
  if (tappable(world, request).length > 0) return;
  const { type = "", namespace = "", name = "" } = request.target?.resource ?? {};
  const what = `${type}${name ? `/${name}` : ""}${namespace && type !== "namespace" ? ` in ${namespace}` : ""}`;
  const there = selected(world, request);
  const proxied = there.filter(isTappable);
  const why =
    there.length === 0
      ? `no pods to tap found for ${what}`
      : proxied.length === 0
        ? `no pod of ${what} has a running proxy to tap`
        : proxied.every((pod) => tapOf(pod) === "disabled")
          ? `all pods of ${what} have tap disabled (viz.linkerd.io/disable-tap)`
          : `${what} was there before viz was: restart its pods to enable tap`;
  throw new Fault("not-found", why);
}

function extractOf({ extract }: TapByResourceRequest) {
  if (extract?.extract.case !== "http") return {};
  return {
    extract: {
      extract: {
        case: "http" as const,
        value: { extract: { case: "headers" as const, value: {} } },
      },
    },
  };
}

// Proxies and viz number the fields of an event alike, so the bytes of the one are the other. What a proxy
// cannot know is added: which resources the two ends are.
function describe(world: World, pod: MeshPod, from: ProxyEvent): TapEvent {
  const event = fromBinary(TapEventSchema, toBinary(ProxyEventSchema, from));
  const isInbound = event.proxyDirection === Direction.INBOUND;
  const source = isInbound ? podAt(world, event.source) : pod;
  const destination = isInbound ? pod : podAt(world, event.destination);
  event.sourceMeta = merge(event.sourceMeta, source ?? podOf(world, event.sourceMeta));
  event.destinationMeta = merge(event.destinationMeta, destination);
  const step = event.event.value?.event;
  if (step?.case === "requestInit")
    step.value.authority = world.names.get(step.value.authority) ?? step.value.authority;
  return event;
}

type Meta = TapEvent["sourceMeta"];

function merge(meta: Meta, pod: MeshPod | undefined): NonNullable<Meta> {
  const labels = {
    ...(pod && { ...pod.metricLabels, serviceaccount: pod.serviceAccount }),
    ...meta?.labels,
  };
  return { $typeName: "linkerd2.tap.TapEvent.EndpointMeta", labels };
}

function podAt(world: World, address: TapEvent["source"]): MeshPod | undefined {
  return world.podByIp.get(printIp(address));
}

// The other end's address may be a gateway's or, on one machine, that of everybody. Its identity tells
// who it is when only one workload has it.
function podOf(world: World, meta: Meta): MeshPod | undefined {
  const [account, namespace] = (meta?.labels["client_id"] ?? "").split(".");
  const pods = world.pods.filter((p) => p.serviceAccount === account && p.namespace === namespace);
  const owners = new Set(pods.map((p) => p.owners[0]?.name));
  return owners.size === 1 ? pods[0] : undefined;
}

/** "10.0.0.1", "2001:db8::1" as groups, or "" for none. */
export function printIp(address: TapEvent["source"]): string {
  const ip = address?.ip?.ip;
  if (ip?.case === "ipv4") {
    return [24, 16, 8, 0].map((shift) => (ip.value >>> shift) & 255).join(".");
  }
  if (ip?.case !== "ipv6") return "";
  const groups = [ip.value.first, ip.value.last].flatMap((half) =>
    [48n, 32n, 16n, 0n].map((shift) => ((half >> shift) & 0xffffn).toString(16)),
  );
  // The longest run of zeros is left out (RFC 5952 §4.2).
  const text = groups.join(":");
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort(
    (a, b) => b[0].length - a[0].length,
  );
  return runs[0]
    ? text.slice(0, runs[0].index) +
        "::" +
        text.slice(runs[0].index + runs[0][0].length).replace(/^:/, "")
    : text;
}
