// A client that sends bytes as they are and keeps what comes back.

import { connect, type Socket } from "node:net";
import { gradeResponse } from "./strict.ts";

export type At = { readonly host: string; readonly port: number };

/** The bytes that came back, and whether the other side closed the connection. */
export type Reply = { readonly text: string; readonly closed: boolean };

export class RawClient {
  readonly socket: Socket;
  text = "";
  /** The other side sent FIN or RST. */
  closed = false;
  #wake: () => void = () => {};

  /** Talks over `socket`, or over a new connection. */
  constructor(to: At | Socket) {
    this.socket = "host" in to ? connect({ ...to, noDelay: true, allowHalfOpen: true }) : to;
    this.socket.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("latin1");
      this.#wake();
    });
    const close = (): void => {
      this.closed = true;
      this.#wake();
    };
    this.socket.on("end", close).on("close", close).on("error", close);
  }

  write(text: string | Buffer): void {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  /** Waits until `is` holds, the other side closes, or nothing has come for `quietMs`. */
  async until(is: (text: string) => boolean, quietMs = 5_000): Promise<Reply> {
    while (!is(this.text) && !this.closed) {
      const before = this.text.length;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((wake) => {
        this.#wake = wake;
        timer = setTimeout(wake, quietMs);
      });
      clearTimeout(timer);
      if (this.text.length === before && !this.closed) break;
    }
    return { text: this.text, closed: this.closed };
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Sends `bytes`; resolves when `count` final responses are whole, on close, or after silence. */
export async function exchange(
  at: At | Socket,
  bytes: string | Buffer,
  methods: readonly string[] = ["GET"],
  quietMs = 250,
): Promise<Reply> {
  const client = new RawClient(at);
  client.write(bytes);
  const reply = await client.until(
    (text) => responses(text, methods).length >= methods.length,
    quietMs,
  );
  client.destroy();
  return reply;
}

/** The final responses in `text`, to requests with these methods: each its status and body. */
export function responses(
  text: string,
  methods: readonly string[],
): {
  status: number;
  start: string;
  body: string;
  fields: readonly (readonly [string, string])[];
}[] {
  const found: ReturnType<typeof responses> = [];
  let bytes: Buffer = Buffer.from(text, "latin1");
  while (bytes.length > 0) {
    const graded = gradeResponse(bytes, methods[found.length] ?? "GET");
    if (graded.kind !== "whole") break;
    const { start, body, fields } = graded.message;
    const status = Number(start.slice(9, 12));
    bytes = bytes.subarray(graded.used);
    if (status >= 200 || status === 101)
      found.push({ status, start, body: body.toString("latin1"), fields });
  }
  return found;
}
