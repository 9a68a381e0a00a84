// The messages that leave on an HTTP/1 connection: a head and its body, in as few writes as the body allows. A small
// message leaves as one string; small pieces of a stream are gathered until the end of the turn; large ones are not
// copied.

import { Fault } from "../base/fault.ts";
import { printChunkSize } from "../wire/chunked.ts";
import type { Headers } from "../wire/headers.ts";
import { CHUNKED, UNTIL_CLOSE } from "../wire/http1.ts";
import { printTrailers } from "../wire/http1print.ts";
import { latin1 } from "../wire/latin1.ts";
import type { Body, Sink } from "./body.ts";
import type { Conn } from "./conn.ts";

/** Whoever writes the connection. */
export interface OutgoingOwner {
  /** The message is complete, as far as the sender is concerned. */
  sent(): void;
  /** The body failed or was not as long as the head had said: the message must not look complete. */
  broken(fault: Fault): void;
}

// Up to here copying into a string is cheaper than a second piece in the system call.
const SMALL_BYTES = 4096;
const GATHER_BYTES = 16384;

export class H1Outgoing implements Sink {
  /** The body that is being sent. */
  body: Body | undefined;
  /** How the last body was framed. */
  framing: number;
  private readonly conn: Conn;
  private readonly owner: OutgoingOwner;
  private left: number;
  private trailers: boolean;
  private text: string;
  private scheduled: boolean;
  private readonly onTurn = (): void => {
    this.scheduled = false;
    if (this.text !== "") this.flush();
  };

  constructor(conn: Conn, owner: OutgoingOwner) {
    this.body = undefined;
    this.conn = conn;
    this.owner = owner;
    this.framing = 0;
    this.left = 0;
    this.trailers = false;
    this.text = "";
    this.scheduled = false;
  }

  /** Sends `head`, then `body` as `framing` says: that many bytes, CHUNKED or UNTIL_CLOSE. `trailers`: the peer takes some. */
  send(head: string, body: Body, framing: number, trailers: boolean): void {
    const { conn } = this;
    const { whole } = body;
    if (framing === 0) {
      conn.write(head);
      this.owner.sent();
    } else if (whole !== undefined && whole.length === framing) {
      if (framing <= SMALL_BYTES) conn.write(head + latin1(whole, 0, framing));
      else this.writeBoth(head, whole);
      this.owner.sent();
    } else {
      this.body = body;
      this.framing = framing;
      this.left = framing;
      this.trailers = trailers;
      this.text = head;
      body.to(this);
      // A head does not wait for its body.
      if (this.text !== "" && this.body === body) this.flush();
    }
  }

  /** Nobody is left to send to. */
  cancel(fault: Fault): void {
    const { body } = this;
    this.body = undefined;
    this.text = "";
    body?.cancel(fault);
  }

  /** The connection has room again. */
  drained(): void {
    this.body?.resume();
  }

  // --- Sink.

  chunk(data: Buffer): boolean {
    const size = data.length;
    // An empty chunk would end the message.
    if (size === 0) return true;
    if (this.framing === CHUNKED) {
      this.text += printChunkSize(size);
      if (size <= SMALL_BYTES) return this.gather(`${latin1(data, 0, size)}\r\n`);
      const flowing = this.writeBoth(this.takeText(), data);
      this.gather("\r\n");
      return flowing;
    }
    if (this.framing > 0) {
      this.left -= size;
      if (this.left < 0) {
        this.fail("a body that is longer than its Content-Length");
        return true;
      }
    }
    if (this.text === "") return this.conn.write(data);
    if (size <= SMALL_BYTES) return this.gather(latin1(data, 0, size));
    return this.writeBoth(this.takeText(), data);
  }

  end(trailers: Headers | undefined): void {
    if (this.framing > 0 && this.left > 0)
      return this.fail("a body that is shorter than its Content-Length");
    this.body = undefined;
    if (this.framing === CHUNKED) {
      this.text += `0\r\n${printTrailers(this.trailers ? trailers : undefined)}`;
    }
    if (this.text !== "") this.flush();
    if (this.framing === UNTIL_CLOSE) this.conn.end();
    this.owner.sent();
  }

  abort(fault: Fault): void {
    this.body = undefined;
    this.text = "";
    this.owner.broken(fault);
  }

  private fail(message: string): void {
    const fault = new Fault("protocol", message);
    this.cancel(fault);
    this.owner.broken(fault);
  }

  private gather(text: string): boolean {
    this.text += text;
    if (this.text.length > GATHER_BYTES) return this.flush();
    if (!this.scheduled) {
      this.scheduled = true;
      process.nextTick(this.onTurn);
    }
    return true;
  }

  private flush(): boolean {
    return this.conn.write(this.takeText());
  }

  private takeText(): string {
    const { text } = this;
    this.text = "";
    return text;
  }

  private writeBoth(text: string, data: Buffer): boolean {
    const { conn } = this;
    if (text === "") return conn.write(data);
    conn.cork();
    conn.write(text);
    conn.write(data);
    return conn.uncork();
  }
}
