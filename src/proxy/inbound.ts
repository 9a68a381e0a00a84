// The inbound page: what a request meets on its way to the application, in order, with the reason for each
// place. All of it is bound when the policy of a port changes; for a request, only the inner functions run.

import type { HttpReq, HttpRsp } from "../io/message.ts";
import { AccessLog } from "../stack/accesslog.ts";
import { authorize, identityOf } from "../stack/authorize.ts";
import { mark, standard } from "../stack/classify.ts";
import { observe } from "../stack/exchange.ts";
import { clientId } from "../stack/identity.ts";
import { limit } from "../stack/limit.ts";
import { normalize, strip } from "../stack/normalize.ts";
import { ratelimit } from "../stack/ratelimit.ts";
import { rescue } from "../stack/rescue.ts";
import { rewrite } from "../stack/rewrite.ts";
import { byRoute } from "../stack/route.ts";
import { inboundRouteStats } from "../stack/routestats.ts";
import { trace } from "../stack/trace.ts";
import { stack, type Bind, type HttpService } from "../stack/types.ts";
import { downgrade } from "../stack/upgrade.ts";
import {
  clientLabels,
  metaLabels,
  serverLabels,
  StatsByClient,
  type InboundMetrics,
} from "./inboundmetrics.ts";
import type { InboundRoute, InboundRule } from "./policy.ts";
import type { Sidecar } from "./sidecar.ts";
import type { Port } from "./port.ts";

/** The HTTP service of a port: `app` is the application there, `policy` what holds now. */
export const bindInbound =
  (sidecar: Sidecar, metrics: InboundMetrics, accessLog: AccessLog | undefined) =>
  (
    { addr, policy, loopback }: Pick<Port, "addr" | "policy" | "loopback">,
    app: HttpService,
  ): HttpService => {
    const { clock, random, registry, logger: log, settings, spans: sink } = sidecar;
    const { routes, rateLimit, kind } = policy.protocol;
    const server = serverLabels(addr, policy);
    const grpc = kind === "grpc" ? "inbound_grpc" : "inbound_http";
    const limited =
      rateLimit && ratelimit(rateLimit, { clock, onLimit: (scope) => onLimit(scope) });

    const http = (routed: HttpService): HttpService =>
      stack(
        [
          observe(clock, accessLog ? [accessLog] : []), // Above all else: it tells what the client got.
          trace({ kind: "server", sink, clock, random, attributes: { direction: "inbound" } }), // A refusal is a span too.
          rescue({
            log,
            errors: metrics.httpErrors,
            labels: server,
            informs: (req) => isMeshed(req),
          }), // Answers whatever fails below.
          limit(settings.inbound.maxInFlight), // Above routing: what is refused shall cost no more than that.
          downgrade, // Routes and applications see the version that the client spoke.
          clientId, // Nobody but us says who the client is.
          strip(["l5d-dst-canonical", "l5d-require-id"]), // Words between proxies are not for the application.
          normalize, // Routing reads an authority.
        ],
        routed,
      );

    const ofRule = (rule: InboundRule, route: InboundRoute): HttpService => {
      const labels = { ...server, ...metaLabels("route", route.meta) };
      return authorize(
        [...route.authorizations, ...policy.authorizations],
        (authz) =>
          stack(
            [
              mark({ labels, classify: standard }), // Before all who judge responses.
              ...rewrite(rule.filters, random, rule.matches), // Only for those who may.
              ...(limited ? [limited] : []), // The denied must not use up the share of others.
              observe(clock, [
                new StatsByClient(metrics, { ...labels, ...metaLabels("authz", authz.meta) }),
                inboundRouteStats(registry, grpc, labels),
              ]), // Next to the application: its latency, not ours.
            ],
            app,
          ),
        {
          ...(loopback ? { loopback } : {}),
          onDeny: (peer) => metrics.httpDenied.with({ ...labels, ...clientLabels(peer) }).inc(),
        },
      );
    };

    const onLimit = (scope: string): void => {
      const { group, kind: type, name } = rateLimit!.meta;
      metrics.rateLimited
        .with({
          ...server,
          ratelimit_group: group,
          ratelimit_kind: type,
          ratelimit_name: name,
          scope,
        })
        .inc();
    };

    return http(byRoute(routes, (rule, route) => ofRule(rule, route as InboundRoute)));
  };

function isMeshed(req: HttpReq): boolean {
  return identityOf(req.peer) !== undefined;
}
