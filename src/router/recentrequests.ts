// The telemeter `io.l5d.recentRequests`: the latest requests of all routers, for the admin page `/requests`.

import type { Clock } from "../base/clock.ts";
import type { Exchange } from "../stack/exchange.ts";
import { printAddr } from "../stack/normalize.ts";
import type { RecentRequest } from "./recentrequest.ts";
import { type Routed, selectedOf } from "./routed.ts";
import type { Telemeter } from "./telemeter.ts";

export class RecentRequests implements Telemeter {
  readonly sampleRate: number;
  readonly #capacity: number;
  readonly #clock: Clock;
  #requests: RecentRequest[] = [];

  constructor({ sampleRate, capacity }: { sampleRate: number; capacity: number }, clock: Clock) {
    this.sampleRate = sampleRate;
    this.#capacity = capacity;
    this.#clock = clock;
  }

  /** The latest first. */
  get requests(): readonly RecentRequest[] {
    return this.#requests.toReversed();
  }

  server(x: Exchange, { router, name, client }: Routed): void {
    const { req, rsp } = x;
    const selected = selectedOf(req);
    const tookMs = x.endAt - x.at;
    if (this.#requests.length >= this.#capacity) this.#requests.shift();
    this.#requests.push({
      at: Math.round(this.#clock.wall() - tookMs),
      source: req.peer.remote.ip,
      server: printAddr(req.peer.local),
      router,
      request: `${req.method} ${req.path}`,
      service: name?.text ?? "",
      client: client?.id ?? "",
      destination: selected === undefined ? "" : printAddr(selected.target),
      status: rsp?.status ?? 0,
      tookMs: Math.round(tookMs * 10) / 10,
    });
  }
}
