// The routes of ServiceProfiles on the inbound side: they change nothing there, they only name requests for the
// metrics `route_*`. The client's sidecar says which service a request is for; others by their authority.

import { Cache } from "../base/cache.ts";
import type { Close } from "../base/watch.ts";
import type { HttpReq } from "../io/message.ts";
import { byClasses, standard, type Classify } from "../stack/classify.ts";
import { Exchange, type Watcher } from "../stack/exchange.ts";
import { pathOf } from "../stack/route.ts";
import { HttpFamilies, Stats } from "../stack/stats.ts";
import type { HttpFilter } from "../stack/types.ts";
import { header, removeHeader } from "../wire/headers.ts";
import { isMeshed } from "./inboundmetrics.ts";
import { CANONICAL, type Profile } from "./policy.ts";
import { compileClasses, compileWants } from "./profile.ts";
import type { Sidecar } from "./sidecar.ts";

/** Counts requests by the routes of their services' profiles; takes the field off. */
export function profiles(sidecar: Sidecar): HttpFilter {
  const { clock, scope, registry, settings } = sidecar;
  const families = new HttpFamilies(registry, "route_");
  const { discoveryIdleMs: idleMs } = settings.inbound;
  const known = new Cache((name: string) => new Known(name, sidecar, families), {
    clock,
    scope,
    idleMs,
    max: 1000,
  });
  const suffixes = settings.destination.profileSuffixes.map(domainOf);
  return (next) =>
    function profiles(req) {
      const name = nameOf(req, suffixes);
      const route = name === undefined ? undefined : known.at(name).routeOf(req);
      if (route === undefined) return next(req);
      return new Exchange(req, clock.now(), clock, [route]).through(next);
    };
}

function nameOf(req: HttpReq, suffixes: readonly string[]): string | undefined {
  const canonical = header(req.headers, CANONICAL);
  if (canonical !== undefined) removeHeader(req.headers, CANONICAL);
  if (canonical !== undefined && isMeshed(req)) return canonical;
  const { authority } = req;
  const colon = authority.lastIndexOf(":");
  const host = colon < 0 ? authority : authority.slice(0, colon);
  if (!suffixes.some((suffix) => host.endsWith(suffix))) return undefined;
  return colon < 0 ? `${host}:80` : authority;
}

function domainOf(suffix: string): string {
  return `.${suffix.replace(/^\.|\.$/g, "")}`;
}

// What is known of one service: nothing at first, for which no request waits.
class Known {
  readonly #name: string;
  readonly #families: HttpFamilies;
  readonly #stop: Close;
  #routes: readonly Route[] = [];

  constructor(name: string, { discover }: Sidecar, families: HttpFamilies) {
    this.#name = name;
    this.#families = families;
    this.#stop = discover.profile(name).each((answer) => {
      this.#routes = answer.exists ? this.#bind(answer.value) : [];
    });
  }

  routeOf(req: HttpReq): Route | undefined {
    if (this.#routes.length === 0) return undefined;
    const path = pathOf(req);
    return this.#routes.find(({ wants }) => wants(req.method, path));
  }

  close(): void {
    this.#stop();
  }

  #bind({ routes }: Profile): Route[] {
    if (routes.length === 0) return [];
    const bind = (own: Readonly<Record<string, string>>): Stats => {
      const labels = Object.entries(own).map(([name, value]) => [`rt_${name}`, value]);
      const all = { direction: "inbound", dst: this.#name, ...Object.fromEntries(labels) };
      return new Stats(this.#families, all);
    };
    const rest = new Route(() => true, standard, bind({}));
    const listed = routes.map(
      ({ rule }) =>
        new Route(compileWants(rule), byClasses(compileClasses(rule)), bind(rule.labels)),
    );
    return [...listed, rest];
  }
}

class Route implements Watcher {
  readonly wants: (method: string, path: string) => boolean;
  readonly #classify: Classify;
  readonly #stats: Stats;

  constructor(wants: Route["wants"], classify: Classify, stats: Stats) {
    this.wants = wants;
    this.#classify = classify;
    this.#stats = stats;
  }

  begin(): void {
    this.#stats.begin();
  }

  head(x: Exchange): void {
    this.#stats.head(x);
  }

  end(x: Exchange): void {
    // The profile has its own idea of success, and this exchange is watched by nobody else.
    x.success = x.fault === undefined && this.#classify(x);
    this.#stats.end(x);
  }
}
