// Access logs: a line for each request when its response has ended, in linkerd2-proxy's two formats. Ours has what
// people missed there: both directions, the real number of bytes, and the trace of `traceparent`.

import type { Clock } from "../base/clock.ts";
import { header } from "../wire/headers.ts";
import { identityOf } from "./authorize.ts";
import type { Exchange, Watcher } from "./exchange.ts";
import { printAddr } from "./normalize.ts";
import { traceContextOf } from "./trace.ts";

export type AccessLogOptions = {
  /** Default inbound. */
  readonly direction?: "inbound" | "outbound";
  readonly format: "apache" | "json";
  readonly clock: Clock;
  /** Gets each line without its newline. */
  readonly write: (line: string) => void;
};

/** The watcher that writes access logs; it belongs above `rescue`, so that refused requests have a status. */
export class AccessLog implements Watcher {
  private readonly options: AccessLogOptions;

  constructor(options: AccessLogOptions) {
    this.options = options;
  }

  begin(): void {}

  head(): void {}

  end(x: Exchange): void {
    const { format, clock, write, direction = "inbound" } = this.options;
    const started = new Date(clock.wall() - (x.endAt - x.at));
    write(format === "json" ? json(x, started, direction) : apache(x, started, direction));
  }
}

// <client addr> <client id> - [<time>] "<method> <uri> <version>" <status>, and where to when it goes out.
function apache(x: Exchange, started: Date, direction: string): string {
  const { req, rsp } = x;
  const { peer, method, path, version } = req;
  const client = `${printAddr(peer.remote)} ${identityOf(peer) ?? "-"}`;
  const line = `${method} ${quoted(path)} ${VERSIONS[version]}`;
  return `${client} - [${started.toISOString()}] "${line}" ${rsp?.status ?? 0}${
    direction === "outbound" ? ` ${req.authority}` : ""
  }`;
}

function json(x: Exchange, started: Date, direction: string): string {
  const { req, rsp } = x;
  const { headers, peer } = req;
  return JSON.stringify({
    "client.addr": printAddr(peer.remote),
    "client.id": identityOf(peer) ?? "-",
    timestamp: started.toISOString(),
    method: req.method,
    uri: req.path,
    version: VERSIONS[req.version],
    trace_id: traceIdOf(x),
    request_bytes: req.body.bytes,
    status: rsp?.status ?? 0,
    response_bytes: rsp?.body.bytes ?? 0,
    total_ns: nanoseconds(x.endAt - x.at),
    processing_ns: nanoseconds(x.headAt - x.at),
    user_agent: header(headers, "user-agent") ?? "",
    host: req.authority,
    direction,
  });
}

const VERSIONS = { 10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2.0" } as const;

function traceIdOf({ req: { headers } }: Exchange): string {
  return (
    traceContextOf(headers)?.traceId ??
    header(headers, "x-request-id") ??
    header(headers, "x-amzn-trace-id") ??
    ""
  );
}

function nanoseconds(ms: number): string {
  return String(Math.round(ms * 1e6));
}

// A path cannot hold control characters, but a quote in it would end the field.
function quoted(path: string): string {
  return path.replaceAll('"', "%22");
}
