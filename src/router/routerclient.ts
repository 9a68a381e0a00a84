// One client of a router: what a bound id (`/#/io.l5d.fs/web`) stands for, with its settings, its balancer over the
// addresses of the id, and its metrics.

import { Budget } from "../base/budget.ts";
import { type Close, source, type State, type Watch } from "../base/watch.ts";
import type { CertClient } from "../io/certtls.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { Addr } from "../name/addr.ts";
import type { Path } from "../name/path.ts";
import { Balancer } from "../stack/balance.ts";
import { Requeue } from "../stack/requeue.ts";
import type { HttpService } from "../stack/types.ts";
import { balancingOf } from "./accruals.ts";
import { watchAddresses, type EndpointAddress } from "./addresses.ts";
import type { Bindable } from "./bindcache.ts";
import type { MetricScope } from "./metrictree.ts";
import type { ClientPolicy } from "./routerconfig.ts";
import { bindEndpoint } from "./routerendpoint.ts";
import type { RouterParts } from "./routerparts.ts";
import { ScopeStats } from "./scopestats.ts";
import { watchClientTls } from "./tlsfiles.ts";
import type { BoundLeaf } from "./servicepath.ts";
import { policyFor, type Policy } from "./yamlpolicy.ts";

export class RouterClient implements Bindable {
  /** `/#/io.l5d.fs/web`. */
  readonly id: string;
  readonly path: Path;
  readonly settings: ClientPolicy;
  readonly tls: Watch<CertClient> | undefined;
  /** `rt/L/client/<id>`. */
  readonly scope: MetricScope;
  readonly stats: ScopeStats;
  readonly balancer: Balancer<HttpReq, HttpRsp, EndpointAddress>;
  /** The filters of the client; set once, when it is bound. */
  service: HttpService;
  /** Sends to an endpoint, and to another one if that could not even be reached. */
  readonly send: HttpService;
  /** Whether discovery knows the name, which may have no addresses; undefined until it has answered. */
  known: Addr["kind"] | undefined;
  /** When discovery last said other addresses, and since when it fails; in milliseconds since 1970. */
  changedAt: number | undefined;
  failedAt: number | undefined;
  readonly #requeue: Requeue<EndpointAddress>;
  readonly #release: Close;
  readonly #stopTls: Close | undefined;
  readonly #parts: RouterParts;

  constructor({ id, bound }: BoundLeaf, parts: RouterParts) {
    const { clock, random, config, scope, plugins } = parts;
    this.id = id;
    this.path = bound.id;
    const found = policyFor(config.client as Policy<ClientPolicy>, bound.id);
    this.settings = found.settings;
    this.tls = watchClientTls(found.settings.tls, found.captures, clock);
    // Looked at all the time, so that the files are read once and then watched.
    this.#stopTls = this.tls?.observe(() => {});
    this.known = undefined;
    this.changedAt = undefined;
    this.failedAt = undefined;
    this.scope = scope.at("client", id.slice(1));
    this.stats = new ScopeStats(this.scope, true);
    this.#release = this.scope.hold();
    this.#parts = parts;
    const { requeueBudget, loadBalancer } = this.settings;
    const { chooser, load } = balancingOf(loadBalancer, { random, plugins });
    this.balancer = new Balancer({
      name: id,
      targets: watchAddresses(this.#noted(bound.addr)),
      endpoint: (target) => bindEndpoint(target, { ...parts, client: this, load }),
      clock,
      random,
      chooser: chooser as never,
      neverEmpty: true,
      probation: loadBalancer.enableProbation,
    });
    const budget = new Budget(clock, {
      ratio: requeueBudget.percentCanRetry,
      minPerSecond: requeueBudget.minRetriesPerSec,
      ttlMs: requeueBudget.ttlSecs * 1000,
    });
    const retries = this.scope.at("retries");
    this.#requeue = new Requeue(this.balancer, {
      clock,
      budget,
      waitMs: config.bindingTimeoutMs,
      counters: {
        requeues: retries.counter("requeues"),
        budgetExhausted: retries.counter("budget_exhausted"),
        requestLimit: retries.counter("request_limit"),
      },
    });
    retries.gauge(() => budget.balance, "budget");
    measure(this.scope.at("loadbalancer"), this.balancer);
    this.scope.gauge(() => this.staleMs, "discovery", "stale_ms");
    this.send = this.#requeue.service;
    this.service = this.send;
  }

  get busy(): boolean {
    return this.stats.pending > 0 || this.#requeue.pending > 0;
  }

  /** What discovery says of its addresses. */
  get discovery(): State<unknown> {
    return this.balancer.discovery;
  }

  /** How long discovery has failed; 0 while it answers. */
  get staleMs(): number {
    return this.failedAt === undefined ? 0 : Math.round(this.#parts.clock.wall() - this.failedAt);
  }

  close(): void {
    this.#parts.logger.info(`Reaping ${this.id}`);
    this.#requeue.close();
    this.#release();
    this.#stopTls?.();
  }

  #noted(watch: Watch<Addr>): Watch<Addr> {
    return source((set) =>
      watch.observe((state) => {
        const now = this.#parts.clock.wall();
        if (state.kind === "ok") {
          this.changedAt = now;
          this.known = state.value.kind;
        }
        this.failedAt = state.kind === "failed" ? (this.failedAt ?? now) : undefined;
        set(state);
      }),
    );
  }
}

function measure(scope: MetricScope, balancer: Balancer<HttpReq, HttpRsp, EndpointAddress>): void {
  const endpoints = () => [...balancer.endpoints.values()];
  scope.gauge(() => balancer.endpoints.size, "size");
  scope.gauge(() => balancer.readyCount, "available");
  scope.gauge(() => balancer.endpoints.size - balancer.readyCount, "busy");
  scope.gauge(() => 0, "closed");
  scope.gauge(() => endpoints().reduce((sum, { pending }) => sum + pending, 0), "load");
  scope.gauge(() => {
    const all = endpoints();
    return all.length === 0
      ? 0
      : all.reduce((sum, { target }) => sum + target.weight, 0) / all.length;
  }, "meanweight");
}
