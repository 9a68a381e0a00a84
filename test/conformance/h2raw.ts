// An HTTP/2 client that sends frames as a test says, good or bad, and keeps those that come back. It indexes nothing,
// so that any octets may stand in a field.

import { connect, type Socket } from "node:net";
import { FLAG, FRAME, PREFACE } from "../../src/wire/frames.ts";
import { HpackDecoder } from "../../src/wire/hpackdecoder.ts";
import type { At } from "./raw.ts";

export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
};

export class H2Raw {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** Fields of each stream: its head, and its trailers if there are any. */
  readonly heads = new Map<number, string[][]>();
  readonly bodies = new Map<number, string>();
  readonly ended = new Set<number>();
  /** The codes of RST_STREAM, by stream. */
  readonly resets = new Map<number, number>();
  /** The code of GOAWAY. */
  goaway: number | undefined;
  closed = false;
  #bytes: Buffer = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder(1 << 20);
  #wake: () => void = () => {};

  /** Talks over `socket`, or over a new connection. With `greets`, it sends the preface, empty settings and their acknowledgement. */
  constructor(to: At | Socket, greets = true) {
    this.socket = "host" in to ? connect({ ...to, noDelay: true }) : to;
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
    this.socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#read(greets);
      this.#wake();
    });
    if (greets) this.write(Buffer.concat([PREFACE, frame(FRAME.SETTINGS, 0, 0)]));
  }

  write(bytes: Buffer): boolean {
    return this.socket.write(bytes);
  }

  /** Sends HEADERS with these names and values; END_STREAM unless told otherwise. */
  head(id: number, fields: readonly string[], ends = true): void {
    const flags = FLAG.END_HEADERS | (ends ? FLAG.END_STREAM : 0);
    this.write(frame(FRAME.HEADERS, flags, id, literals(fields)));
  }

  data(id: number, bytes: string | Buffer, ends = true): void {
    this.write(frame(FRAME.DATA, ends ? FLAG.END_STREAM : 0, id, Buffer.from(bytes as string)));
  }

  /** Waits until `is` holds or the connection is gone or nothing comes for `quietMs`; says whether it holds. */
  async until(is: () => boolean, quietMs = 5_000): Promise<boolean> {
    while (!is() && !this.closed) {
      const before = this.frames.length;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((wake) => {
        this.#wake = wake;
        timer = setTimeout(wake, quietMs);
      });
      clearTimeout(timer);
      if (this.frames.length === before && !this.closed) break;
    }
    return is();
  }

  /** The status of a stream's response, once it is over; undefined when it was reset or the connection ended. */
  async status(id: number): Promise<number | undefined> {
    await this.until(() => this.ended.has(id) || this.resets.has(id) || this.goaway !== undefined);
    const head = this.heads.get(id)?.at(0);
    return this.ended.has(id) && head ? Number(head[head.indexOf(":status") + 1]) : undefined;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #read(answers: boolean): void {
    for (;;) {
      if (this.#bytes.length < 9) return;
      const length = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + length) return;
      const [type, flags] = [this.#bytes[3]!, this.#bytes[4]!];
      const id = this.#bytes.readUInt32BE(5) & 0x7fffffff;
      const payload = this.#bytes.subarray(9, 9 + length);
      this.#bytes = this.#bytes.subarray(9 + length);
      this.#note({ type, flags, id, payload });
      if (answers && type === FRAME.SETTINGS && !(flags & FLAG.ACK))
        this.write(frame(FRAME.SETTINGS, FLAG.ACK, 0));
      if (answers && type === FRAME.PING && !(flags & FLAG.ACK))
        this.write(frame(FRAME.PING, FLAG.ACK, 0, payload));
    }
  }

  #note(it: Frame): void {
    const { type, flags, id, payload } = it;
    this.frames.push(it);
    if (type === FRAME.HEADERS) {
      // Whoever sends more than 16 kB of fields to a test wants CONTINUATION read here.
      this.#decoder.decode(payload, 0, payload.length);
      const fields = this.#decoder.fields.slice(0, this.#decoder.length);
      this.heads.set(id, [...(this.heads.get(id) ?? []), fields]);
    }
    if (type === FRAME.DATA)
      this.bodies.set(id, (this.bodies.get(id) ?? "") + payload.toString("latin1"));
    if ((type === FRAME.HEADERS || type === FRAME.DATA) && flags & FLAG.END_STREAM)
      this.ended.add(id);
    if (type === FRAME.RST_STREAM) this.resets.set(id, payload.readUInt32BE(0));
    if (type === FRAME.GOAWAY) this.goaway = payload.readUInt32BE(4);
  }
}

/** One frame as it is sent. */
export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** A header block of literals that are not indexed and not Huffman-coded. */
export function literals(fields: readonly string[]): Buffer {
  const text = (it: string): Buffer => {
    const bytes = Buffer.from(it, "latin1");
    return Buffer.concat([integer(bytes.length), bytes]);
  };
  const parts: Buffer[] = [];
  for (let i = 0; i < fields.length; i += 2)
    parts.push(Buffer.from([0]), text(fields[i]!), text(fields[i + 1]!));
  return Buffer.concat(parts);
}

/** An integer with a prefix of seven bits (RFC 7541 §5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}
