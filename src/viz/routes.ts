// The answer of `viz routes`: golden metrics by route of ServiceProfiles. "Effective" is what the client got, "actual" what was
// sent for it: they differ by the retries.

import { type Group, type Match, type Metrics, sliceKey } from "./metrics.ts";
import type { Selector } from "./selector.ts";
import { order } from "./stat.ts";
import type { Labels } from "./text.ts";
import type { Traffic } from "./traffic.ts";
import { addTraffic, httpTraffic, matchOf, NO_PROBES } from "./traffic.ts";
import type { Named, World } from "./world.ts";
import { isWanted, podsOf, thingsOf } from "./world.ts";

export type RouteRow = {
  /** The route's name; "[DEFAULT]" for what no route matches. */
  readonly route: string;
  /** The service that has the route. */
  readonly service: string;
  readonly effective: Traffic | undefined;
  /** With `to` only. */
  readonly actual: { success: number; failure: number } | undefined;
};

export type RouteTable = { readonly of: Named; readonly rows: readonly RouteRow[] };

export const DEFAULT_ROUTE = "[DEFAULT]";

/** A table for each thing that `of` selects: what it serves, or what it sends `to` something. */
export async function routes(
  world: World,
  metrics: Metrics,
  of: Named,
  to: Named | undefined,
  windowMs: number,
  selector: Selector = () => true,
): Promise<RouteTable[]> {
  const wanted = thingsOf(world, of.kind).filter((t) => isWanted(t, of) && selector(t.labels));
  const things = of.kind === "all" ? [of] : wanted;
  const tables = await Promise.all(
    things.map(async ({ kind, namespace, name }) => {
      const thing = { kind, namespace, name };
      return { of: thing, rows: await rowsOf(world, metrics, thing, to, windowMs) };
    }),
  );
  return tables.filter(({ rows }) => rows.length > 0);
}

const ROUTE_LABELS = ["dst", "rt_route"];

async function rowsOf(
  world: World,
  metrics: Metrics,
  of: Named,
  to: Named | undefined,
  windowMs: number,
): Promise<RouteRow[]> {
  const services = servicesOf(world, to ?? of);
  const isServer = !to && of.kind === "service";
  const whose = of.kind === "all" || isServer ? {} : matchOf(of, "");
  const match: Match = { direction: to ? "outbound" : "inbound", ...whose };
  const [seen, actual, plain] = await Promise.all([
    routeTraffic(metrics, match, windowMs),
    metrics.increase(
      "route_actual_response_total",
      match,
      [...ROUTE_LABELS, "classification"],
      windowMs,
    ),
    profileless(metrics, of, to, services, windowMs),
  ]);
  // A server's proxy that knows no profiles leaves counting routes to its clients.
  const isBlind = !to && seen.size === 0;
  const effective = isBlind
    ? await routeTraffic(metrics, { direction: "outbound" }, windowMs)
    : seen;
  return services
    .flatMap((service) => {
      const profile = profileOf(world, service);
      const names = [
        ...(profile?.spec.routes.map((route) => route.name) ?? []).toSorted(order),
        "",
      ];
      return names.map((route): RouteRow => {
        const isMine = ({ labels }: { readonly labels: Labels }): boolean =>
          labels["rt_route"] === route && isOf(labels["dst"]!, service);
        const found = [...effective.values()].filter(isMine);
        const sent = actual.filter(isMine);
        return {
          route: route || DEFAULT_ROUTE,
          service: service.name,
          // A service has one name but may have several ports: the busiest speaks for the latency.
          effective:
            found.length > 0 ? found.reduce(addTraffic) : profile ? undefined : plain(service),
          actual: to && (sent.length > 0 ? tally(sent) : profile ? undefined : plain(service)),
        };
      });
    })
    .sort((a, b) => order(a.service, b.service));
}

function routeTraffic(metrics: Metrics, match: Match, windowMs: number) {
  const families = { responses: "route_response_total", latency: "route_response_latency_ms" };
  return httpTraffic(metrics, { match, by: ROUTE_LABELS }, windowMs, families);
}

// Without a profile, proxies count no routes: everything is the default route.
async function profileless(
  metrics: Metrics,
  of: Named,
  to: Named | undefined,
  services: readonly Named[],
  windowMs: number,
): Promise<(service: Named) => Traffic | undefined> {
  const by = ["dst_namespace", "dst_service"];
  if (to || of.kind === "service") {
    const whose = to && of.kind !== "all" ? matchOf(of, "") : {};
    const slice = { match: { direction: "outbound", ...whose }, by };
    const found = await httpTraffic(metrics, slice, windowMs);
    return ({ namespace, name }) =>
      found.get(sliceKey({ dst_namespace: namespace, dst_service: name }, by));
  }
  const match: Match = { direction: "inbound", ...NO_PROBES, ...matchOf(of, "") };
  const all = (await httpTraffic(metrics, { match, by: [] }, windowMs)).get("");
  return () => (services.length === 1 ? all : undefined);
}

function tally(groups: readonly Group[]) {
  const sum = { success: 0, failure: 0 };
  for (const { labels, value } of groups)
    sum[labels["classification"] === "success" ? "success" : "failure"] += value;
  return sum;
}

/** Whether a `dst` label ("web-svc.emojivoto.svc.cluster.local:80") names the service. */
function isOf(dst: string, { namespace, name }: Named): boolean {
  return (
    dst.startsWith(`${name}.${namespace}.svc.`) || dst.split(":")[0] === `${name}.${namespace}`
  );
}

function profileOf(world: World, { namespace, name }: Named) {
  for (const profile of world.profiles.values()) {
    if (isOf(profile.metadata.name, { kind: "service", namespace, name })) return profile;
  }
  return undefined;
}

/** The services that a thing is, or that lead to its pods. */
function servicesOf(world: World, thing: Named): Named[] {
  const all = thingsOf(world, "service");
  if (thing.kind === "service") return all.filter((service) => isWanted(service, thing));
  const pods = new Set(podsOf(world, thing));
  return all.filter((service) => podsOf(world, service).some((pod) => pods.has(pod)));
}
