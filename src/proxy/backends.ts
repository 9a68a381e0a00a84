// The backends of one target: each a queue before a balancer before endpoints, or the way to one fixed
// address. They outlive changes of policy, so that a new route does not cost the connections of the old one.

import { Fault } from "../base/fault.ts";
import type { Watch } from "../base/watch.ts";
import type { Conn } from "../io/conn.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { Balancer } from "../stack/balance.ts";
import type { Accrual } from "../stack/breaker.ts";
import type { Backend as Usable } from "../stack/distribute.ts";
import { RoundRobin } from "../stack/chooser.ts";
import type { Endpoint } from "../stack/endpoint.ts";
import { DEFAULT_LOAD } from "../stack/latency.ts";
import { Queue } from "../stack/queue.ts";
import { queueStats } from "../stack/routestats.ts";
import { bindHttpEndpoint, bindTcpEndpoint, type EndpointParts } from "./endpoint.ts";
import { metaLabels, type OutboundMetrics } from "./outboundmetrics.ts";
import type { Address, Backend, Meta } from "./policy.ts";
import type { Sidecar } from "./sidecar.ts";
import { bestKnown } from "./subscription.ts";

type Held<Req = never, Rsp = unknown> = Usable<Req, Rsp> & {
  readonly busy: boolean;
  close(): void;
};

type Balanced = Extract<Backend["to"], { kind: "balance" }>;

const NONE: ReadonlyMap<string, Address> = new Map();

export class Backends {
  readonly #sidecar: Sidecar;
  readonly #metrics: OutboundMetrics;
  #held = new Map<string, Held>();
  #before = new Map<string, Held>();

  constructor(sidecar: Sidecar, metrics: OutboundMetrics) {
    this.#sidecar = sidecar;
    this.#metrics = metrics;
  }

  /** Whether anything is under way. */
  get busy(): boolean {
    return [...this.#held.values()].some((backend) => backend.busy);
  }

  /** Calls `bind`, which asks for the backends of a policy; those that it does not ask for are closed. If it throws, all
   * is as it was before. */
  rebind<T>(bind: () => T): T {
    const before = (this.#before = this.#held);
    this.#held = new Map();
    try {
      const bound = bind();
      closeAllBut(this.#held, before);
      return bound;
    } catch (error) {
      closeAllBut(before, this.#held);
      this.#held = before;
      throw error;
    } finally {
      this.#before = new Map();
    }
  }

  close(): void {
    this.rebind(() => {});
  }

  /** A backend of HTTP requests. */
  http(parent: Meta, backend: Backend, accrual: Accrual | undefined): Usable<HttpReq, HttpRsp> {
    return this.#at("outbound_http", parent, backend, accrual, bindHttpEndpoint);
  }

  /** A backend of connections. */
  tcp(parent: Meta, backend: Backend): Usable<Conn, void> {
    return this.#at("outbound_tcp", parent, backend, undefined, bindTcpEndpoint);
  }

  /** What is known of each, for the admin page. */
  report(): unknown[] {
    const now = this.#sidecar.clock.now();
    return [...this.#held.values()]
      .filter((held) => held instanceof Queue)
      .map(({ balancer, state }) => ({
        backend: balancer.name,
        ...state,
        ready: balancer.readyCount,
        discovery: balancer.discovery.kind,
        endpoints: [...balancer.endpoints].map(([address, endpoint]) => ({
          address,
          ready: endpoint.ready,
          pending: endpoint.pending,
          load: Math.round(endpoint.load(now) * 1000) / 1000,
          broken: endpoint.broken?.fault.message,
          unreachable: endpoint.unreachable?.fault.message,
        })),
      }));
  }

  #at<Req, Rsp>(
    prefix: "outbound_http" | "outbound_tcp",
    parent: Meta,
    backend: Backend,
    accrual: Accrual | undefined,
    bind: (address: Address, parts: EndpointParts) => Endpoint<Req, Rsp, Address>,
  ): Usable<Req, Rsp> {
    const key = JSON.stringify([prefix, backend, accrual]);
    let held = (this.#held.get(key) ?? this.#before.get(key)) as Held<Req, Rsp> | undefined;
    if (held === undefined) {
      const endpoint = (load: EndpointParts["load"], balanced: boolean) => (address: Address) =>
        bind(address, { sidecar: this.#sidecar, metrics: this.#metrics, load, accrual, balanced });
      const { to } = backend;
      if (to.kind === "balance") {
        const bound = endpoint(to.load === "in-turn" ? "outstanding" : to.load, true);
        held = this.#balanced(prefix, parent, backend, to, bound);
      } else if (to.kind === "forward") {
        held = forward(endpoint(DEFAULT_LOAD, false)(to.address));
      } else {
        held = nowhere(backend.meta);
      }
    }
    this.#held.set(key, held as unknown as Held);
    return held;
  }

  #balanced<Req, Rsp>(
    prefix: string,
    parent: Meta,
    { meta, queue }: Backend,
    { path, load }: Balanced,
    endpoint: (address: Address) => Endpoint<Req, Rsp, Address>,
  ): Held<Req, Rsp> {
    const { clock, random, registry, discover } = this.#sidecar;
    const targets: Watch<ReadonlyMap<string, Address>> = bestKnown(discover.endpoints(path)).map(
      (answer) => (answer.exists ? answer.value.addresses : NONE),
    );
    const balancer = new Balancer<Req, Rsp, Address>({
      name: path,
      targets,
      endpoint,
      clock,
      random,
      ...(load === "in-turn" && { chooser: new RoundRobin() }),
    });
    const labels = {
      ...metaLabels("parent", parent),
      ...metaLabels("backend", meta),
      logical: path,
    };
    const watcher = queueStats(registry, prefix, labels, clock);
    return new Queue(balancer, { clock, watcher, ...queue });
  }
}

function closeAllBut(kept: ReadonlyMap<string, Held>, held: ReadonlyMap<string, Held>): void {
  for (const [key, backend] of held) if (!kept.has(key)) backend.close();
}

// One address that nothing can stand in for: a failure is the answer, and waiting would not help.
function forward<Req, Rsp>(endpoint: Endpoint<Req, Rsp, Address>): Held<Req, Rsp> {
  const { clock } = endpoint;
  const refuse = (_: Req, fault: Fault): Promise<never> => Promise.reject(fault);
  return {
    available: true,
    service: (req) => endpoint.send(req, clock.now(), refuse),
    get busy() {
      return endpoint.pending > 0;
    },
    close: () => endpoint.close(),
  };
}

// The control plane names a backend that it cannot resolve; the route's filters say what becomes of it.
function nowhere<Req, Rsp>(meta: Meta): Held<Req, Rsp> {
  const message = `the backend ${meta.kind} ${meta.namespace}/${meta.name} cannot be resolved`;
  return {
    available: false,
    busy: false,
    service: () => Promise.reject(new Fault("invalid-policy", message)),
    close() {},
  };
}
