// Retries of a service as its file describes them: no limit but the budget, what the classifier calls retryable, and
// Linkerd 1's metrics of them.

import { Budget } from "../base/budget.ts";
import type { Clock } from "../base/clock.ts";
import { Counter } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Watcher } from "../stack/exchange.ts";
import { retry } from "../stack/retry.ts";
import type { HttpFilter } from "../stack/types.ts";
import { backoffOf } from "./accruals.ts";
import { wantsRetry, wantsRetryAfter } from "./classifiers.ts";
import type { RequestRouterConfig } from "./routerconfig.ts";
import type { ServicePath } from "./servicepath.ts";

const NO_LIMIT = 1e9;
const KEPT_KB = 5;

/** The retries of a service. */
export function retriesOf(
  { settings, classifier, scope }: ServicePath,
  { config, clock, random }: { config: RequestRouterConfig; clock: Clock; random: Random },
): HttpFilter {
  const { budget: share, backoff } = settings.retries;
  const budget = new Budget(clock, {
    ratio: share.percentCanRetry,
    minPerSecond: share.minRetriesPerSec,
    ttlMs: share.ttlSecs * 1000,
  });
  const retries = scope.at("retries");
  retries.gauge(() => budget.balance, "budget");
  const policy = {
    limit: NO_LIMIT,
    maxBodyBytes: keptBytes(settings, config),
    statuses: [],
    grpcStatuses: [],
    attemptMs: undefined,
    backoff: backoff.kind === "constant" && backoff.ms === 0 ? undefined : backoffOf(backoff),
    decides: wantsRetry.bind(undefined, classifier),
    needsEnd: classifier.needsEnd === true && classifier.retries === true,
    ...("retryBufferSize" in settings
      ? {
          untilEnd: {
            ms: settings.classificationTimeoutMs,
            bytes: settings.retryBufferSize.responseBytes,
          },
        }
      : {}),
    decidesAfter: wantsRetryAfter.bind(undefined, classifier),
    // An attempt that takes too long is taken back; where nothing follows it, the request may be.
    apart: classifier.retries === true,
  };
  const counters = {
    requests: retries.counter("total"),
    successes: new Counter(),
    limitExceeded: new Counter(),
    overflow: retries.counter("budget_exhausted"),
    ...("retryBufferSize" in settings
      ? {
          requestTooLong: retries.counter("request_stream_too_long"),
          responseTooLong: retries.counter("response_stream_too_long"),
          endTimeout: retries.counter("classification_timeout"),
        }
      : {}),
  };
  return retry(policy, { clock, random, budget, counters });
}

/** Counts how often each request of a service was sent again. */
export function watchRetries({ scope }: ServicePath): Watcher {
  const perRequest = scope.summary("retries", "per_request");
  return {
    begin() {},
    head() {},
    end: ({ req }) => perRequest.add(req.attempt),
  };
}

// Longer requests are sent once.
function keptBytes(settings: ServicePath["settings"], config: RequestRouterConfig): number {
  if ("retryBufferSize" in settings) return settings.retryBufferSize.requestBytes;
  if (config.protocol !== "http") return KEPT_KB * 1024;
  return config.streamingEnabled
    ? (config.streamAfterContentLengthKB ?? KEPT_KB) * 1024
    : Number.MAX_SAFE_INTEGER;
}
