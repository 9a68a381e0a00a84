// The metrics of the connections of one scope of a router: how many there are, were made and have ended, how long
// making one took, and their bytes. Bytes are added up when somebody asks, so that a chunk costs nothing.

import { Bag } from "../base/bag.ts";
import type { Clock } from "../base/clock.ts";
import type { Counter } from "../base/metrics.ts";
import type { Summary } from "../base/summary.ts";
import type { Conn } from "../io/conn.ts";
import type { Dial } from "../stack/connect.ts";
import type { MetricScope } from "./metrictree.ts";

const known = new WeakMap<MetricScope, ScopeConns>();

export class ScopeConns {
  private readonly scope: MetricScope;
  private readonly clock: Clock;
  private readonly conns: Bag<Conn>;
  private readonly connects: Counter;
  private readonly closes: Counter;
  private readonly duration: Summary;
  private received: number;
  private sent: number;

  /** Those of a scope; the same ones each time, so that connections count on when a router is replaced. */
  static of(scope: MetricScope, clock: Clock): ScopeConns {
    let conns = known.get(scope);
    if (conns === undefined) known.set(scope, (conns = new ScopeConns(scope, clock)));
    return conns;
  }

  private constructor(scope: MetricScope, clock: Clock) {
    this.scope = scope;
    this.clock = clock;
    this.conns = new Bag();
    this.connects = scope.counter("connects");
    this.closes = scope.counter("closes");
    this.duration = scope.summary("connection_duration");
    this.received = 0;
    this.sent = 0;
    scope.gauge(() => this.conns.size, "connections");
    scope.gauge(() => this.sum("readBytes", this.received), "received_bytes");
    scope.gauge(() => this.sum("writtenBytes", this.sent), "sent_bytes");
  }

  /** A connection was accepted or made; counted until it closes. */
  opened(conn: Conn): void {
    const at = this.clock.now();
    const member = this.conns.add(conn);
    this.connects.inc();
    conn.onClosed(() => {
      this.conns.delete(member);
      this.closes.inc();
      this.received += conn.readBytes;
      this.sent += conn.writtenBytes;
      this.duration.add(this.clock.now() - at);
    });
  }

  /** The same dial, counted and timed. */
  dial(dial: Dial<Conn>): Dial<Conn> {
    const connectMs = this.scope.summary("connect_latency_ms");
    const failedMs = this.scope.summary("failed_connect_latency_ms");
    return async () => {
      const at = this.clock.now();
      try {
        const conn = await dial();
        connectMs.add(this.clock.now() - at);
        this.opened(conn);
        return conn;
      } catch (thrown) {
        failedMs.add(this.clock.now() - at);
        throw thrown;
      }
    };
  }

  private sum(bytes: "readBytes" | "writtenBytes", before: number): number {
    let sum = before;
    for (const conn of this.conns.values()) sum += conn[bytes];
    return sum;
  }
}
