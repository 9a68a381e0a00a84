// The metrics of a client by the service that it was used for (`rt/L/client/ID/service/SVC`).

import type { Exchange, Watcher } from "../stack/exchange.ts";
import type { MetricScope } from "./metrictree.ts";
import { routedOf } from "./routed.ts";
import { ScopeStats } from "./scopestats.ts";

// Names come from requests, so there must be an end of them.
const MAX_SERVICES = 1000;

export class PerService implements Watcher {
  private readonly scope: MetricScope;
  private readonly stats: Map<string, ScopeStats>;

  /** `scope` is that of the client. */
  constructor(scope: MetricScope) {
    this.scope = scope.at("service");
    this.stats = new Map();
  }

  begin(x: Exchange): void {
    this.of(x)?.begin();
  }

  head(): void {}

  end(x: Exchange): void {
    this.of(x)?.end(x);
  }

  private of({ req }: Exchange): ScopeStats | undefined {
    const name = routedOf(req)!.name!.text;
    let stats = this.stats.get(name);
    if (stats === undefined && this.stats.size < MAX_SERVICES) {
      stats = new ScopeStats(this.scope.at(name.slice(1)), false);
      this.stats.set(name, stats);
    }
    return stats;
  }
}
