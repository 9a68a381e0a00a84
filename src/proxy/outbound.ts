// The outbound page: what a request of the workload meets on its way to an endpoint, in order, with the reason
// for each place. All of it is bound when the policy of a destination changes; for a request, only the inner
// functions run.

import { Budget } from "../base/budget.ts";
import type { Accrual } from "../stack/breaker.ts";
import { byClasses, mark, standard } from "../stack/classify.ts";
import { distribute } from "../stack/distribute.ts";
import { observe } from "../stack/exchange.ts";
import { limit } from "../stack/limit.ts";
import { normalize, strip, stripResponse } from "../stack/normalize.ts";
import { overridable } from "../stack/overrides.ts";
import { rescue } from "../stack/rescue.ts";
import { retry } from "../stack/retry.ts";
import { rewrite } from "../stack/rewrite.ts";
import { timeout } from "../stack/timeout.ts";
import { trace } from "../stack/trace.ts";
import { stack, type HttpService } from "../stack/types.ts";
import { accessLog } from "./accesslog.ts";
import type { Backends } from "./backends.ts";
import { metaLabels, routeLabels, type OutboundMetrics } from "./outboundmetrics.ts";
import {
  CANONICAL,
  type HttpRoute,
  type HttpRoutes,
  type HttpRule,
  type OutboundPolicy,
  type RouteBackend,
} from "./policy.ts";
import { compileClasses } from "./profile.ts";
import { byRule } from "./rules.ts";
import type { Sidecar } from "./sidecar.ts";
import type { BindPolicy } from "./target.ts";
import { bindBytes } from "./tcproute.ts";

const INFORMATIONAL = ["l5d-proxy-error", "l5d-proxy-connection"];

/** The services of a destination, for a policy and the backends that it may keep from the one before. */
export function bindOutbound(sidecar: Sidecar, metrics: OutboundMetrics): BindPolicy {
  const { settings, clock, random, logger: log, spans: sink } = sidecar;
  const { maxInFlight, ingressMode, disableInformational: hides = ingressMode } = settings.outbound;
  const server = { kind: "server", attributes: { direction: "outbound" } } as const;
  const logged = accessLog(sidecar, "outbound");

  return (policy, backends) => {
    const { meta, protocol } = policy;
    const bindRule = ruleBinder(sidecar, metrics, policy, backends);

    const http = ({ routes, accrual }: HttpRoutes): HttpService =>
      stack(
        [
          ...logged, // Above all else: it tells what the workload got.
          normalize, // Everybody below reads one form of request.
          strip([CANONICAL]), // Only a profile says which service a request is for.
          trace({ ...server, sink, clock, random }), // Above the answers to faults: a refusal is a span too.
          rescue({ log, errors: metrics.httpErrors, informs: () => !hides }), // Answers whatever fails below.
          ...(hides ? [stripResponse(INFORMATIONAL)] : []), // What other proxies say of faults is not for this client.
          limit(maxInFlight), // Above routing: what is refused shall cost no more than that.
        ],
        byRule(routes, (rule, route) => bindRule(rule, route, accrual)),
      );

    const { http1, http2 } = "http" in protocol ? both(protocol.http) : { ...NONE, ...protocol };
    return {
      policy,
      http1: http1 && http(http1),
      http2: http2 && http(http2),
      bytes: bindBytes(protocol, { meta, backends, metrics, random }),
    };
  };
}

// What a request meets behind the choice of its rule.
function ruleBinder(
  { clock, random }: Sidecar,
  metrics: OutboundMetrics,
  { meta, protocol }: OutboundPolicy,
  backends: Backends,
) {
  const prefix = protocol.kind === "grpc" ? "outbound_grpc" : "outbound_http";
  // One for all routes: an outage costs the destination so much more and not a multiple (GEP-3388).
  let budget: Budget | undefined;

  return (rule: HttpRule, route: HttpRoute, accrual: Accrual | undefined): HttpService => {
    const { filters, matches, to, obeysHeaders, profile } = rule;
    const labels = { ...metaLabels("parent", meta), ...routeLabels(route.meta) };
    const classify = profile ? byClasses(compileClasses(profile)) : standard;
    budget ??= new Budget(clock, profile?.budget);
    const retries = { clock, random, budget, counters: metrics.retries(prefix, labels) };
    const share = ({ backend: wanted, weight, filters: own }: RouteBackend) => {
      const backend = backends.http(meta, wanted, accrual); // Queue, balancer, endpoint with its breaker.
      const watchers = metrics.ofBackend(prefix, labels, wanted.meta, profile);
      const each = [observe(clock, watchers), ...rewrite(own, random)]; // For each attempt.
      return { weight, backend, service: stack(each, backend.service) };
    };
    const attempt = distribute(to.kind, to.backends.map(share), random);
    return stack(
      [
        mark({ labels, classify }), // Before all who judge responses.
        observe(clock, metrics.ofRoute(prefix, labels, profile)), // Above retries: what the application sees.
        ...rewrite(filters, random, matches), // Once for a request, not for each attempt.
      ],
      overridable(rule, obeysHeaders, (limits) =>
        stack(
          [
            timeout(limits.timeouts, clock), // The whole time, retries included.
            ...(limits.retry ? [retry(limits.retry, retries)] : []), // Each attempt chooses afresh.
          ],
          attempt,
        ),
      ),
    );
  };
}

type Versions = { readonly http1: HttpRoutes | undefined; readonly http2: HttpRoutes | undefined };
const NONE: Versions = { http1: undefined, http2: undefined };
const both = (http: HttpRoutes): Versions => ({ http1: http, http2: http });
