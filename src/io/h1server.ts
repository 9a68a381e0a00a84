// HTTP/1 for servers: each request that arrives becomes a call of the service, and what the service returns is the
// answer (RFC 9112). One request is under way at a time; what a client sends ahead waits. Nothing is allocated for a
// request but the message itself, and no timer is touched by one that arrives whole.

import { Fault } from "../base/fault.ts";
import type { Headers } from "../wire/headers.ts";
import type { RequestParser } from "../wire/http1.ts";
import { HTTP1_LIMITS } from "../wire/limits.ts";
import { Pieces } from "../wire/pieces.ts";
import { Ahead } from "./ahead.ts";
import type { Body } from "./body.ts";
import type { Conn, Reader } from "./conn.ts";
import { H1Answer } from "./h1answer.ts";
import { giveCodec, type H1Codec, takeCodec } from "./h1codec.ts";
import { cutShort, H1Incoming, type IncomingOwner } from "./h1incoming.ts";
import { H1Link, type H1ServerOptions } from "./h1link.ts";
import { HttpReq, type HttpRsp, type HttpService } from "./message.ts";

export type { H1ServerOptions } from "./h1link.ts";

// A client that waits for `100 Continue` sends its body anyway after about this time.
const CONTINUE_MS = 1000;
// A request body that nobody wants is read to its end when that is no further away, else the connection is closed.
const DROP_BYTES = 262_144;

/** Serves HTTP/1 on `conn`, of which `first` has been read already. `done` of what is returned resolves when the
 * connection is over; `drain` lets it end. */
export function serveH1(
  conn: Conn,
  service: HttpService,
  options: H1ServerOptions,
  first?: Buffer,
): H1Server {
  const server = new H1Server(conn, service, options);
  conn.start(server, first);
  return server;
}

export class H1Server extends H1Link implements Reader, IncomingOwner {
  readonly incoming: H1Incoming;
  readonly parser: RequestParser;
  /** The request under way. */
  req: HttpReq | undefined = undefined;
  /** The client waits for `100 Continue` before it sends the body. */
  expecting = false;
  private readonly codec: H1Codec;
  private readonly service: HttpService;
  private readonly answer: H1Answer;
  private readonly onRsp = (rsp: HttpRsp): void => this.answer.respond(rsp);
  private readonly onThrown = (thrown: unknown): void => this.answer.fail(Fault.from(thrown));
  private readonly onInform = (status: number, headers: Headers): void =>
    this.answer.inform(status, headers);
  private readonly ahead: Ahead;
  /** The start of a head. */
  private readonly held = new Pieces();
  private droppedBytes = 0;

  constructor(conn: Conn, service: HttpService, options: H1ServerOptions) {
    super(conn, options);
    const limits = options.limits ?? HTTP1_LIMITS;
    this.incoming = new H1Incoming(conn, this, "request", limits);
    this.codec = takeCodec(limits);
    this.parser = this.codec.parser;
    this.service = service;
    this.answer = new H1Answer(this, this.codec.printer);
    this.ahead = new Ahead(conn);
  }

  // --- Reader.

  read(chunk: Buffer): void {
    if (this.lingering) return;
    let rest = chunk;
    if (this.incoming.body !== undefined) {
      if (!this.feed(chunk)) return;
      rest = chunk.subarray(this.incoming.used);
    }
    // A client that does not read its answers gets no further ones.
    if (this.req !== undefined || this.conn.full) this.ahead.add(rest);
    else this.parse(rest);
  }

  end(): void {
    if (this.lingering) return;
    if (this.answer.tunnelling) this.incoming.end();
    else if (this.incoming.body !== undefined) this.conn.destroy(cutShort("client", undefined));
    else if (this.req === undefined) this.close();
    else this.halfClose();
  }

  drained(): void {
    this.answer.drained();
    if (this.req === undefined && !this.ahead.isEmpty) this.parse(this.ahead.take());
  }

  closed(fault: Fault | undefined): void {
    this.watchdog.stop();
    const { req, answer } = this;
    this.drop(fault);
    if (req !== undefined || answer.sending) {
      const gone = cutShort("client", fault);
      answer.cancel(gone);
      req?.cancel(gone);
    }
    giveCodec(this.codec);
    this.resolveDone();
  }

  // --- The way of a request.

  private parse(chunk: Buffer): void {
    const { held, parser } = this;
    if (held.size > 0 && !held.add(chunk)) return this.hold();
    const bytes = held.size > 0 ? held.bytes : chunk;
    let body: Body | undefined;
    try {
      const size = parser.parse(bytes);
      if (size > 0) body = this.incoming.start(parser.framing, bytes, size);
    } catch (thrown) {
      return this.refuse(Fault.from(thrown));
    }
    if (body !== undefined) {
      held.take();
      return this.dispatch(body, bytes);
    }
    if (held.size === 0) {
      this.watchdog.await(this.headerTimeoutMs);
      held.add(chunk);
    }
    this.hold();
  }

  // The rest of a head can come only from who has not ended its side.
  private hold(): void {
    if (this.halfClosed) this.close();
  }

  private dispatch(body: Body, bytes: Buffer): void {
    const { parser, incoming } = this;
    const { method, path, authority, version, scheme, fields } = parser;
    const now = this.clock.now();
    const req = new HttpReq(
      method,
      path,
      authority,
      version,
      fields.headers,
      body,
      this.conn.peer,
      now,
    );
    if (scheme !== "") {
      req.scheme = scheme;
      req.absolute = true;
    }
    req.upgrade = parser.upgrade;
    if (version === 11) req.inform = this.onInform;
    this.req = req;
    this.watchdog.rest();
    this.answer.begin();
    if (incoming.used < bytes.length) this.ahead.add(bytes.subarray(incoming.used));
    if (incoming.body !== undefined && this.bodyTimeoutMs < Infinity) {
      this.watchdog.await(this.bodyTimeoutMs);
    }
    if (fields.expect !== undefined && !this.meets(fields.expect)) return;
    try {
      this.service(req).then(this.onRsp, this.onThrown);
    } catch (thrown) {
      this.onThrown(thrown);
    }
  }

  // RFC 9110 §10.1.1.
  private meets(expectation: string): boolean {
    if (this.parser.version === 10) return true;
    if (expectation.toLowerCase() !== "100-continue") {
      const message = `the expectation ${JSON.stringify(expectation)} is unknown`;
      this.answer.fail(new Fault("expectation-failed", message, { side: "client" }));
      return false;
    }
    this.expecting = this.incoming.body?.bytes === 0;
    return true;
  }

  // Gives the body its bytes; true when something follows it.
  private feed(chunk: Buffer): boolean {
    const { incoming } = this;
    this.expecting = false;
    this.watchdog.touch();
    try {
      incoming.feed(chunk);
    } catch (thrown) {
      this.refuse(Fault.from(thrown));
      return false;
    }
    if (this.answer.complete && incoming.body !== undefined) {
      this.droppedBytes += chunk.length;
      if (this.droppedBytes > DROP_BYTES) this.close();
    }
    return incoming.used < chunk.length && !this.lingering;
  }

  /** What was sent ahead, for the tunnel that it belongs to. */
  unread(): Buffer {
    return this.ahead.take();
  }

  // --- The end of a request, of its body, of the connection.

  /** The answer is complete, or the body is: when both are, it is the next request's turn. */
  turnOver(): void {
    const { answer, incoming } = this;
    if (!answer.complete) return;
    if (!answer.persistent) return this.part();
    if (incoming.body !== undefined) {
      this.droppedBytes = 0;
      if (!incoming.taken) incoming.body.discard();
      return;
    }
    this.req = undefined;
    if (!this.ahead.isEmpty) {
      if (!this.conn.full) this.parse(this.ahead.take());
    } else if (this.draining || this.halfClosed) {
      this.close();
    } else {
      this.watchdog.awaitLazily(this.idleTimeoutMs);
    }
  }

  received(): void {
    this.watchdog.rest();
    this.turnOver();
  }

  wanted(): void {
    const { req } = this;
    if (!this.expecting) return;
    this.clock.after(CONTINUE_MS, () => {
      if (this.expecting && this.req === req) this.answer.inform(100, []);
    });
  }

  unwanted(fault: Fault): void {
    if (this.answer.tunnelling) this.conn.reset(fault);
  }

  /** Whether what is left of the request's body can be read and dropped. */
  get canDrop(): boolean {
    const { body } = this.incoming;
    if (body === undefined || (this.incoming.taken && body.ended === undefined)) return true;
    return !this.expecting && (body.length === undefined || body.length - body.bytes <= DROP_BYTES);
  }

  // A client that wanted the end sends no more, but for the CR LF that some put after a body: why linger?
  private part(): void {
    const { parser, conn } = this;
    if (parser.persistent || parser.framing !== 0 || conn.secure || !conn.flushed) {
      return this.close();
    }
    this.drop();
    conn.destroy();
  }

  // --- What the link asks for.

  protected get phase(): "idle" | "reading" | "answering" | "tunnel" {
    if (this.answer.tunnelling) return "tunnel";
    if (this.held.size > 0 || this.incoming.body !== undefined) return "reading";
    return this.req === undefined ? "idle" : "answering";
  }

  protected get answered(): boolean {
    return this.answer.answered;
  }

  protected refuse(fault: Fault): void {
    const { req } = this;
    this.incoming.fail(fault);
    req?.cancel(fault);
    this.answer.refuse(fault);
  }

  protected drop(cause?: Fault): void {
    this.req = undefined;
    this.held.take();
    if (this.incoming.body !== undefined) this.incoming.fail(cutShort("client", cause));
  }
}
