// The start of text whose end is still to come: a head or trailers that arrive in pieces. A piece costs what it is long,
// however many came before it, and all of it is read again only when that may tell something new.

import { LF } from "./octets.ts";

/** So much more is worth another look: what is too long is refused before it is complete. */
const MORE_BYTES = 4096;
const LEAST_BYTES = 256;
const NOTHING: Buffer = Buffer.alloc(0);

export class Pieces {
  /** Bytes so far. */
  size = 0;
  private room = NOTHING;
  private seen = 0;

  /** Everything so far. */
  get bytes(): Buffer {
    return this.room.subarray(0, this.size);
  }

  /** Adds a copy of `piece`; whether it is time to read all again: a line has ended, or much has come since the last time. */
  add(piece: Buffer): boolean {
    const size = this.size + piece.length;
    if (size > this.room.length) {
      const room = Buffer.allocUnsafe(Math.max(size, 2 * this.room.length, LEAST_BYTES));
      this.room.copy(room, 0, 0, this.size);
      this.room = room;
    }
    piece.copy(this.room, this.size);
    this.size = size;
    if (size - this.seen < MORE_BYTES && !piece.includes(LF)) return false;
    this.seen = size;
    return true;
  }

  /** Gives everything away, and begins anew. */
  take(): Buffer {
    if (this.room === NOTHING) return NOTHING;
    const { bytes } = this;
    this.size = 0;
    this.seen = 0;
    this.room = NOTHING;
    return bytes;
  }
}
