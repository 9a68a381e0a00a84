// The answers of an HTTP/1 server: how a response is framed for this client (RFC 9112 §6), whether the connection
// outlives it, and how it becomes a tunnel.

import { Fault } from "../base/fault.ts";
import { hasHeader, type Headers } from "../wire/headers.ts";
import { CHUNKED, UNTIL_CLOSE } from "../wire/http1.ts";
import { ANY_LENGTH, type Http1Printer, NO_LENGTH } from "../wire/http1print.ts";
import { statusLine } from "../wire/reasons.ts";
import { Body } from "./body.ts";
import { H1Outgoing, type OutgoingOwner } from "./h1outgoing.ts";
import type { H1Server } from "./h1server.ts";
import { HttpRsp } from "./message.ts";

const CLOSE = "connection: close\r\n";
const KEEP_ALIVE = "connection: keep-alive\r\n";
const UPGRADE = "connection: upgrade\r\n";
const CODED = "transfer-encoding: chunked\r\n";

export class H1Answer implements OutgoingOwner {
  /** The head has been written. */
  answered: boolean;
  /** Everything has been written. */
  complete: boolean;
  /** Another request may follow. */
  persistent: boolean;
  tunnelling: boolean;
  private readonly server: H1Server;
  private readonly outgoing: H1Outgoing;
  private readonly printer: Http1Printer;

  constructor(server: H1Server, printer: Http1Printer) {
    this.answered = false;
    this.complete = false;
    this.persistent = true;
    this.tunnelling = false;
    this.server = server;
    this.outgoing = new H1Outgoing(server.conn, this);
    this.printer = printer;
  }

  /** Its body has not been written to the end. */
  get sending(): boolean {
    return this.outgoing.body !== undefined;
  }

  /** A request has arrived. */
  begin(): void {
    this.answered = false;
    this.complete = false;
  }

  /** Sends a 1xx response that is not the last one. */
  inform(status: number, headers: Headers): void {
    const { server } = this;
    if (server.req === undefined || this.answered || status === 101) return;
    if (status === 100) {
      if (!server.expecting) return;
      server.expecting = false;
    }
    server.conn.write(
      `${statusLine(status)}${this.printer.print(headers, NO_LENGTH, undefined)}\r\n`,
    );
  }

  respond(rsp: HttpRsp): void {
    const { server } = this;
    const { req, parser } = server;
    if (req === undefined || this.answered || server.conn.closed) return dismiss(rsp);
    const { status } = rsp;
    if (rsp.tunnel !== undefined && req.upgrade !== undefined) return this.open(rsp);
    if (status < 200) {
      dismiss(rsp);
      return this.fail(new Fault("bad-response", `the status ${status} is no answer`));
    }
    req.onCancel = undefined;
    this.answered = true;
    let { body } = rsp;
    if (parser.method === "HEAD" || status === 204 || status === 304) {
      if (!body.isEmpty) dismiss(rsp);
      body = Body.empty;
    }
    const framing = this.framingOf(body);
    this.persistent =
      parser.persistent &&
      framing !== UNTIL_CLOSE &&
      !rsp.close &&
      !server.draining &&
      server.canDrop;
    const head = this.printHead(rsp, framing);
    this.outgoing.send(head, body, framing, parser.fields.takesTrailers);
  }

  /** Answers with what `fault` means, and closes. */
  fail(fault: Fault): void {
    if (this.answered) return;
    const headers = ["content-type", "text/plain"];
    const rsp = new HttpRsp(fault.meaning.http, headers, Body.of(`${fault.message}\n`));
    rsp.close = true;
    this.respond(rsp);
  }

  /** Answers a request of which no more is known than that it is wrong, and closes; resets where an answer has begun. */
  refuse(fault: Fault): void {
    const { server } = this;
    if (server.req !== undefined && this.answered) return server.conn.reset(fault);
    this.answered = true;
    const text = Buffer.from(`${fault.message}\n`).toString("latin1");
    const fields = `content-type: text/plain\r\ncontent-length: ${text.length}\r\n`;
    server.conn.write(`${statusLine(fault.meaning.http)}${fields}${CLOSE}\r\n${text}`);
    server.close();
  }

  /** The client is gone. */
  cancel(fault: Fault): void {
    this.outgoing.cancel(fault);
  }

  /** The client takes more. */
  drained(): void {
    this.outgoing.drained();
  }

  // --- OutgoingOwner.

  sent(): void {
    this.complete = true;
    if (!this.tunnelling) this.server.turnOver();
  }

  broken(fault: Fault): void {
    const { conn } = this.server;
    // Chunks or a length tell that something is missing, and what has been sent may still arrive; where the end of the
    // connection is the end of the message, only a reset tells.
    if (this.outgoing.framing === UNTIL_CLOSE) conn.reset(fault);
    else conn.destroy(fault);
  }

  private framingOf(body: Body): number {
    const { parser } = this.server;
    const chunks = parser.version === 11 ? CHUNKED : UNTIL_CLOSE;
    if (body.whole === undefined) return body.length ?? chunks;
    if (body.ended!.trailers !== undefined && parser.fields.takesTrailers) return chunks;
    return body.whole.length;
  }

  private printHead(rsp: HttpRsp, framing: number): string {
    const { method, version } = this.server.parser;
    const { status } = rsp;
    const length =
      method === "HEAD" || status === 304
        ? ANY_LENGTH
        : status === 204 || framing < 0
          ? NO_LENGTH
          : framing;
    let head = statusLine(status) + this.printer.print(rsp.headers, length, undefined);
    if (length === 0 && !this.printer.hasLength) head += "content-length: 0\r\n";
    if (framing === CHUNKED) head += CODED;
    if (!this.persistent) head += CLOSE;
    else if (version === 10) head += KEEP_ALIVE;
    return `${head}\r\n`;
  }

  // The connection becomes a stream of bytes in both directions (RFC 9110 §7.8 and §9.3.6).
  private open(rsp: HttpRsp): void {
    const { server } = this;
    const { conn, incoming } = server;
    const tunnel = rsp.tunnel!;
    const switches = server.parser.method !== "CONNECT";
    let head = statusLine(switches ? 101 : rsp.status);
    head += this.printer.print(rsp.headers, NO_LENGTH, undefined);
    if (switches) {
      head += UPGRADE;
      if (!hasHeader(rsp.headers, "upgrade")) head += `upgrade: ${server.parser.upgrade}\r\n`;
    }
    server.req!.onCancel = undefined;
    this.answered = true;
    this.persistent = false;
    this.tunnelling = true;
    const sentAhead = server.unread();
    this.outgoing.send(`${head}\r\n`, tunnel.incoming, UNTIL_CLOSE, false);
    tunnel.send(incoming.start(UNTIL_CLOSE, sentAhead, 0));
    if (server.halfClosed) incoming.end();
    conn.resume();
  }
}

// A response that nobody waits for.
function dismiss(rsp: HttpRsp): void {
  const gone = new Fault("cancelled", "nobody waits for the response", { side: "client" });
  rsp.body.cancel(gone);
  rsp.tunnel?.incoming.cancel(gone);
}
