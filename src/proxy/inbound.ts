// The inbound page: what a request meets on its way to the application, in order, with the reason for each
// place. All of it is bound when the policy of a port changes; for a request, only the inner functions run.

import type { BindBucket } from "../base/buckets.ts";
import { authorize } from "../stack/authorize.ts";
import { mark, standard } from "../stack/classify.ts";
import { observe } from "../stack/exchange.ts";
import { clientId } from "../stack/identity.ts";
import { limit } from "../stack/limit.ts";
import { normalize } from "../stack/normalize.ts";
import { ratelimit } from "../stack/ratelimit.ts";
import { rescue } from "../stack/rescue.ts";
import { rewrite } from "../stack/rewrite.ts";
import { byRoute } from "../stack/route.ts";
import { trace } from "../stack/trace.ts";
import { stack, type HttpFilter, type HttpService } from "../stack/types.ts";
import { downgrade } from "../stack/upgrade.ts";
import { isMeshed, metaLabels, serverLabels, type InboundMetrics } from "./inboundmetrics.ts";
import { profiles } from "./inboundprofiles.ts";
import { Lately } from "./lately.ts";
import type { InboundRoute, InboundRule, ServerRateLimit } from "./policy.ts";
import type { Port } from "./port.ts";
import { accessLog } from "./accesslog.ts";
import type { Sidecar } from "./sidecar.ts";

export type BindPort = (port: Port, application: HttpService) => HttpService;

/** The HTTP service of a port, for the policy that holds there now. */
export function bindInbound(sidecar: Sidecar, metrics: InboundMetrics): BindPort {
  const { settings, clock, random, logger: log, spans: sink } = sidecar;
  const profiled = profiles(sidecar);
  const logged = accessLog(sidecar, "inbound");
  const server = { kind: "server", attributes: { direction: "inbound" } } as const;

  return ({ addr, policy, loopback }, application) => {
    const { routes, rateLimit, kind } = policy.protocol;
    const prefix = kind === "grpc" ? "inbound_grpc" : "inbound_http";
    const labels = serverLabels(addr, policy);
    const lately = new Lately(sidecar);
    const { refuses } = lately;
    // One for all routes: the limit is the server's.
    const limited = rateLimit
      ? [limitedTo(rateLimit, addr.port, sidecar, metrics.onLimit(labels, rateLimit.meta))]
      : [];

    const ofRule = (rule: InboundRule, route: InboundRoute): HttpService => {
      const routed = { ...labels, ...metaLabels("route", route.meta) };
      const bind = (authz: (typeof policy.authorizations)[number]): HttpService =>
        stack(
          [
            mark({ labels: routed, classify: standard }), // Before all who judge responses.
            ...rewrite(rule.filters, random, rule.matches), // Only for those who may.
            ...limited, // Below authorization: the denied must not use up the share of others.
            observe(clock, [lately, ...metrics.ofRoute(prefix, routed, authz.meta)]), // The application's time, not ours.
          ],
          application,
        );
      const options = { ...(loopback && { loopback }), onDeny: metrics.onDeny(routed) };
      return authorize([...route.authorizations, ...policy.authorizations], bind, options);
    };

    return stack(
      [
        ...logged, // Above all else: it tells what the client got.
        trace({ ...server, sink, clock, random }), // Above the answers to faults: a refusal is a span too.
        rescue({ log, errors: metrics.httpErrors, labels, informs: isMeshed, refuses }), // Answers whatever fails below.
        limit(settings.inbound.maxInFlight), // Above routing: what is refused shall cost no more than that.
        downgrade, // Routes and the application see the version that the client spoke.
        clientId, // Nobody but us says who the client is.
        normalize, // Routes and profiles ask for an authority.
        profiled, // Above authorization, as on the client's side: a refusal counts against its route.
      ],
      byRoute(routes, (rule, route) => ofRule(rule, route as InboundRoute), metrics.onMiss(labels)),
    );
  };
}

function limitedTo(
  rateLimit: ServerRateLimit,
  port: number,
  { clock, buckets }: Sidecar,
  onLimit: (scope: string) => void,
): HttpFilter {
  const bucket: BindBucket | undefined =
    buckets && ((rps, name) => buckets(rps, `${port} ${name}`));
  return ratelimit(rateLimit, { clock, onLimit, ...(bucket && { bucket }) });
}
