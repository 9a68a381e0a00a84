// HTTP/2 for clients: one connection that carries many requests. Those beyond what the server allows at once wait here in
// order; whoever balances looks at `ready` first.

import { Fault } from "../base/fault.ts";
import { FRAME_HEADER_BYTES, PREFACE, SETTING } from "../wire/frames.ts";
import { errorName, H2 } from "../wire/h2error.ts";
import { toH2Fields } from "../wire/h2fields.ts";
import { EVENT, STATE } from "../wire/streamstate.ts";
import { Body } from "./body.ts";
import type { Conn } from "./conn.ts";
import { H2Conn } from "./h2conn.ts";
import type { H2Options } from "./h2link.ts";
import { resetCode } from "./h2outgoing.ts";
import { H2Stream } from "./h2stream.ts";
import { type HttpReq, HttpRsp } from "./message.ts";

// Until the server has said otherwise.
const ASSUMED_STREAMS = 100;
const LAST_STREAM_ID = 0x7fff_fffd;

type Resolve = (rsp: HttpRsp) => void;
type Reject = (fault: Fault) => void;

export class H2Client extends H2Conn {
  /** Resolves when the connection is gone, however that came. */
  readonly done: Promise<void>;
  /** Told each time `ready` has changed. */
  onReady: ((ready: boolean) => void) | undefined;

  /** The :scheme of requests that came without. */
  readonly scheme: string;

  private readonly pending: ClientStream[];
  private wasReady: boolean;
  private settled: boolean;
  private resolveDone!: () => void;

  /** Speaks HTTP/2 with prior knowledge on `conn`, at once; requests need not wait for the server's settings. */
  constructor(conn: Conn, options: H2Options) {
    super(conn, options, false);
    this.onReady = undefined;
    this.scheme = conn.secure ? "https" : "http";
    this.pending = [];
    this.wasReady = true;
    this.settled = false;
    this.lastStreamId = -1;
    this.done = new Promise((resolve) => (this.resolveDone = resolve));
    this.output.append(PREFACE, 0, PREFACE.length);
    this.greet([SETTING.ENABLE_PUSH, 0]);
    conn.start(this);
  }

  /** Whether a request would be sent now: the connection is good and the server takes another stream. */
  get ready(): boolean {
    return this.fault === undefined && !this.draining && this.streams.size < this.maxStreams;
  }

  /** Requests under way and waiting. */
  get load(): number {
    return this.streams.size + this.pending.length;
  }

  private get maxStreams(): number {
    return this.settled ? this.peer.maxConcurrentStreams : ASSUMED_STREAMS;
  }

  /** Sends `req`; rejects with a Fault, which is retryable when the server surely did not see it. */
  request(req: HttpReq): Promise<HttpRsp> {
    return new Promise((resolve, reject) => {
      const stream = new ClientStream(this, req, resolve, reject);
      if (req.cancelled !== undefined) return stream.lost(req.cancelled);
      if (this.fault !== undefined || this.draining) return stream.lost(this.refusal());
      req.onCancel = stream.withdraw.bind(stream);
      if (this.streams.size < this.maxStreams) this.begin(stream);
      else this.pending.push(stream);
    });
  }

  /** Takes no more requests, finishes those under way and closes. */
  close(): void {
    if (this.fault !== undefined || this.draining) return;
    this.sendGoAway(H2.NO_ERROR, "");
    this.retire();
  }

  private begin(stream: ClientStream): void {
    this.lastStreamId += 2;
    stream.id = this.lastStreamId;
    this.streams.add(stream);
    try {
      stream.start();
    } catch (error) {
      // A bug, and the compression tables may be out of step: nothing more can be said on this connection.
      this.fail(H2.INTERNAL_ERROR, Fault.from(error).message);
    }
    if (this.lastStreamId >= LAST_STREAM_ID) this.retire();
    if (!this.ready) this.hasRoom();
  }

  private retire(): void {
    this.draining = true;
    for (const stream of this.pending.splice(0)) stream.lost(this.refusal());
    if (this.streams.size === 0 && this.fault === undefined) this.hangUp();
    this.hasRoom();
  }

  private refusal(): Fault {
    const cause = this.fault;
    const message = "the HTTP/2 connection takes no more requests";
    return new Fault("refused-stream", message, { side: "upstream", retryable: true, cause });
  }

  /** Forgets a request that waits for its turn. */
  unqueue(stream: ClientStream): void {
    const at = this.pending.indexOf(stream);
    if (at >= 0) this.pending.splice(at, 1);
  }

  override onSettings(chunk: Buffer, start: number, end: number): void {
    this.settled = true;
    super.onSettings(chunk, start, end);
  }

  protected override openStream(streamId: number): void {
    const idle = streamId > this.lastStreamId || streamId % 2 === 0;
    if (idle) this.fail(H2.PROTOCOL_ERROR, "a response to no request");
    else this.onStray(streamId, EVENT.recvHeaders);
  }

  protected override hasRoom(): void {
    while (this.pending.length > 0 && this.ready) this.begin(this.pending.shift()!);
    if (this.ready === this.wasReady) return;
    this.wasReady = !this.wasReady;
    this.onReady?.(this.wasReady);
  }

  protected override leave(lastStreamId: number, code: number, reason: string): void {
    const because = reason === "" ? errorName(code) : `${errorName(code)}: ${reason}`;
    const message = `the server is going away (${because}) and did not take the request`;
    for (const stream of this.streams.all()) {
      if (stream.id <= lastStreamId) continue;
      this.streams.delete(stream.id);
      stream.lost(new Fault("refused-stream", message, { side: "upstream", retryable: true }));
    }
    this.retire();
  }

  protected override shut(fault: Fault): void {
    super.shut(fault);
    this.retire();
  }

  protected override ended(): void {
    this.resolveDone();
  }
}

class ClientStream extends H2Stream {
  declare readonly conn: H2Client;
  private readonly req: HttpReq;
  private resolve: Resolve | undefined;
  private refuse: Reject | undefined;
  private rsp: HttpRsp | undefined;

  constructor(conn: H2Client, req: HttpReq, resolve: Resolve, refuse: Reject) {
    super(conn, 0, STATE.idle);
    this.req = req;
    this.resolve = resolve;
    this.refuse = refuse;
    this.rsp = undefined;
  }

  /** Sends the request. */
  start(): void {
    const { req, conn } = this;
    const { output, encoder } = conn;
    this.state = STATE.open;
    this.sendLeft = conn.peer.initialWindowBytes;
    this.clean = req.version === 20;
    if (req.upgrade !== undefined && req.upgrade !== "" && !conn.peer.connectProtocol) {
      this.state = STATE.closed;
      conn.streams.delete(this.id);
      const message = `the server takes no ${req.upgrade} over HTTP/2 (RFC 8441)`;
      return this.lost(new Fault("not-implemented", message, { side: "upstream" }));
    }
    const tunnel = req.upgrade !== undefined;
    const method = tunnel ? "CONNECT" : req.method;
    const headers = this.clean ? req.headers : toH2Fields(req.headers);
    const out = this.roomFor(headers, method.length + req.authority.length + req.path.length + 128);
    let at = encoder.begin(out, output.at + FRAME_HEADER_BYTES);
    at = encoder.field(":method", method, out, at);
    if (req.upgrade !== "") {
      const scheme = req.scheme === "" ? conn.scheme : req.scheme;
      at = encoder.field(":scheme", scheme, out, at);
      if (req.upgrade !== undefined) at = encoder.field(":protocol", req.upgrade, out, at);
      at = encoder.field(":path", req.path, out, at);
    }
    if (req.authority !== "") at = encoder.field(":authority", req.authority, out, at);
    at = encoder.encode(headers, out, at, req.neverIndexed ?? null);
    this.writeBlock(out, at, false);
    if (!tunnel) this.send(req.body);
  }

  override onHead(endStream: boolean): void {
    const { conn, req } = this;
    const { decoder, head } = conn;
    if (decoder.tooLarge) return this.reject(H2.PROTOCOL_ERROR, "response headers too large");
    const wrong = decoder.malformed
      ? "an invalid field name or value"
      : head.readResponse(decoder.fields, decoder.length);
    if (wrong !== null) return this.reject(H2.PROTOCOL_ERROR, wrong);
    const { status } = head;
    if (status < 200) {
      if (endStream) return this.reject(H2.PROTOCOL_ERROR, "an interim response that ends");
      req.inform?.(status, head.headers);
      return;
    }
    this.headSeen = true;
    const bodyless = req.method === "HEAD" || status === 304 || req.upgrade !== undefined;
    this.expected = bodyless ? -1 : head.length;
    const rsp = (this.rsp = new HttpRsp(status, head.headers, Body.empty, 20));
    rsp.neverIndexed = decoder.neverIndexed ?? undefined;
    if (req.upgrade !== undefined && status < 300) {
      if (req.upgrade !== "") rsp.status = 101;
      rsp.tunnel = this;
      this.incoming = Body.stream(this);
      this.settle()?.(rsp);
    }
    if (endStream) {
      this.recvEnd(undefined);
    } else if (rsp.tunnel === undefined) {
      this.fresh = true;
      conn.await(this);
    }
  }

  protected override dispatch(body: Body): void {
    const rsp = this.rsp!;
    rsp.body = body;
    this.settle()?.(rsp);
  }

  /** The client of the proxy is gone. */
  withdraw(fault: Fault): void {
    if (this.state !== STATE.idle) return this.reset(resetCode(fault), fault);
    this.conn.unqueue(this);
    this.lost(fault);
  }

  // The promise's resolver, if it is not settled yet.
  private settle(): Resolve | undefined {
    const { resolve } = this;
    this.resolve = undefined;
    this.refuse = undefined;
    this.req.onCancel = undefined;
    return resolve;
  }

  protected override failed(fault: Fault): void {
    const { refuse } = this;
    this.settle();
    refuse?.(fault);
  }

  protected override givenUp(fault: Fault): void {
    this.reset(resetCode(fault), fault);
  }

  protected override sentAll(): void {}

  protected override blame(code: number, reason: string): Fault {
    const message = `the server broke HTTP/2 (${errorName(code)}): ${reason}`;
    return new Fault("bad-response", message, { side: "upstream", detail: code });
  }

  protected override resetFault(code: number): Fault {
    const message = `the server has reset the stream (${errorName(code)})`;
    const refused = code === H2.REFUSED_STREAM;
    const options = { side: "upstream", detail: code, retryable: refused } as const;
    return new Fault(refused ? "refused-stream" : "reset", message, options);
  }
}
