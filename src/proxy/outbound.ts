// The outbound page: what a request of the workload meets on its way to an endpoint, in order, with the reason
// for each place. All of it is bound when the policy of a destination changes; for a request, only the inner
// functions run.

import { Budget } from "../base/budget.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { byClasses, mark, standard } from "../stack/classify.ts";
import { distribute } from "../stack/distribute.ts";
import { observe } from "../stack/exchange.ts";
import { limit } from "../stack/limit.ts";
import { normalize } from "../stack/normalize.ts";
import { overridable } from "../stack/overrides.ts";
import { rescue } from "../stack/rescue.ts";
import { retry } from "../stack/retry.ts";
import { rewrite } from "../stack/rewrite.ts";
import { retryStats } from "../stack/routestats.ts";
import { timeout } from "../stack/timeout.ts";
import { trace } from "../stack/trace.ts";
import { stack, type Bind, type HttpService } from "../stack/types.ts";
import type { Backends } from "./backends.ts";
import {
  backendLabels,
  parentLabels,
  routeLabels,
  type OutboundMetrics,
} from "./outboundmetrics.ts";
import type { HttpRoute, HttpRoutes, HttpRule, OutboundPolicy } from "./policy.ts";
import { byRule } from "./rules.ts";
import type { Sidecar } from "./sidecar.ts";
import type { BindPolicy, Bound } from "./target.ts";
import { bindBytes } from "./tcproute.ts";

/** The services of a destination, for a policy and the backends that it may keep from the one before. */
export const bindOutbound =
  (
    { settings, clock, random, registry, logger: log, spans: sink }: Sidecar,
    metrics: OutboundMetrics,
  ): BindPolicy =>
  ({ meta, protocol, ...policy }, backends): Bound => {
    const grpc = protocol.kind === "grpc" ? "outbound_grpc" : "outbound_http";
    const {
      maxInFlight,
      ingressMode,
      disableInformational: hides = ingressMode,
    } = settings.outbound;

    const http: Bind<HttpRoutes, HttpReq, HttpRsp> = ({ routes, accrual }) =>
      stack(
        [
          normalize, // Everybody below reads one form of request.
          trace({ kind: "server", sink, clock, random, attributes: { direction: "outbound" } }), // A refusal is a span too.
          rescue({ log, errors: metrics.httpErrors, informs: () => !hides }), // Whatever fails below is answered here.
          limit(maxInFlight), // Above routing: what is refused shall cost no more than that.
        ],
        byRule(routes, (rule, route) => ofRule(rule, route, accrual)),
      );

    const ofRule = (
      rule: HttpRule,
      route: HttpRoute,
      accrual: HttpRoutes["accrual"],
    ): HttpService => {
      const { profile } = rule;
      const labels = { ...parentLabels(meta), ...routeLabels(route.meta) };
      const budget = profile && new Budget(clock, profile.budget);
      const retries = { clock, random, budget, counters: retryStats(registry, grpc, labels) };

      const shares = rule.to.backends.map(({ backend: wanted, weight, filters }) => {
        const backend = backends.http(meta, wanted, accrual); // Queue, balancer, breaker, endpoint.
        const watchers = metrics.ofBackend(
          grpc,
          { ...labels, ...backendLabels(wanted.meta) },
          profile,
        );
        const service = stack(
          [observe(clock, watchers), ...rewrite(filters, random)],
          backend.service,
        );
        return { weight, backend, service };
      });
      const attempt = distribute(rule.to.kind, shares, random);

      return stack(
        [
          mark({ labels, classify: profile ? byClasses(profile.classes) : standard }), // Before all who judge responses.
          observe(clock, metrics.ofRoute(grpc, labels, profile)), // Above retries: what the application sees.
          ...rewrite(rule.filters, random, rule.matches), // Once for a request, not for each attempt.
        ],
        overridable(rule, rule.obeysHeaders, (limits) =>
          stack(
            [
              timeout(limits.timeouts, clock), // The whole budget, retries included.
              ...(limits.retry ? [retry(limits.retry, retries)] : []), // Each attempt picks an endpoint afresh.
            ],
            attempt,
          ),
        ),
      );
    };

    return {
      policy: { meta, protocol, ...policy },
      http1:
        "http1" in protocol
          ? http(protocol.http1)
          : "http" in protocol
            ? http(protocol.http)
            : undefined,
      http2:
        "http2" in protocol
          ? http(protocol.http2)
          : "http" in protocol
            ? http(protocol.http)
            : undefined,
      bytes: bindBytes(protocol, { meta, backends, metrics, random }),
    };
  };
