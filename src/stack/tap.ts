// Taps: somebody looks at live requests. An endpoint has a watcher for them; as long as nobody looks, that watcher
// costs one test. What is looked for and how it is told are the business of the tap (proxy/tap.ts for Linkerd's).

import type { Labels } from "../base/metrics.ts";
import type { Close } from "../base/watch.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { Exchange, Watcher } from "./exchange.ts";

/** What is known of the requests of an endpoint, apart from themselves. */
export type TapMeta = {
  readonly direction: "inbound" | "outbound";
  readonly destination: SocketAddr;
  readonly labels: Labels;
  /** The identity that the endpoint has proved. */
  readonly serverId: string | undefined;
};

/** Hears of one exchange that a tap wants to see. */
export interface TapStream {
  response(x: Exchange): void;
  /** Also when there was no response: then only this is called. */
  end(x: Exchange): void;
}

export interface Tap {
  /** Where to tell of the exchange that begins, or undefined when it is not wanted. */
  request(x: Exchange, meta: TapMeta): TapStream | undefined;
}

/** The taps of a process. */
export class Taps {
  /** Whether anybody looks. */
  active: boolean;
  private taps: readonly Tap[];
  private readonly streams: Map<Exchange, TapStream[]>;

  constructor() {
    this.active = false;
    this.taps = [];
    this.streams = new Map();
  }

  /** Shows exchanges to `tap` until it is closed. */
  add(tap: Tap): Close {
    this.taps = [...this.taps, tap];
    this.active = true;
    return () => {
      this.taps = this.taps.filter((other) => other !== tap);
      this.update();
    };
  }

  /** The watcher of the endpoint that `meta` describes. */
  watch(meta: TapMeta): Watcher {
    return {
      begin: (x) => {
        if (this.active) this.begin(x, meta);
      },
      head: (x) => {
        if (this.active) for (const stream of this.streams.get(x) ?? []) stream.response(x);
      },
      end: (x) => {
        if (this.active) this.end(x);
      },
    };
  }

  private begin(x: Exchange, meta: TapMeta): void {
    const streams = this.taps
      .map((tap) => tap.request(x, meta))
      .filter((stream) => stream !== undefined);
    if (streams.length > 0) this.streams.set(x, streams);
  }

  private end(x: Exchange): void {
    for (const stream of this.streams.get(x) ?? []) stream.end(x);
    this.streams.delete(x);
    this.update();
  }

  // What a tap has begun to see it sees to the end, even if it is closed meanwhile.
  private update(): void {
    this.active = this.taps.length > 0 || this.streams.size > 0;
  }
}
