// CONNECT as a service of routers: a client that asks for a tunnel to a name gets the bytes of an endpoint that the
// name is bound to. Linkerd 1 could not; people who set HTTPS_PROXY met a 400.

import { Fault } from "../base/fault.ts";
import { Body, type Origin, type Sink } from "../io/body.ts";
import type { Conn } from "../io/conn.ts";
import { HttpRsp, type Tunnel } from "../io/message.ts";
import type { Dial } from "../stack/connect.ts";
import type { HttpFilter } from "../stack/types.ts";

/** Answers CONNECT with a connection of `dial`; everything else passes. */
export function tunnel(dial: Dial<Conn>): HttpFilter {
  return (next) =>
    function tunnel(req) {
      if (req.upgrade !== "") return next(req);
      return dial().then((conn) => {
        if (req.cancelled !== undefined) conn.destroy(req.cancelled);
        const rsp = new HttpRsp(200, [], Body.empty, req.version);
        rsp.tunnel = new ConnTunnel(conn);
        return rsp;
      });
    };
}

// A connection as the two bodies of a tunnel.
class ConnTunnel implements Tunnel, Origin, Sink {
  readonly incoming: Body;
  private readonly conn: Conn;
  private outgoing: Body | undefined;

  constructor(conn: Conn) {
    this.conn = conn;
    this.outgoing = undefined;
    this.incoming = Body.stream(this);
    conn.start({
      read: (chunk) => {
        if (!this.incoming.push(chunk)) conn.pause();
      },
      end: () => this.incoming.finish(),
      closed: (fault) => this.closed(fault),
      drained: () => this.outgoing?.resume(),
    });
  }

  send(outgoing: Body): void {
    this.outgoing = outgoing;
    outgoing.to(this);
  }

  // --- Origin of what comes from the server.

  resume(): void {
    this.conn.resume();
  }

  cancel(fault: Fault): void {
    this.conn.destroy(fault);
  }

  // --- Sink of what goes to the server.

  chunk(chunk: Buffer): boolean {
    return this.conn.write(chunk);
  }

  end(): void {
    this.conn.end();
  }

  abort(fault: Fault): void {
    this.conn.destroy(fault);
  }

  private closed(fault: Fault | undefined): void {
    const gone = fault ?? new Fault("io", "the server closed the connection", { side: "upstream" });
    this.incoming.abort(gone);
    this.outgoing?.cancel(gone);
  }
}
