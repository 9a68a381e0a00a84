// The router page: what a request meets between a server of a router and an endpoint, in order, with the reason for
// each place. Names, bound names and clients are bound when they are first asked for and kept while they are used;
// for a request, only the inner functions run.

import { buffered } from "../stack/buffered.ts";
import { compress } from "../stack/compress.ts";
import { observe, type Watcher } from "../stack/exchange.ts";
import { limit } from "../stack/limit.ts";
import { timeout } from "../stack/timeout.ts";
import { stack, type HttpFilter, type HttpService } from "../stack/types.ts";
import { clientCert } from "./clientcert.ts";
import { clearResponses, context } from "./context.ts";
import { destined, successClass } from "./destined.ts";
import { diagnose } from "./diagnose.ts";
import { forwarded, timestamp } from "./forwarded.ts";
import type { Identifier } from "./identifier.ts";
import { PerService } from "./perservice.ts";
import { answer, answersOf } from "./routeranswer.ts";
import { RouterCaches } from "./routercaches.ts";
import type { ServerConfig } from "./routerconfig.ts";
import type { RouterParts } from "./routerparts.ts";
import { retriesOf, watchRetries } from "./routerretries.ts";
import { byName } from "./routing.ts";
import { clientSpans } from "./telemeter.ts";
import { via } from "./via.ts";

export type BoundRouter = {
  /** The service of one of its servers, with what watches that server. */
  readonly server: (settings: ServerConfig, watchers: readonly Watcher[]) => HttpService;
  readonly caches: RouterCaches;
};

/** A router: `filters` are those of plug-ins. */
export const bindRouter = (
  parts: RouterParts,
  identify: Identifier,
  filters: readonly HttpFilter[],
): BoundRouter => {
  const { clock, random, config, logger, telemeters } = parts;
  const propagator = config.tracePropagator.kind;
  const http = config.protocol === "http" ? config : undefined;

  const server: BoundRouter["server"] = (settings, watchers) => {
    const { addForwardedHeader, clearContext, maxConcurrentRequests } = settings;
    const timestamps = "timestampHeader" in settings ? settings.timestampHeader : undefined;
    return stack(
      [
        observe(clock, watchers), // Above all: what a client is told counts, whoever said it.
        compress(http?.compressionLevel ?? 0), // Above the answers, which may be long.
        ...(clearContext ? [clearResponses] : []), // Above the answers: strangers learn nothing of the mesh.
        answer(answersOf(config, logger)), // Whatever fails below is answered here, in Linkerd 1's words.
        ...(maxConcurrentRequests ? [limit(maxConcurrentRequests)] : []), // Work that we will not do must not look anything up.
        timeout({ headMs: settings.timeoutMs, headCode: "request-timeout" }, clock),
        context(parts, clearContext), // Above all who read names, rules or traces.
        via(settings.maxCallDepth), // A loop ends before it costs a lookup.
        ...(addForwardedHeader ? [forwarded(addForwardedHeader, config.label, random)] : []),
        ...(timestamps === undefined ? [] : [timestamp(timestamps, clock)]),
        ...(http?.streamingEnabled === false ? [buffered] : []), // Below what may refuse a request without reading it.
        ...filters, // Plug-ins see a request as it will be named, and may name it otherwise.
      ],
      byName(identify, caches.service),
    );
  };

  const caches = new RouterCaches(parts, {
    service: (service) =>
      stack(
        [
          observe(clock, [service.stats, watchRetries(service)]), // Above retries: what the application sees.
          timeout({ headMs: service.settings.totalTimeoutMs, headCode: "request-timeout" }, clock), // The whole budget, retries included.
          successClass(service.classifier), // Of the last attempt, which is the one that the client gets.
          retriesOf(service, parts), // Each attempt chooses branch and endpoint afresh.
        ],
        service.choose(caches.bound),
      ),

    bound: (leaf, client) =>
      stack(
        [
          destined(leaf, propagator, random), // Here for the first time it is known where the request goes.
          diagnose(clock), // Above the client, which it tells about.
        ],
        client,
      ),

    client: (client) =>
      stack(
        [
          observe(clock, [client.stats, new PerService(client.scope), ...clientSpans(telemeters)]), // For each attempt.
          timeout({ headMs: client.settings.requestAttemptTimeoutMs }, clock), // For each attempt, requeues included.
          clientCert(client.settings.forwardClientCert), // What a client says of itself goes no further.
        ],
        client.send, // The balancer; what could not even be sent goes to another endpoint.
      ),
  });

  return { server, caches };
};
