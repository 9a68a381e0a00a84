// A destination that the workload talks to: what is known of it, turned into services each time that changes.
// Connections hold the target and ask for its services anew for each request, so that a change of policy
// reaches those that are open.

import type { Closable } from "../base/cache.ts";
import type { Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { combine, source, type Close, type Watch } from "../base/watch.ts";
import type { Conn, ConnService, SocketAddr } from "../io/conn.ts";
import { ConnStats } from "../stack/tcp.ts";
import { rescue } from "../stack/rescue.ts";
import type { HttpFilter, HttpService } from "../stack/types.ts";
import { Backends } from "./backends.ts";
import { parseAddr } from "./address.ts";
import { acceptedLabels, type OutboundMetrics, type TargetCounters } from "./outboundmetrics.ts";
import { planFor } from "./plan.ts";
import { builtIn, type OutboundPolicy, type Profile } from "./policy.ts";
import type { Sidecar } from "./sidecar.ts";
import { bestKnown, type Answer } from "./subscription.ts";

/** A policy as services. Those that its protocol does not have are absent. */
export type Bound = {
  readonly policy: OutboundPolicy;
  readonly http1: HttpService | undefined;
  readonly http2: HttpService | undefined;
  /** Byte streams, by their server name where they are TLS. */
  readonly bytes: ((sni: string | undefined) => ConnService) | undefined;
};

export type BindPolicy = (policy: OutboundPolicy, backends: Backends) => Bound;

export class Target implements Closable {
  /** `ip:port`, or the authority that a client named. */
  readonly name: string;
  /** Resolves when `bound` may be used, which is at once but for the first time. */
  readonly known: Promise<void>;
  /** Whether `known` has resolved. */
  settled: boolean;
  bound: Bound;
  counters: TargetCounters;
  /** Connections that hold it. */
  users: number;
  readonly backends: Backends;
  readonly #accepted: ConnStats;
  readonly #stop: Close;
  readonly #patience: Timer;
  readonly #settle: () => void;

  constructor(name: string, sidecar: Sidecar, metrics: OutboundMetrics, bind: BindPolicy) {
    const { clock, settings, logger } = sidecar;
    const key = parseAddr(name) ?? name;
    this.name = name;
    this.settled = false;
    this.users = 0;
    this.backends = new Backends(sidecar, metrics);
    this.#accepted = new ConnStats(sidecar.registry, metrics.conns, acceptedLabels(name));
    let reason = "the control plane has not answered";
    const answer = rescue({ log: logger, errors: metrics.httpErrors });
    this.bound = unknown(this.name, answer, () => reason);
    this.counters = metrics.ofTarget(this.bound.policy.meta);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#settle = () => {
      this.settled = true;
      resolve();
    };
    this.known = promise;
    this.#patience = clock.after(settings.outbound.tcpFailfastMs, this.#settle);
    let plan: OutboundPolicy | undefined;
    this.#stop = bestKnown(watchPlan(key, sidecar)).observe((state) => {
      if (state.kind === "failed") {
        reason = state.fault.message;
        logger.warn("policy is not up to date", { target: this.name, error: reason });
      }
      if (state.kind !== "ok" || state.value === plan) return;
      const next = (plan = state.value);
      this.bound = this.backends.rebind(() => bind(next, this.backends));
      this.counters = metrics.ofTarget(next.meta);
      this.#settle();
    });
  }

  get busy(): boolean {
    return this.users > 0 || this.backends.busy;
  }

  /** Calls `service`, which serves `conn`, while counting as used. */
  async use(conn: Conn, service: () => Promise<void>): Promise<void> {
    this.users += 1;
    this.#accepted.follow(conn);
    try {
      if (!this.settled) await this.known;
      await service();
    } finally {
      this.users -= 1;
    }
  }

  close(): void {
    this.#patience.cancel();
    this.#stop();
    // Whoever still waits hears that nothing is known.
    this.#settle();
    this.backends.close();
    this.#accepted.forget();
  }
}

function watchPlan(key: SocketAddr | string, sidecar: Sidecar): Watch<OutboundPolicy> {
  const { discover, settings } = sidecar;
  const original = typeof key === "string" ? addressOf(key) : key;
  const defaults = {
    queue: {
      capacity: settings.outbound.queueCapacity,
      failfastMs: settings.outbound.failfastMs,
    },
    detectMs: settings.outbound.detectTimeoutMs,
  };
  const value = <T>(answer: Answer<T>): T | undefined => (answer.exists ? answer.value : undefined);
  const both = combine<[Answer<OutboundPolicy>, Answer<Profile>]>([
    discover.outboundPolicy(key),
    dispensable(discover.profile(key)),
  ]);
  return both.map(([policy, profile]) =>
    planFor(original, value(policy), value(profile), defaults),
  );
}

// A profile adds to what the policy says; when it cannot be had, the policy has to do.
function dispensable<T>(watch: Watch<Answer<T>>): Watch<Answer<T>> {
  return source((set) =>
    watch.observe((state) => {
      if (state.kind !== "failed" || "last" in state) set(state);
      else set({ kind: "ok", value: { exists: false, why: state.fault.message } });
    }),
  );
}

// `host[:port]`; names are resolved when they are dialled.
function addressOf(authority: string): SocketAddr {
  const [, six, name, port = "80"] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(authority) ?? [];
  return { ip: six ?? name ?? authority, port: Number(port) };
}

// What stands for a destination of which the control plane has told nothing: it says so to whoever asks.
function unknown(name: string, answer: HttpFilter, reason: () => string): Bound {
  const fault = (): Fault =>
    new Fault("unavailable", `the policy of ${name} is not known: ${reason()}`);
  const http = answer(() => Promise.reject(fault()));
  const noRoutes = { routes: [], accrual: undefined };
  return {
    policy: {
      meta: builtIn("unknown"),
      protocol: { kind: "detect", timeoutMs: 10_000, opaque: [], http1: noRoutes, http2: noRoutes },
    },
    http1: http,
    http2: http,
    bytes: () => () => Promise.reject(fault()),
  };
}
