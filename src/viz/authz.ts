// The answer of `viz authz`: for each server, route and authorization of a resource, what was let in, turned away, and how
// the let-in requests fared.

import { type Match, type Metrics, sliceKey } from "./metrics.ts";
import { order } from "./stat.ts";
import type { Traffic } from "./traffic.ts";
import { groupLabels, httpTraffic, matchOf } from "./traffic.ts";
import type { Named } from "./world.ts";

export type AuthzRow = {
  /** Kinds as proxies say them ("server", "default", "httproute", "authorizationpolicy", …); name "" for none. */
  readonly server: Named;
  readonly route: Named;
  readonly authz: Named;
  readonly http: Traffic | undefined;
  readonly allowed: number;
  readonly denied: number;
};

const PARTS = ["srv", "route", "authz"] as const;
const SERVER_AND_ROUTE = ["namespace", "srv_kind", "srv_name", "route_kind", "route_name"];
const ALL_PARTS = [...SERVER_AND_ROUTE, "authz_kind", "authz_name"];

/** The rows of a resource, or of all with one of `names`, in order of route and server; what nothing authorized has an
 * empty `authz`. */
export async function authz(
  metrics: Metrics,
  of: Named,
  windowMs: number,
  names?: readonly string[],
): Promise<AuthzRow[]> {
  if (names?.length === 0) return [];
  const chosen = names && { [groupLabels(of.kind, "").at(-1)!]: names };
  const match: Match = { direction: "inbound", ...matchOf(of, ""), ...chosen };
  const { direction: _, ...anywhere } = match;
  const [http, allowed, denied] = await Promise.all([
    httpTraffic(metrics, { match, by: ALL_PARTS }, windowMs),
    metrics.increase("inbound_http_authz_allow_total", anywhere, ALL_PARTS, windowMs),
    metrics.increase("inbound_http_authz_deny_total", anywhere, SERVER_AND_ROUTE, windowMs),
  ]);
  const rows = allowed.map(({ labels, value }) => ({
    ...partsOf(labels),
    http: http.get(sliceKey(labels, ALL_PARTS)),
    allowed: value,
    denied: 0,
  }));
  const refused = denied
    .filter(({ value }) => value > 0)
    .map(({ labels, value }) => ({
      ...partsOf(labels),
      http: undefined,
      allowed: 0,
      denied: value,
    }));
  return [...rows, ...refused].sort(
    (a, b) =>
      order(a.route.name, b.route.name) ||
      order(a.server.name, b.server.name) ||
      order(a.authz.name, b.authz.name),
  );
}

function partsOf(labels: Readonly<Record<string, string>>) {
  const [server, route, rule] = PARTS.map((part) => ({
    kind: labels[`${part}_kind`] ?? "",
    namespace: labels["namespace"] ?? "",
    name: labels[`${part}_name`] ?? "",
  })) as [Named, Named, Named];
  return { server, route, authz: rule };
}
