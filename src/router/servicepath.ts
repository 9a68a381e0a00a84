// One service name of a router, under the rules that its requests bring along: its settings, and the watch of what the
// name is bound to. Requests of a name that is not bound yet wait for that, for a time.

import { Fault } from "../base/fault.ts";
import { known, type Close, type State } from "../base/watch.ts";
import type { Bound } from "../name/bind.ts";
import { type Delegation, isSettled } from "../name/delegate.ts";
import { mapTree, type NameTree, pickLeaf } from "../name/nametree.ts";
import { printPath } from "../name/path.ts";
import type { Classify } from "../stack/classify.ts";
import type { HttpService } from "../stack/types.ts";
import { WaitingRoom } from "../stack/waitingroom.ts";
import type { Bindable } from "./bindcache.ts";
import { bindClassifier, type Classifier } from "./classifiers.ts";
import { printDuration } from "./duration.ts";
import type { LocalDtab } from "./localdtab.ts";
import type { MetricScope } from "./metrictree.ts";
import type { ServicePolicy } from "./routerconfig.ts";
import type { RouterParts } from "./routerparts.ts";
import { ScopeStats } from "./scopestats.ts";
import type { ServiceName } from "./servicename.ts";
import { settled } from "./settled.ts";
import { policyFor, type Policy } from "./yamlpolicy.ts";

/** A leaf of a bound tree: a client to send to, under what is left of the name. */
export type BoundLeaf = {
  readonly bound: Bound;
  /** Tells it from all others of the router. */
  readonly key: string;
  readonly id: string;
  /** `/` when nothing is left. */
  readonly residual: string;
};

// How long a routing error waits for all branches to be told.
const EXPLAIN_MS = 300;

export class ServicePath implements Bindable {
  readonly name: ServiceName;
  readonly dtab: LocalDtab;
  readonly settings: ServicePolicy;
  readonly classifier: Classifier;
  /** The same for those who watch exchanges; an answer of the proxy's own is judged by its status. */
  readonly classify: Classify;
  /** `rt/L/service/<name>`. */
  readonly scope: MetricScope;
  readonly stats: ScopeStats;
  /** The filters of the service; set once, when it is bound. */
  service: HttpService;
  readonly #parts: RouterParts;
  readonly #release: Close;
  readonly #stop: Close;
  readonly #waiting = new WaitingRoom();
  #state: State<NameTree<BoundLeaf>> = { kind: "pending" };

  constructor(name: ServiceName, dtab: LocalDtab, parts: RouterParts) {
    const { config, interpreter, plugins, scope } = parts;
    this.name = name;
    this.dtab = dtab;
    this.settings = policyFor(config.service as Policy<ServicePolicy>, name.path).settings;
    this.classifier = bindClassifier(this.settings.responseClassifier, plugins);
    const { classifier } = this;
    this.classify = ({ rsp, grpcStatus }) =>
      rsp!.fault === undefined ? classifier.isSuccess(rsp!, grpcStatus) : rsp!.status < 500;
    this.scope = scope.at("service", name.text.slice(1));
    this.stats = new ScopeStats(this.scope, false);
    this.service = () => Promise.reject(new Fault("unavailable", "not bound"));
    this.#parts = parts;
    this.#release = this.scope.hold();
    const tree = interpreter
      .bind([...config.dtab, ...dtab.dtab], name.path)
      .map((bound) => mapTree(bound, leafOf));
    this.#stop = tree.observe((state) => {
      this.#state = state;
      if (state.kind !== "pending") this.#waiting.release();
    });
  }

  get busy(): boolean {
    return this.stats.pending > 0;
  }

  /** Requests under way. */
  get pending(): number {
    return this.stats.pending;
  }

  /** Why the name cannot be bound, where that is an error. */
  get error(): string | undefined {
    return this.#state.kind === "failed" ? this.#state.fault.message : undefined;
  }

  /** Sends each request to one of the leaves that the name is bound to, by chance and weight. */
  choose(serve: (leaf: BoundLeaf, now: number) => HttpService): HttpService {
    const { random, clock, config } = this.#parts;
    const waitMs = config.bindingTimeoutMs;
    const patience = { clock, waitMs, fault: () => this.#late() };
    const choose: HttpService = (req) => {
      const tree = known(this.#state);
      if (tree === undefined && this.#state.kind === "pending") {
        return this.#waiting.wait(req, choose, patience);
      }
      const leaf = tree && pickLeaf(tree, random);
      if (leaf === undefined) return Promise.reject(this.#noRoute());
      return serve(leaf, req.at)(req);
    };
    return choose;
  }

  /** All branches of the name, for a routing error; undefined when the interpreter cannot tell. */
  explain(): Promise<Delegation | undefined> {
    const { clock, config, interpreter } = this.#parts;
    const watch = interpreter.delegate?.([...config.dtab, ...this.dtab.dtab], this.name.path);
    if (watch === undefined) return Promise.resolve(undefined);
    return settled(watch, clock, EXPLAIN_MS, isSettled).then(({ value }) => value);
  }

  close(): void {
    this.#stop();
    this.#release();
  }

  #late(): Fault {
    const limit = printDuration(this.#parts.config.bindingTimeoutMs);
    const message = `Exceeded ${limit} binding timeout while resolving name: ${this.name.text}`;
    return new Fault("unavailable", message);
  }

  #noRoute(): Fault {
    return new Fault("no-route", this.error ?? "the name is bound to nothing");
  }
}

function leafOf(bound: Bound): BoundLeaf {
  const id = printPath(bound.id);
  const residual = printPath(bound.residual);
  return { bound, id, residual, key: `${id}\n${residual}` };
}
