// The balancer of a backend: it keeps one endpoint for each address that discovery names, knows which of them are
// ready, and picks one for each request. Endpoints come and go without disturbing the others; one that goes
// finishes what it has. It never waits: that is the queue's part (queue.ts).

import type { Clock } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import type { Random } from "../base/random.ts";
import type { Close, State, Watch } from "../base/watch.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { type Chooser, P2c } from "./chooser.ts";
import type { Endpoint, Keeper, Outage, Target } from "./endpoint.ts";

export type BalanceOptions<Req, Rsp, T extends Target> = {
  /** How messages call the backend, for example its authority. */
  readonly name: string;
  /** The addresses by key. A target that is a new object replaces its endpoint. */
  readonly targets: Watch<ReadonlyMap<string, T>>;
  readonly endpoint: (target: T) => Endpoint<Req, Rsp, T>;
  readonly clock: Clock;
  readonly random: Random;
  /** How to choose. Default: power of two choices. */
  readonly chooser?: Chooser<Endpoint<Req, Rsp, T>>;
  /** Uses broken endpoints when no other is left (Linkerd 1: "the pool never empties"). Default false. */
  readonly neverEmpty?: boolean;
  /** Keeps what discovery drops for as long as it is ready (Linkerd 1: `enableProbation`). Default false. */
  readonly probation?: boolean;
};

export class Balancer<Req = HttpReq, Rsp = HttpRsp, T extends Target = Target> implements Keeper {
  readonly name: string;
  readonly endpoints: Map<string, Endpoint<Req, Rsp, T>>;
  /** Whether discovery has answered, and its trouble if it has any. */
  discovery: State<unknown>;
  /** Told whenever readiness or the set changes; the queue listens. */
  onChange: () => void;
  /** On probation: discovery dropped them. */
  private readonly leaving: Set<string>;
  private ready: Endpoint<Req, Rsp, T>[];
  private usable: Endpoint<Req, Rsp, T>[];
  private readonly options: BalanceOptions<Req, Rsp, T>;
  private readonly chooser: Chooser<Endpoint<Req, Rsp, T>>;
  private stop: Close;

  constructor(options: BalanceOptions<Req, Rsp, T>) {
    this.name = options.name;
    this.endpoints = new Map();
    this.discovery = { kind: "pending" };
    this.onChange = () => {};
    this.leaving = new Set();
    this.ready = [];
    this.usable = [];
    this.options = options;
    this.chooser = options.chooser ?? new P2c(options.random);
    this.stop = () => {};
    this.stop = options.targets.observe((state) => this.follow(state));
  }

  get readyCount(): number {
    return this.ready.length;
  }

  /** Whether `pick` would find one. */
  get available(): boolean {
    return this.usable.length > 0;
  }

  /** An endpoint to send to now, if possible one that is not among `tried`; undefined when none can be used. */
  pick(now: number, tried: readonly unknown[] | undefined): Endpoint<Req, Rsp, T> | undefined {
    return (tried && this.pickFresh(now, tried)) ?? this.chooser.pick(now);
  }

  /** An endpoint to send to now that is not among `tried`. O(endpoints). */
  pickFresh(now: number, tried: readonly unknown[]): Endpoint<Req, Rsp, T> | undefined {
    const fresh = this.usable.filter((endpoint) => !tried.includes(endpoint));
    return fresh.length > 0 ? this.lighter(fresh, now) : undefined;
  }

  /** Stops following discovery and lets every endpoint finish. */
  close(): void {
    this.stop();
    for (const endpoint of this.endpoints.values()) this.remove(endpoint);
    this.endpoints.clear();
    this.changed();
  }

  changed(): void {
    if (this.leaving.size > 0) this.dismiss();
    this.ready = [...this.endpoints.values()].filter((endpoint) => endpoint.ready);
    const fallback = this.options.neverEmpty === true && this.ready.length === 0;
    this.usable = fallback ? [...this.endpoints.values()] : this.ready;
    this.chooser.use(this.usable);
    this.onChange();
  }

  private follow(state: State<ReadonlyMap<string, T>>): void {
    this.discovery = state;
    // What fails keeps what it knew: the endpoints stay as they are.
    if (state.kind === "ok") this.replace(state.value);
    this.changed();
  }

  private replace(targets: ReadonlyMap<string, T>): void {
    for (const [key, endpoint] of this.endpoints) {
      if (targets.get(key) === endpoint.target) this.leaving.delete(key);
      else if (this.options.probation && !targets.has(key)) this.leaving.add(key);
      else this.drop(key, endpoint);
    }
    let weights = 0;
    for (const [key, target] of targets) {
      weights += target.weight;
      if (this.endpoints.has(key)) continue;
      const endpoint = this.options.endpoint(target);
      endpoint.keeper = this;
      this.endpoints.set(key, endpoint);
    }
    const mean = weights / targets.size;
    for (const endpoint of this.endpoints.values()) {
      endpoint.share = mean > 0 ? endpoint.target.weight / mean : 1;
    }
  }

  private dismiss(): void {
    for (const key of this.leaving) {
      const endpoint = this.endpoints.get(key)!;
      if (!endpoint.ready) this.drop(key, endpoint);
    }
  }

  private drop(key: string, endpoint: Endpoint<Req, Rsp, T>): void {
    this.leaving.delete(key);
    this.endpoints.delete(key);
    this.remove(endpoint);
  }

  private remove(endpoint: Endpoint<Req, Rsp, T>): void {
    endpoint.keeper = undefined;
    endpoint.close();
  }

  private lighter(endpoints: readonly Endpoint<Req, Rsp, T>[], now: number): Endpoint<Req, Rsp, T> {
    const { random } = this.options;
    const a = endpoints[random.below(endpoints.length)]!;
    const b = endpoints[random.below(endpoints.length)]!;
    return a.load(now) <= b.load(now) ? a : b;
  }
}

/** What an operator wants to know of a backend that cannot be used: a reason to grep for, and a sentence. */
export function describe(balancer: Described, now: number): Description {
  const endpoints = [...balancer.endpoints.values()];
  const broken = endpoints.filter((endpoint) => endpoint.broken !== undefined);
  const unreachable = endpoints.filter((endpoint) => endpoint.unreachable !== undefined);
  const { discovery } = balancer;
  const last = endpoints
    .flatMap(({ broken, unreachable }) => [broken, unreachable])
    .filter((outage) => outage !== undefined)
    .sort((a, b) => b.since - a.since)[0];
  const count = plural(endpoints.length, "endpoint");
  if (endpoints.length === 0) {
    if (discovery.kind === "ok") return { reason: "no-endpoints", text: "it has no endpoints" };
    const why = discovery.kind === "failed" ? `: ${discovery.fault.message}` : "";
    return { reason: "discovery", text: `its endpoints are not known yet${why}` };
  }
  const ready = balancer.readyCount;
  const text =
    `${count}: ${ready} ready, ${broken.length} broken, ${unreachable.length} unreachable` +
    (last ? ` (for ${seconds(now - last.since)}: ${last.fault.message})` : "");
  if (ready > 0) return { reason: "busy", text, fault: last?.fault };
  const reason = unreachable.length > 0 ? "connect-failed" : "all-broken";
  return { reason, text, fault: last?.fault };
}

type Outages = { readonly broken: Outage | undefined; readonly unreachable: Outage | undefined };

type Described = {
  readonly endpoints: ReadonlyMap<string, Outages>;
  readonly discovery: State<unknown>;
  readonly readyCount: number;
};

export type Description = {
  readonly reason: string;
  readonly text: string;
  readonly fault?: Fault | undefined;
};

/** A duration for people: `340 ms`, `12 s`. */
export function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`;
}

function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
