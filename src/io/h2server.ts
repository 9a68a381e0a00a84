// HTTP/2 for servers: each stream that a client opens becomes a call of the service, and what the service returns
// becomes the stream's answer.

import { Fault } from "../base/fault.ts";
import { FRAME_HEADER_BYTES, SETTING } from "../wire/frames.ts";
import { errorName, H2 } from "../wire/h2error.ts";
import { toH2Fields } from "../wire/h2fields.ts";
import type { Headers } from "../wire/headers.ts";
import { EVENT, STATE } from "../wire/streamstate.ts";
import { Body } from "./body.ts";
import type { Conn } from "./conn.ts";
import { H2Conn } from "./h2conn.ts";
import type { H2Options } from "./h2link.ts";
import { resetCode } from "./h2outgoing.ts";
import { H2Stream } from "./h2stream.ts";
import { HttpReq, HttpRsp, type HttpService } from "./message.ts";

const NO_HEADERS: Headers = [];
const MAX_CONCURRENT_STREAMS = 1000;
const DRAIN = 2;
const DRAIN_MS = 1000;

/**
 * Serves HTTP/2 with prior knowledge on `conn`, whose first bytes may be given as `first`. The preface is still to
 * come. `done` of what is returned resolves when the connection is over; `drain` lets it end.
 */
export function serveH2(
  conn: Conn,
  service: HttpService,
  options: H2Options,
  first?: Buffer,
): H2Server {
  const server = new H2Server(conn, service, options);
  conn.start(server, first);
  return server;
}

export class H2Server extends H2Conn {
  readonly service: HttpService;
  /** Resolves when the connection is gone, however that came. */
  readonly done: Promise<void>;

  private readonly maxStreams: number;
  // After the first GOAWAY: its end has been announced.
  private leaving: boolean;
  // After the second GOAWAY, streams that the client opens all the same are refused.
  private refusing: boolean;
  private resolveDone!: () => void;

  constructor(conn: Conn, service: HttpService, options: H2Options) {
    super(conn, options, true);
    this.service = service;
    this.maxStreams = options.maxConcurrentStreams ?? MAX_CONCURRENT_STREAMS;
    this.leaving = false;
    this.refusing = false;
    this.done = new Promise((resolve) => (this.resolveDone = resolve));
    const limit = [SETTING.MAX_CONCURRENT_STREAMS, this.maxStreams];
    this.greet([...limit, SETTING.ENABLE_CONNECT_PROTOCOL, 1]);
  }

  /**
   * Lets the connection end (RFC 9113 §6.8): announces it, takes what is on the way until a PING has come back,
   * then finishes what is under way and closes.
   */
  drain(): void {
    if (this.fault !== undefined || this.draining || this.leaving) return;
    this.leaving = true;
    this.sendGoAway(H2.NO_ERROR, "", true);
    this.sendPing(DRAIN);
    this.clock.after(DRAIN_MS, () => this.refuse());
  }

  private refuse(): void {
    if (this.fault !== undefined || this.refusing) return;
    this.refusing = true;
    this.draining = true;
    this.sendGoAway(H2.NO_ERROR, "");
    if (this.streams.size === 0) this.hangUp();
  }

  protected override onPong(high: number): void {
    if (high === DRAIN) this.refuse();
  }

  protected override openStream(streamId: number, endStream: boolean): void {
    if (streamId % 2 === 0)
      return this.fail(H2.PROTOCOL_ERROR, "a client's stream with an even id");
    if (streamId <= this.lastStreamId) return this.onStray(streamId, EVENT.recvHeaders);
    this.lastStreamId = streamId;
    const { decoder, head } = this;
    if (this.refusing || this.streams.size >= this.maxStreams) {
      return this.turnAway(streamId, H2.REFUSED_STREAM);
    }
    if (decoder.tooLarge) {
      const stream = new ServerStream(this, streamId, STATE.open);
      stream.answer(431, NO_HEADERS);
      return this.turnAway(streamId, H2.NO_ERROR);
    }
    const wrong = decoder.malformed
      ? "an invalid field name or value"
      : head.readRequest(decoder.fields, decoder.length);
    if (wrong !== null || (endStream && head.length > 0)) {
      return this.turnAway(streamId, H2.PROTOCOL_ERROR);
    }
    const stream = new ServerStream(this, streamId, STATE.open);
    this.streams.add(stream);
    stream.onHead(endStream);
  }

  // Refuses a stream before it has begun.
  private turnAway(streamId: number, code: number): void {
    if (!this.spend(1)) return;
    this.sendReset(streamId, code);
    this.rememberReset(streamId);
  }

  protected override hasRoom(): void {}

  protected override leave(): void {
    this.draining = true;
    if (this.streams.size === 0) this.hangUp();
  }

  protected override ended(): void {
    this.resolveDone();
  }
}

class ServerStream extends H2Stream {
  declare readonly conn: H2Server;
  private req: HttpReq | undefined;
  private answered: boolean;

  constructor(conn: H2Server, id: number, state: number) {
    super(conn, id, state);
    this.req = undefined;
    this.answered = false;
    this.headSeen = true;
  }

  override onHead(endStream: boolean): void {
    const { conn } = this;
    const { head } = conn;
    const { method, path, authority, protocol } = head;
    const { peer } = conn.conn;
    const req = new HttpReq(method, path, authority, 20, head.headers, Body.empty, peer, conn.now);
    req.scheme = head.scheme;
    req.neverIndexed = conn.decoder.neverIndexed ?? undefined;
    req.inform = this.inform.bind(this);
    this.req = req;
    if (method !== "CONNECT") this.expected = head.length;
    if (method === "CONNECT") {
      req.upgrade = protocol ?? "";
      // An extended CONNECT asks for what Upgrade does (RFC 8441 §5).
      if (protocol !== undefined) req.method = "GET";
      req.tunnel = this;
      this.incoming = Body.stream(this);
      this.call(req);
      if (endStream) this.recvEnd(undefined);
    } else if (endStream) {
      this.recvEnd(undefined);
    } else {
      this.fresh = true;
      conn.await(this);
    }
  }

  protected override dispatch(body: Body): void {
    const req = this.req!;
    req.body = body;
    this.call(req);
  }

  private call(req: HttpReq): void {
    try {
      this.conn.service(req).then(
        (rsp) => this.respond(rsp),
        (error: unknown) => this.fail(Fault.from(error)),
      );
    } catch (error) {
      this.fail(Fault.from(error));
    }
  }

  private respond(rsp: HttpRsp): void {
    if (this.state >= STATE.closed) {
      const gone = new Fault("cancelled", "the client is gone", { side: "client" });
      rsp.body.cancel(this.req!.cancelled ?? gone);
      rsp.tunnel?.incoming.cancel(this.req!.cancelled ?? gone);
      return;
    }
    this.answered = true;
    this.req!.onCancel = undefined;
    this.clean = rsp.version === 20;
    if (rsp.close) this.conn.drain();
    try {
      this.write(rsp, this.clean ? rsp.headers : toH2Fields(rsp.headers));
    } catch (error) {
      // A bug, and the compression tables may be out of step: nothing more can be said on this connection.
      this.conn.fail(H2.INTERNAL_ERROR, Fault.from(error).message);
    }
  }

  private write(rsp: HttpRsp, headers: Headers): void {
    const { status, body, tunnel } = rsp;
    const req = this.req!;
    if (tunnel !== undefined) {
      this.writeHead(status === 101 ? 200 : status, headers, undefined, false);
      tunnel.send(this.incoming);
      this.send(tunnel.incoming);
      return;
    }
    if (req.tunnel !== undefined) this.incoming.cancel(new Fault("cancelled", "no tunnel"));
    const bodyless = req.method === "HEAD" || status === 204 || status === 304;
    if (bodyless && !body.isEmpty) {
      this.writeHead(status, headers, rsp.neverIndexed, true);
      this.sentEnd();
      body.discard();
    } else {
      this.writeHead(status, headers, rsp.neverIndexed, false);
      this.send(body);
    }
  }

  // What no filter has made a response of.
  private fail(fault: Fault): void {
    if (this.state >= STATE.closed) return;
    this.answered = true;
    if (fault.code === "reset" || fault.code === "refused-stream") {
      this.reset(resetCode(fault), fault);
    } else {
      this.respond(new HttpRsp(fault.meaning.http, [], Body.of(`${fault.message}\n`)));
    }
  }

  /** Writes a whole response without content. */
  answer(status: number, headers: Headers): void {
    this.writeHead(status, headers, undefined, true);
  }

  private inform(status: number, headers: Headers): void {
    if (!this.answered && this.state < STATE.closed) {
      this.writeHead(status, toH2Fields(headers), undefined, false);
      // Its END_STREAM bit is not for `endLast` to set.
      this.conn.output.mark(0, 0);
    }
  }

  private writeHead(
    status: number,
    headers: Headers,
    neverIndexed: readonly string[] | undefined,
    endStream: boolean,
  ): void {
    const { output, encoder } = this.conn;
    const out = this.roomFor(headers, 32);
    let at = encoder.begin(out, output.at + FRAME_HEADER_BYTES);
    at = encoder.field(":status", STATUS[status] ?? String(status), out, at);
    at = encoder.encode(headers, out, at, neverIndexed ?? null);
    this.writeBlock(out, at, endStream);
  }

  protected override sentAll(): void {
    // The client may stop sending what nobody wants (RFC 9113 §8.1).
    if (this.discarding || !this.asked) {
      this.reset(H2.NO_ERROR, new Fault("cancelled", "the response is complete"));
    }
  }

  protected override failed(fault: Fault): void {
    if (!this.answered) this.req?.cancel(fault);
  }

  protected override givenUp(_fault: Fault): void {
    if (this.state === STATE.halfLocal) this.sentAll();
  }

  protected override blame(code: number, reason: string): Fault {
    const message = `the client broke HTTP/2 (${errorName(code)}): ${reason}`;
    return new Fault("bad-request", message, { side: "client", detail: code });
  }

  protected override resetFault(code: number): Fault {
    const message = `the client has reset the stream (${errorName(code)})`;
    return new Fault("cancelled", message, { side: "client", detail: code || H2.CANCEL });
  }
}

const STATUS = Array.from({ length: 600 }, (_, status) => String(status));
