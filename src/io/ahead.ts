// What a client has sent ahead of its turn. It is kept up to a bound; then reading stops until it is taken.

import type { Conn } from "./conn.ts";
import { keep } from "./memory.ts";

const BOUND_BYTES = 65536;

export class Ahead {
  private readonly conn: Conn;
  private chunks: Buffer[];
  private bytes: number;

  constructor(conn: Conn) {
    this.conn = conn;
    this.chunks = [];
    this.bytes = 0;
  }

  get isEmpty(): boolean {
    return this.bytes === 0;
  }

  /** Keeps `chunk`, copied when it is borrowed. */
  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.push(keep(chunk));
    this.bytes += chunk.length;
    if (this.bytes > BOUND_BYTES) this.conn.pause();
  }

  /** Gives everything away. */
  take(): Buffer {
    const { chunks } = this;
    if (this.bytes > BOUND_BYTES) this.conn.resume();
    this.chunks = [];
    this.bytes = 0;
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }
}
