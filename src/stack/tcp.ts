// Connections that are not HTTP, or must not be looked into: each is forwarded to an endpoint that the same balancer
// picks, by how long connecting takes there and how many connections it has. And the metrics of connections.

import { Bag } from "../base/bag.ts";
import { byLabel } from "../base/bylabel.ts";
import type { Counter, Family, Gauge, Labels, Registry } from "../base/metrics.ts";
import { Fault } from "../base/fault.ts";
import type { Conn } from "../io/conn.ts";
import { type Again, Endpoint, type EndpointOptions, type Target } from "./endpoint.ts";
import type { Dial } from "./connect.ts";

/** Copies both ways until both have ended, each half by itself; resolves with what cut it short, if anything did. */
export type Splice = (client: Conn, server: Conn) => Promise<Fault | undefined>;

export type TcpOptions = EndpointOptions & {
  readonly splice: Splice;
  /** The metrics of the connections to this endpoint. */
  readonly stats?: ConnStats;
};

/** An endpoint of connections. */
export class TcpEndpoint<T extends Target = Target> extends Endpoint<Conn, void, T> {
  /** Connects to it; set once, when it is bound. */
  dial: Dial<Conn>;
  private readonly splice: Splice;
  private readonly stats: ConnStats | undefined;

  constructor(target: T, options: TcpOptions) {
    super(target, options);
    this.dial = () => Promise.reject(new Error("endpoint without a dial"));
    this.splice = options.splice;
    this.stats = options.stats;
  }

  /** Resolves when the connection is over; rejects when none could be made. */
  async send(conn: Conn, at: number, again: Again<Conn, void>): Promise<void> {
    // It may have gone while it waited for an endpoint.
    if (conn.closed) return;
    this.pending += 1;
    let server: Conn;
    try {
      server = await this.dial();
    } catch (thrown) {
      const fault = Fault.from(thrown, "connect-failed");
      const now = this.clock.now();
      this.latency?.failed(now - at, now);
      this.done();
      if (fault.retryable && !conn.closed) return again(conn, fault);
      throw fault;
    }
    const now = this.clock.now();
    this.latency?.succeeded(now - at, now);
    try {
      const over = this.stats?.opened(server);
      const fault = await this.splice(conn, server);
      over?.(fault);
    } finally {
      this.done();
    }
  }
}

/** The families `tcp_…` of Linkerd. */
export class ConnFamilies {
  readonly opened: Family<Counter>;
  readonly open: Family<Gauge>;
  readonly read: Family<Counter>;
  readonly written: Family<Counter>;
  readonly closed: Family<Counter>;

  constructor(registry: Registry) {
    this.opened = registry.counter("tcp_open_total", "Total count of opened connections.");
    this.open = registry.gauge("tcp_open_connections", "Number of currently-open connections.");
    this.read = registry.counter("tcp_read_bytes_total", "Total count of bytes read from peers.");
    this.written = registry.counter(
      "tcp_write_bytes_total",
      "Total count of bytes written to peers.",
    );
    this.closed = registry.counter("tcp_close_total", "Total count of closed connections.");
  }
}

type Counted = { readonly conn: Conn; read: number; written: number };

/** Counts connections with the same labels (`peer` is `src` for accepted ones, `dst` for our own). Bytes are counted
 * when the page is printed and when a connection ends, so that a chunk costs nothing. */
export class ConnStats {
  private readonly closedTotal: (errno: string) => Counter;
  private readonly openedTotal: Counter;
  private readonly open: Gauge;
  private readonly read: Counter;
  private readonly written: Counter;
  private readonly conns: Bag<Counted>;

  constructor(registry: Registry, families: ConnFamilies, labels: Labels) {
    this.closedTotal = byLabel(families.closed, "errno", labels);
    this.openedTotal = families.opened.with(labels);
    this.open = families.open.with(labels);
    this.read = families.read.with(labels);
    this.written = families.written.with(labels);
    this.conns = new Bag();
    this.forget = registry.beforePrint(() => {
      for (const counted of this.conns.values()) this.count(counted);
    });
  }

  /** Stops counting; the series stay until they have been idle for long. */
  readonly forget: () => void;

  /** A connection has been made or accepted. Call what is returned when it is over. */
  opened(conn: Conn): (fault: Fault | undefined) => void {
    this.openedTotal.inc();
    this.open.inc();
    const member = this.conns.add({ conn, read: 0, written: 0 });
    return (fault) => {
      if (member.place < 0) return;
      this.count(member.value);
      this.conns.delete(member);
      this.open.dec();
      this.closedTotal(errnoOf(fault)).inc();
    };
  }

  /** Counts a connection until its socket closes; once, however often it is told. */
  follow(conn: Conn): void {
    if (conn.counted || conn.closed) return;
    conn.counted = true;
    const over = this.opened(conn);
    conn.onClosed(() => over(undefined));
  }

  private count(counted: Counted): void {
    const { conn } = counted;
    this.read.add(conn.readBytes - counted.read);
    this.written.add(conn.writtenBytes - counted.written);
    counted.read = conn.readBytes;
    counted.written = conn.writtenBytes;
  }
}

function errnoOf(fault: Fault | undefined): string {
  if (fault === undefined) return "";
  const { code } = (fault.cause ?? {}) as NodeJS.ErrnoException;
  return code ?? fault.code;
}
