// A local rate limit: so many requests a second in all, for each client identity, and other numbers for clients that
// are named.

import { OwnBucket, type BindBucket, type Bucket } from "../base/buckets.ts";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { identityOf } from "./authorize.ts";
import type { HttpFilter } from "./types.ts";

export type RateLimit = {
  /** Requests a second by all clients. */
  readonly totalRps: number | undefined;
  /** Requests a second by each client; clients without identity count as one. */
  readonly identityRps: number | undefined;
  /** Other limits for the clients that are named. */
  readonly overrides: readonly { readonly rps: number; readonly identities: readonly string[] }[];
};

export type RateLimitOptions = {
  readonly clock: Clock;
  /** Makes the buckets: those of this filter alone when absent. */
  readonly bucket?: BindBucket;
  /** Told which limit refused a request. */
  readonly onLimit?: (scope: "total" | "identity") => void;
};

// More clients than this at a time forget their past; the total limit holds regardless.
const MAX_CLIENTS = 10_000;

/** Refuses what exceeds `rates` with `rate-limited` (429). */
export function ratelimit(rates: RateLimit, options: RateLimitOptions): HttpFilter {
  const { clock, onLimit, bucket = (rps) => new OwnBucket(rps) } = options;
  const total = rates.totalRps === undefined ? undefined : bucket(rates.totalRps, "total");
  const own = new Map<string, Bucket>();
  for (const [i, { rps, identities }] of rates.overrides.entries()) {
    // The clients of one override share its limit.
    const shared = bucket(rps, `override ${i}`);
    for (const identity of identities) own.set(identity, shared);
  }
  const clients = new Map<string, Bucket>();
  const bucketOf = (identity: string): Bucket | undefined => {
    const named = own.get(identity) ?? clients.get(identity);
    if (named !== undefined || rates.identityRps === undefined) return named;
    if (clients.size >= MAX_CLIENTS) clients.clear();
    const made = bucket(rates.identityRps, `client ${identity}`);
    clients.set(identity, made);
    return made;
  };
  const refuse = (scope: "total" | "identity", rps: number): Promise<never> => {
    onLimit?.(scope);
    const whose = scope === "total" ? "all clients together" : "this client";
    return Promise.reject(
      new Fault("rate-limited", `rate limit of ${rps} requests/s for ${whose}`, { detail: rps }),
    );
  };
  return (next) =>
    function ratelimit(req) {
      const now = clock.now();
      const client = bucketOf(identityOf(req.peer) ?? "");
      if (client !== undefined && !client.take(now)) return refuse("identity", client.rps);
      if (total !== undefined && !total.take(now)) return refuse("total", total.rps);
      return next(req);
    };
}
