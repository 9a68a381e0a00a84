// What the proxy knows of the world: one watch for each thing that somebody asks about, fed by the streams
// of the control plane. Watches are shared, their streams close when nobody looks, and what was known is
// remembered for the life of the process, for the day when the control plane is away.

import { create } from "@bufbuild/protobuf";
import type { DescMessage, DescMethodServerStreaming, MessageShape } from "@bufbuild/protobuf";
import { Destination, GetDestinationSchema } from "../../proto/gen/destination_pb.js";
import { InboundServerPolicies, PortSpecSchema } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicies, TrafficSpecSchema } from "../../proto/gen/outbound_pb.js";
import { Cache } from "../base/cache.ts";
import type { Clock } from "../base/clock.ts";
import type { Registry } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Scope } from "../base/scope.ts";
import type { Watch } from "../base/watch.ts";
import type { SocketAddr } from "../io/conn.ts";
import { printAddr } from "../stack/normalize.ts";
import { AddressBook, parseAddr } from "./address.ts";
import { printTcpAddress } from "./fromproto.ts";
import { parseInboundPolicy } from "./inboundpolicy.ts";
import { parseOutboundPolicy } from "./outboundpolicy.ts";
import type { AddressSet, InboundPolicy, OutboundPolicy, Profile } from "./policy.ts";
import { parseProfile } from "./profile.ts";
import type { Settings } from "./env.ts";
import { Subscription, feed, type Answer, type Feed, type OpenStream } from "./subscription.ts";

/** Opens a server stream of the destination service or of the policy service. */
export type OpenCall = <I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  request: MessageShape<I>,
) => OpenStream<MessageShape<O>>;

export type DiscoverOptions = {
  readonly settings: Settings;
  readonly destination: OpenCall;
  readonly policy: OpenCall;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly scope: Scope;
};

type Topic<T> = Cache<string, Topical<T>>;
type Topical<T> = {
  readonly key: string;
  readonly watch: Subscription<T>;
  readonly busy: boolean;
  close(): void;
};

/** One line of what is known, for the admin page. */
export type Knowledge = {
  readonly topic: string;
  readonly key: string;
  readonly state: "pending" | "ok" | "failed";
  readonly ageMs: number | undefined;
  readonly broken: string | undefined;
};

// Remembered targets of one kind; beyond that the one that was idle the longest is forgotten.
const REMEMBERED = 4096;
const DAY_MS = 86_400_000;

/** What the parts of a sidecar ask. */
export interface Discovery {
  /** The client policy of an address or authority. */
  outboundPolicy(target: SocketAddr | string): Watch<Answer<OutboundPolicy>>;
  /** The profile of an address or authority. */
  profile(target: SocketAddr | string): Watch<Answer<Profile>>;
  /** The endpoints of a destination path (`name.namespace.svc.domain:port`). */
  endpoints(path: string): Watch<Answer<AddressSet>>;
  /** The policy of a port of this workload. */
  inboundPolicy(port: number): Watch<Answer<InboundPolicy>>;
}

export class Discover implements Discovery {
  readonly #options: DiscoverOptions;
  readonly #topics: Record<string, Topic<unknown>> = {};
  readonly #outbound: Topic<OutboundPolicy>;
  readonly #profiles: Topic<Profile>;
  readonly #endpoints: Topic<AddressSet>;
  readonly #inbound: Topic<InboundPolicy>;

  constructor(options: DiscoverOptions) {
    this.#options = options;
    const { settings, destination, policy } = options;
    const { workload } = settings.policy;
    const contextToken = settings.destination.context;
    const lingerMs = settings.outbound.discoveryIdleMs;
    this.#outbound = this.#topic("policy", lingerMs, (key) => {
      const addr = parseAddr(key);
      const target = addr
        ? ({ case: "addr", value: printTcpAddress(addr) } as const)
        : ({ case: "authority", value: key } as const);
      const spec = create(TrafficSpecSchema, { sourceWorkload: workload, target });
      return feed(policy(OutboundPolicies.method.watch, spec), () => parseOutboundPolicy);
    });
    this.#profiles = this.#topic("profile", lingerMs, (path) => {
      const target = create(GetDestinationSchema, { path, contextToken });
      return feed(destination(Destination.method.getProfile, target), () => parseProfile);
    });
    this.#endpoints = this.#topic("endpoints", lingerMs, (path) => {
      const target = create(GetDestinationSchema, { scheme: "k8s", path, contextToken });
      return feed(destination(Destination.method.get, target), () => {
        const book = new AddressBook();
        return (update) => book.apply(update);
      });
    });
    this.#inbound = this.#topic("server", settings.inbound.discoveryIdleMs, (port) => {
      const spec = create(PortSpecSchema, { workload, port: Number(port) });
      return feed(policy(InboundServerPolicies.method.watchPort, spec), () => parseInboundPolicy);
    });
    this.#measure();
  }

  outboundPolicy(target: SocketAddr | string): Subscription<OutboundPolicy> {
    return this.#outbound.at(typeof target === "string" ? target : printAddr(target)).watch;
  }

  profile(target: SocketAddr | string): Subscription<Profile> {
    return this.#profiles.at(typeof target === "string" ? target : printAddr(target)).watch;
  }

  endpoints(path: string): Subscription<AddressSet> {
    return this.#endpoints.at(path).watch;
  }

  inboundPolicy(port: number): Subscription<InboundPolicy> {
    return this.#inbound.at(String(port)).watch;
  }

  /** Everything that is looked at now. Costs O(targets). */
  report(): Knowledge[] {
    const now = this.#options.clock.now();
    return Object.entries(this.#topics).flatMap(([topic, cache]) =>
      cache
        .values()
        .filter(({ busy }) => busy)
        .map(({ key, watch }) => ({
          topic,
          key,
          state: watch.state.kind,
          ageMs: watch.heardAt === undefined ? undefined : Math.round(now - watch.heardAt),
          broken: watch.broken?.message,
        })),
    );
  }

  #topic<T>(name: string, lingerMs: number, bind: (key: string) => Feed<T>): Topic<T> {
    const { settings, clock, random, registry, scope } = this.#options;
    const failures = registry
      .counter("control_discovery_failures_total", "Streams of the control plane that failed")
      .with({ topic: name });
    const {
      streamInitialMs: initialMs,
      streamIdleMs: idleMs,
      streamLifetimeMs: lifetimeMs,
    } = settings.control;
    const limits = { initialMs, idleMs, lifetimeMs };
    const topic = new Cache<string, Topical<T>>(
      (key) => {
        const options = { feed: bind(key), ...limits, clock, random, lingerMs, failures };
        const watch = new Subscription(options);
        return {
          key,
          watch,
          get busy() {
            return watch.observed;
          },
          close: () => watch.halt(),
        };
      },
      { clock, idleMs: DAY_MS, max: REMEMBERED, scope },
    );
    this.#topics[name] = topic as Topic<unknown>;
    return topic;
  }

  #measure(): void {
    const { registry, scope } = this.#options;
    const stale = registry.gauge(
      "control_discovery_broken",
      "Targets in use whose stream is broken, so that old knowledge has to do",
    );
    const age = registry.gauge(
      "control_discovery_broken_age_seconds",
      "Age of the oldest knowledge that has to do",
    );
    const stop = registry.beforePrint(() => {
      const known = this.report();
      for (const topic of Object.keys(this.#topics)) {
        const broken = known.filter((one) => one.topic === topic && one.broken !== undefined);
        stale.with({ topic }).set(broken.length);
        age.with({ topic }).set(Math.max(0, ...broken.map((one) => one.ageMs ?? 0)) / 1000);
      }
    });
    scope.defer(stop);
  }
}
