// Linkerd 1's failure accrual and load balancers as those of the stack: which settings of a file become which.

import type { Backoff } from "../base/backoff.ts";
import type { Random } from "../base/random.ts";
import type { Accrual } from "../stack/breaker.ts";
import { Aperture, type Chooser, LeastLoaded, P2c, RoundRobin } from "../stack/chooser.ts";
import { DEFAULT_LOAD, type Load } from "../stack/latency.ts";
import { bindPlugin, type Plugins } from "./plugin.ts";
import type { ClientPolicy } from "./routerconfig.ts";
import type { Backoff as BackoffConfig } from "./yamlparts.ts";

const DEFAULT_BACKOFF: Backoff = { kind: "equal", minMs: 5000, maxMs: 300_000 };
const MIN_REQUESTS_IN_WINDOW = 5;

/** The pauses that a file describes. */
export function backoffOf(config: BackoffConfig): Backoff {
  return config.kind === "constant"
    ? { kind: "constant", ms: config.ms }
    : { kind: "decorrelated", minMs: config.minMs, maxMs: config.maxMs };
}

/** When an endpoint is passed over; undefined for `none`. */
export function accrualOf(
  config: ClientPolicy["failureAccrual"],
  plugins: Plugins,
): Accrual | undefined {
  const backoff = config.backoff === undefined ? DEFAULT_BACKOFF : backoffOf(config.backoff);
  switch (config.kind) {
    case "none":
      return undefined;
    case "io.l5d.consecutiveFailures":
      return { consecutive: config.failures, backoff };
    case "io.l5d.successRate":
      return { average: { threshold: config.successRate, requests: config.requests }, backoff };
    case "io.l5d.successRateWindowed": {
      const windowMs = config.window * 1000;
      const minRequests = MIN_REQUESTS_IN_WINDOW;
      return { rate: { threshold: config.successRate, windowMs, minRequests }, backoff };
    }
    default:
      return { backoff, ...bindPlugin(plugins, "failureAccrual", config) };
  }
}

export type Balancing = { readonly chooser: Chooser; readonly load: Load | "outstanding" };

/** How an endpoint is chosen, and what its load is. */
export function balancingOf(
  config: ClientPolicy["loadBalancer"],
  { random, plugins }: { readonly random: Random; readonly plugins: Plugins },
): Balancing {
  const load = "outstanding";
  switch (config.kind) {
    case "p2c":
      return { chooser: new P2c(random), load };
    case "ewma":
      return { chooser: new P2c(random), load: { ...DEFAULT_LOAD, decayMs: config.decayTimeMs } };
    case "aperture":
      return { chooser: new Aperture(config, random), load };
    case "heap":
      return { chooser: new LeastLoaded(random), load };
    case "roundRobin":
      return { chooser: new RoundRobin(), load };
    default:
      return { chooser: bindPlugin(plugins, "loadBalancer", config), load };
  }
}
