// HTTP/1 for servers: each request that arrives becomes a call of the service, and what the service returns is the
// answer (RFC 9112). One request is under way at a time; what a client sends ahead waits. Nothing is allocated for a
// request but the message itself, and no timer is touched by one that arrives whole.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Headers } from "../wire/headers.ts";
import { RequestParser } from "../wire/http1.ts";
import { HTTP1_LIMITS, type Http1Limits } from "../wire/limits.ts";
import { LF } from "../wire/octets.ts";
import type { Body } from "./body.ts";
import { type Conn, keep, type Reader } from "./conn.ts";
import { H1Answer } from "./h1answer.ts";
import { cutShort, H1Incoming, type IncomingOwner } from "./h1incoming.ts";
import { HttpReq, type HttpRsp, type HttpService } from "./message.ts";

export type H1ServerOptions = {
  readonly clock: Clock;
  readonly limits?: Http1Limits;
  /** For a head to arrive, from its first byte, or from the start of the connection. Default 60 s; answered with 408. */
  readonly headerTimeoutMs?: number;
  /** Between two requests. Default 10 min. */
  readonly idleTimeoutMs?: number;
  /** Between two pieces of a request body. Default: none. */
  readonly bodyTimeoutMs?: number;
};

const HEADER_TIMEOUT_MS = 60_000;
const IDLE_TIMEOUT_MS = 600_000;
// A client that has ended its side may still wait for its answer, or be gone: only a write would tell.
const HALF_CLOSED_MS = 1000;
// How long to read what nobody wants before closing, so that a reset does not overtake the answer (RFC 9112 §9.6).
const LINGER_MS = 2000;
const CONTINUE_MS = 1000;
// Requests sent ahead of their turn; beyond it reading stops.
const QUEUE_BYTES = 65536;
// A head is read again when a line of it is complete, or when it has become this large.
const DRIP_BYTES = 4096;
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

export class H1Server implements Reader, IncomingOwner {
  readonly transient = true;
  /** Resolves when the connection is gone, however that came. */
  readonly done: Promise<void>;
  readonly conn: Conn;
  readonly incoming: H1Incoming;
  readonly parser: RequestParser;
  /** The request under way. */
  req: HttpReq | undefined;
  /** The client waits for `100 Continue` before it sends the body. */
  expecting: boolean;
  /** The connection shall end with the request under way. */
  draining: boolean;
  /** The client has ended its side. */
  halfClosed: boolean;
  private readonly service: HttpService;
  private readonly clock: Clock;
  private readonly headerTimeoutMs: number;
  private readonly idleTimeoutMs: number;
  private readonly bodyTimeoutMs: number;
  private readonly answer: H1Answer;
  private readonly onRsp: (rsp: HttpRsp) => void;
  private readonly onThrown: (thrown: unknown) => void;
  private readonly onInform: (status: number, headers: Headers) => void;
  private readonly onTimer: () => void;
  /** The start of a head. */
  private held: Buffer | undefined;
  /** What came after the request under way. */
  private queue: Buffer[] | undefined;
  private queueBytes: number;
  private droppedBytes: number;
  private lingering: boolean;
  /** When what is waited for began, and how long it may take. */
  private since: number;
  private allowedMs: number;
  private timer: Timer | undefined;
  private resolveDone!: () => void;

  constructor(conn: Conn, service: HttpService, options: H1ServerOptions) {
    const limits = options.limits ?? HTTP1_LIMITS;
    this.done = new Promise((resolve) => (this.resolveDone = resolve));
    this.conn = conn;
    this.incoming = new H1Incoming(conn, this, "request", limits);
    this.parser = new RequestParser(limits);
    this.req = undefined;
    this.expecting = false;
    this.draining = false;
    this.halfClosed = false;
    this.service = service;
    this.clock = options.clock;
    this.headerTimeoutMs = options.headerTimeoutMs ?? HEADER_TIMEOUT_MS;
    this.idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.bodyTimeoutMs = options.bodyTimeoutMs ?? Infinity;
    this.answer = new H1Answer(this);
    this.onRsp = (rsp) => this.answer.respond(rsp);
    this.onThrown = (thrown) => this.answer.fail(Fault.from(thrown));
    this.onInform = (status, headers) => this.answer.inform(status, headers);
    this.onTimer = () => this.expire();
    this.held = undefined;
    this.queue = undefined;
    this.queueBytes = 0;
    this.droppedBytes = 0;
    this.lingering = false;
    this.since = 0;
    this.allowedMs = Infinity;
    this.timer = undefined;
    this.await(this.headerTimeoutMs);
  }

  /** Lets the connection end: at once when it is idle, else after the request under way. */
  drain(): void {
    this.draining = true;
    if (this.req === undefined && this.held === undefined) this.close();
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
    if (this.req !== undefined || this.conn.full) this.enqueue(rest);
    else this.parse(rest);
  }

  end(): void {
    if (this.lingering) return;
    if (this.answer.tunnelling) {
      this.incoming.end();
    } else if (this.incoming.body !== undefined) {
      this.conn.destroy(cutShort("client", undefined));
    } else if (this.req === undefined) {
      this.close();
    } else {
      this.halfClosed = true;
      this.watchHalfClosed();
    }
  }

  drained(): void {
    this.answer.drained();
    if (this.req === undefined && this.queue !== undefined) this.takeQueue();
  }

  closed(fault: Fault | undefined): void {
    this.timer?.cancel();
    const { req } = this;
    const gone = cutShort("client", fault);
    this.req = undefined;
    this.incoming.fail(gone);
    this.answer.cancel(gone);
    req?.cancel(gone);
    this.resolveDone();
  }

  // --- The way of a request.

  private parse(chunk: Buffer): void {
    const { held, parser } = this;
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
    // Reading a head anew for each byte that drips in would cost the square of its size.
    if (held !== undefined && bytes.length < DRIP_BYTES && !chunk.includes(LF))
      return this.hold(bytes);
    let body: Body | undefined;
    try {
      const size = parser.parse(bytes);
      if (size > 0) body = this.incoming.start(parser.framing, bytes, size);
    } catch (thrown) {
      return this.refuse(Fault.from(thrown));
    }
    if (body === undefined) return this.hold(bytes);
    this.held = undefined;
    this.dispatch(body, bytes);
  }

  private hold(bytes: Buffer): void {
    if (this.held === undefined) this.await(this.headerTimeoutMs);
    this.held = keep(bytes);
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
    this.allowedMs = Infinity;
    this.answer.begin();
    if (incoming.used < bytes.length) this.enqueue(bytes.subarray(incoming.used));
    if (incoming.body !== undefined && this.bodyTimeoutMs < Infinity)
      this.await(this.bodyTimeoutMs);
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
    if (this.bodyTimeoutMs < Infinity) this.since = this.clock.now();
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

  private enqueue(chunk: Buffer): void {
    if (chunk.length === 0) return;
    (this.queue ??= []).push(keep(chunk));
    this.queueBytes += chunk.length;
    if (this.queueBytes > QUEUE_BYTES) this.conn.pause();
  }

  private takeQueue(): void {
    const queue = this.queue!;
    if (this.queueBytes > QUEUE_BYTES) this.conn.resume();
    this.queue = undefined;
    this.queueBytes = 0;
    this.parse(queue.length === 1 ? queue[0]! : Buffer.concat(queue));
  }

  /** What was sent ahead, for the tunnel that it belongs to. */
  unread(): Buffer {
    const queue = this.queue ?? [];
    this.queue = undefined;
    return Buffer.concat(queue);
  }

  // --- The end of a request, of its body, of the connection.

  /** The answer is complete, or the body is: when both are, it is the next request's turn. */
  turnOver(): void {
    const { answer, incoming } = this;
    if (!answer.complete) return;
    if (!answer.persistent) return this.close();
    if (incoming.body !== undefined) {
      this.droppedBytes = 0;
      if (!incoming.taken) incoming.body.discard();
      return;
    }
    this.req = undefined;
    if (this.queue !== undefined) {
      if (!this.conn.full) this.takeQueue();
    } else if (this.draining || this.halfClosed) {
      this.close();
    } else {
      this.since = this.clock.now();
      this.allowedMs = this.idleTimeoutMs;
      if (this.timer === undefined) this.await(this.allowedMs);
    }
  }

  received(): void {
    this.allowedMs = Infinity;
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

  // Answers what is no request, or no body, and closes.
  private refuse(fault: Fault): void {
    const { req } = this;
    this.incoming.fail(fault);
    req?.cancel(fault);
    this.answer.refuse(fault);
  }

  /** Ends our side and drops what the client still sends. */
  close(): void {
    if (this.lingering) return;
    this.lingering = true;
    this.req = undefined;
    this.held = undefined;
    this.queue = undefined;
    this.incoming.fail(cutShort("client", undefined));
    this.conn.end();
    this.conn.resume();
    this.await(LINGER_MS);
  }

  // --- Time.

  // Starts waiting for something that may take `ms`.
  private await(ms: number): void {
    this.timer?.cancel();
    this.since = this.clock.now();
    this.allowedMs = ms;
    this.timer = this.clock.after(ms, this.onTimer);
  }

  private expire(): void {
    this.timer = undefined;
    const leftMs = this.since + this.allowedMs - this.clock.now();
    if (leftMs === Infinity) return;
    if (leftMs > 0) {
      this.timer = this.clock.after(leftMs, this.onTimer);
    } else if (this.lingering) {
      this.conn.destroy();
    } else if (this.held !== undefined || this.incoming.body !== undefined) {
      const message = `the rest of the request did not arrive within ${this.allowedMs} ms`;
      this.refuse(new Fault("header-timeout", message, { side: "client" }));
    } else {
      this.close();
    }
  }

  private watchHalfClosed(): void {
    const written = this.conn.writtenBytes;
    this.clock.after(HALF_CLOSED_MS, () => {
      if (this.conn.closed || this.lingering || this.answer.tunnelling) return;
      if (this.conn.writtenBytes !== written || this.answer.answered) this.watchHalfClosed();
      else this.conn.destroy(cutShort("client", undefined));
    });
  }
}
