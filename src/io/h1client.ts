// HTTP/1 for clients: one connection that carries one request at a time, and is good for the next one when both messages
// have ended and neither side wants to close (RFC 9112 §9). How long to wait is the caller's business: who gives up
// cancels the request, which closes the connection.

import { Fault } from "../base/fault.ts";
import { ResponseParser, UNTIL_CLOSE } from "../wire/http1.ts";
import { Http1Printer } from "../wire/http1print.ts";
import { HTTP1_LIMITS, type Http1Limits } from "../wire/limits.ts";
import { Pieces } from "../wire/pieces.ts";
import { Body } from "./body.ts";
import type { Conn, Reader } from "./conn.ts";
import { cutShort, H1Incoming, type IncomingOwner } from "./h1incoming.ts";
import { H1Outgoing, type OutgoingOwner } from "./h1outgoing.ts";
import { framingOf, printRequest } from "./h1request.ts";
import { type HttpReq, HttpRsp, type Tunnel } from "./message.ts";

type Resolve = (rsp: HttpRsp) => void;
type Reject = (fault: Fault) => void;

const MAX_INFORMATIONAL = 100;

export class H1Client implements Reader, IncomingOwner, OutgoingOwner {
  /** Resolves when the connection is gone, however that came. */
  readonly done: Promise<void>;
  readonly conn: Conn;
  /** Told each time that it is good for another request. */
  onReady: ((client: H1Client) => void) | undefined = undefined;
  /** Told once, when it takes no more requests. */
  onClosed: ((client: H1Client) => void) | undefined = undefined;
  /** Clock.now() at which it was made, and became idle; kept by its pool. */
  bornAt = 0;
  idleAt = 0;
  private readonly parser: ResponseParser;
  private readonly printer: Http1Printer;
  private readonly incoming: H1Incoming;
  private readonly outgoing: H1Outgoing;
  /** The request under way. */
  private req: HttpReq | undefined = undefined;
  private answered = false;
  private persistent = true;
  private sending = false;
  private tunnelling = false;
  private leaving = false;
  /** Requests that were answered before this one. */
  private served = 0;
  private informed = 0;
  /** The start of a head. */
  private readonly held = new Pieces();
  private resolve: Resolve;
  private reject: Reject;
  private readonly executor = (resolve: Resolve, reject: Reject): void => {
    this.resolve = resolve;
    this.reject = reject;
  };
  private readonly onCancel = (fault: Fault): void => this.fail(fault);
  private resolveDone!: () => void;

  constructor(conn: Conn, limits: Http1Limits = HTTP1_LIMITS) {
    this.done = new Promise((resolve) => (this.resolveDone = resolve));
    this.conn = conn;
    this.parser = new ResponseParser(limits);
    this.printer = new Http1Printer();
    this.incoming = new H1Incoming(conn, this, "response", limits);
    this.outgoing = new H1Outgoing(conn, this);
    this.resolve = nobody;
    this.reject = nobody;
    conn.start(this);
  }

  /** Whether it takes a request now. */
  get ready(): boolean {
    return this.req === undefined && !this.leaving;
  }

  /** Sends `req`; resolves at the head of its response. One at a time: a fault unless `ready`. */
  request(req: HttpReq): Promise<HttpRsp> {
    if (!this.ready) {
      const message = "the connection takes no more requests";
      return Promise.reject(new Fault("closed", message, { side: "upstream" }));
    }
    this.req = req;
    this.answered = false;
    this.sending = true;
    this.informed = 0;
    req.onCancel = this.onCancel;
    const promise = new Promise<HttpRsp>(this.executor);
    const { body } = req;
    const framing = framingOf(body);
    this.outgoing.send(printRequest(req, framing, this.printer), body, framing, true);
    return promise;
  }

  /** Closes the connection: at once when it is idle, else after the response under way. */
  close(): void {
    this.persistent = false;
    if (this.req === undefined) this.leave(undefined);
  }

  // --- Reader.

  read(chunk: Buffer): void {
    let rest = chunk;
    const { incoming } = this;
    if (incoming.body !== undefined) {
      try {
        incoming.feed(chunk);
      } catch (thrown) {
        return this.fail(Fault.from(thrown));
      }
      if (incoming.used === chunk.length) return;
      rest = chunk.subarray(incoming.used);
    }
    if (this.req === undefined || this.answered) this.unsolicited();
    else this.parse(rest);
  }

  end(): void {
    const { incoming } = this;
    if (incoming.body !== undefined) {
      if (!incoming.end()) this.leave(cutShort("upstream", undefined));
      else if (!this.tunnelling) this.received();
    } else {
      this.leave(undefined);
    }
  }

  drained(): void {
    this.outgoing.drained();
  }

  closed(fault: Fault | undefined): void {
    const { req } = this;
    this.leaving = true;
    this.req = undefined;
    if (req !== undefined && !this.answered) {
      req.onCancel = undefined;
      this.reject(req.cancelled ?? this.lost(req, fault));
    }
    if (this.incoming.body !== undefined || this.outgoing.body !== undefined) {
      const gone = cutShort("upstream", fault);
      this.incoming.fail(gone);
      this.outgoing.cancel(gone);
    }
    const { onClosed } = this;
    this.onClosed = undefined;
    onClosed?.(this);
    this.resolveDone();
  }

  // --- The response.

  private parse(chunk: Buffer): void {
    const { parser, held } = this;
    if (held.size > 0 && !held.add(chunk)) return;
    let bytes = held.size > 0 ? held.bytes : chunk;
    try {
      for (;;) {
        const size = parser.parse(bytes);
        if (size === 0) {
          held.take();
          held.add(bytes);
          return;
        }
        if (parser.status >= 200 || parser.status === 101) return this.onHead(bytes, size);
        this.inform();
        bytes = bytes.subarray(size);
      }
    } catch (thrown) {
      this.fail(Fault.from(thrown));
    }
  }

  private inform(): void {
    const { fields, status } = this.parser;
    if (++this.informed > MAX_INFORMATIONAL) throw fields.bad("too many informational responses");
    this.req!.inform?.(status, fields.headers);
  }

  private onHead(bytes: Buffer, size: number): void {
    const { parser, incoming, conn } = this;
    const req = this.req!;
    const { status } = parser;
    this.held.take();
    const switched = status === 101;
    if (switched && (req.upgrade === undefined || req.upgrade === "")) {
      throw parser.fields.bad("101 to a request that asked for no upgrade");
    }
    this.tunnelling = switched || (req.method === "CONNECT" && status < 300);
    const framing = this.tunnelling ? UNTIL_CLOSE : parser.framing(req.method);
    const body = incoming.start(framing, bytes, size);
    if (!parser.persistent || framing === UNTIL_CLOSE || incoming.used < bytes.length) {
      this.persistent = false;
    }
    this.answered = true;
    this.served++;
    req.onCancel = undefined;
    const rsp = new HttpRsp(status, parser.fields.headers, body, parser.version);
    if (this.tunnelling) {
      rsp.body = Body.empty;
      rsp.tunnel = new ClientTunnel(body, this.outgoing);
      conn.resume();
    }
    this.resolve(rsp);
    if (incoming.body === undefined && !this.tunnelling) this.received();
  }

  // Bytes that nobody asked for: whatever they are, they must not become the answer to the next request.
  private unsolicited(): void {
    this.persistent = false;
    if (this.req === undefined || !this.sending) {
      const message = "the server sent bytes that belong to no response";
      this.leave(new Fault("bad-response", message, { side: "upstream" }));
    }
  }

  // --- IncomingOwner and OutgoingOwner: when both messages are over, so is the exchange.

  received(): void {
    if (this.tunnelling) return;
    // A server that will close does not read the rest of the request either.
    if (this.sending && !this.persistent) return this.leave(undefined);
    if (!this.sending) this.turnOver();
  }

  sent(): void {
    this.sending = false;
    if (this.answered && this.incoming.body === undefined && !this.tunnelling) this.turnOver();
  }

  wanted(): void {}

  unwanted(fault: Fault): void {
    this.conn.reset(fault);
  }

  broken(fault: Fault): void {
    this.fail(fault);
  }

  private turnOver(): void {
    this.req = undefined;
    if (this.persistent) this.onReady?.(this);
    else this.leave(undefined);
  }

  // --- The end.

  // The exchange cannot go on; the connection is of no more use.
  private fail(fault: Fault): void {
    const { req } = this;
    if (req !== undefined && !this.answered) {
      this.answered = true;
      req.onCancel = undefined;
      this.reject(fault);
    }
    this.incoming.fail(fault);
    this.conn.reset(fault);
    this.leaving = true;
  }

  private leave(fault: Fault | undefined): void {
    this.leaving = true;
    this.conn.destroy(fault);
  }

  // The connection went away before the response came. A server may close an idle connection just when the next request
  // is on its way; that request may go again if it does no harm twice (RFC 9110 §9.2.2).
  private lost(req: HttpReq, cause: Fault | undefined): Fault {
    const stale = this.served > 0 && this.held.size === 0 && this.informed === 0;
    const why = cause === undefined ? "" : `: ${cause.message}`;
    const message = `the server closed the connection before it answered${why}`;
    const retryable = stale && IDEMPOTENT.has(req.method);
    return new Fault("io", message, { side: "upstream", cause, retryable });
  }
}

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
class ClientTunnel implements Tunnel {
  readonly incoming: Body;
  private readonly outgoing: H1Outgoing;

  constructor(incoming: Body, outgoing: H1Outgoing) {
    this.incoming = incoming;
    this.outgoing = outgoing;
  }

  send(outgoing: Body): void {
    this.outgoing.send("", outgoing, UNTIL_CLOSE, false);
  }
}

function nobody(): void {}
