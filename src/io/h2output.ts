// What an HTTP/2 connection is about to write. Frames are put into one buffer as they come up and leave in one write
// for each turn of the event loop, however many streams spoke: a system call costs more than all the rest.
// Large payloads are not copied; they go between two pieces of the buffer in one gathered write.

import { FLAG } from "../wire/frames.ts";
import type { Conn } from "./conn.ts";
import { rest } from "./h2rest.ts";
import { lender } from "./memory.ts";

const BUFFER_BYTES = 32_768;
const POOLED = 64;
// Copying this much costs less than another piece in a gathered write.
const COPY_BYTES = 4096;
// More than this does not wait for the end of the turn.
const FLUSH_BYTES = 65_536;

const NONE = Buffer.alloc(0);
const pool: Buffer[] = [];

// The connections that have something to write in this turn.
let dirty: Output[] = [];
let scheduled = false;

function flushAll(): void {
  scheduled = false;
  const outputs = dirty;
  dirty = [];
  for (const output of outputs) output.flush();
  rest();
}

export class Output {
  /** Where `reserve` has made room: write there, then move `at` behind what was written. */
  buffer: Buffer = NONE;
  at = 0;
  /** Whether the kernel has had enough for now; cleared by `drained`. */
  blocked = false;

  private readonly conn: Conn;
  private start = 0;
  // What goes before `buffer[start, at)`.
  private pieces: Buffer[] = [];
  private piecesBytes = 0;
  private waiting = false;
  private lent = false;
  // The last frame that may still become its stream's last: where its header is, and whose it is.
  private lastBuffer: Buffer = NONE;
  private lastAt = 0;
  private lastStream = 0;

  constructor(conn: Conn) {
    this.conn = conn;
  }

  /** Makes room for `bytes` in one piece and returns `buffer`; what is written there leaves with this turn. */
  reserve(bytes: number): Buffer {
    if (this.at + bytes > this.buffer.length) this.renew(bytes);
    if (!this.waiting) {
      this.waiting = true;
      dirty.push(this);
      if (!scheduled) {
        scheduled = true;
        setImmediate(flushAll);
      }
    }
    return this.buffer;
  }

  /** Appends a payload. `flushLent` must follow before what is lent becomes invalid. */
  append(chunk: Buffer, from: number, to: number): void {
    const bytes = to - from;
    if (bytes <= COPY_BYTES) {
      chunk.copy(this.reserve(bytes), this.at, from, to);
      this.at += bytes;
      return;
    }
    this.cut();
    this.pieces.push(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
    this.piecesBytes += bytes;
    if (lender(chunk) !== undefined) this.lent = true;
    if (this.piecesBytes > FLUSH_BYTES) this.flush();
  }

  /** Writes what has gathered if some of it is lent. */
  flushLent(): void {
    if (this.lent) this.flush();
  }

  /** Remembers that a HEADERS or DATA frame of `streamId` begins at `at`, for `endLast`. */
  mark(streamId: number, at: number): void {
    this.lastBuffer = this.buffer;
    this.lastAt = at;
    this.lastStream = streamId;
  }

  /** Sets END_STREAM on the last marked frame if it is of `streamId` and still here, which saves an empty frame. */
  endLast(streamId: number): boolean {
    if (this.lastStream !== streamId) return false;
    this.lastBuffer[this.lastAt + 4]! |= FLAG.END_STREAM;
    this.lastStream = 0;
    return true;
  }

  /** Bytes that the kernel has not taken yet. */
  get backlogBytes(): number {
    return this.conn.socket.writableLength + this.piecesBytes + this.at - this.start;
  }

  /** Writes what has gathered, at once. */
  flush(): void {
    this.waiting = false;
    this.lent = false;
    this.lastStream = 0;
    const { conn, pieces } = this;
    if (pieces.length === 0) {
      if (this.at === this.start) return;
      this.blocked = !conn.write(this.buffer.subarray(this.start, this.at));
      this.start = this.at;
    } else {
      this.cut();
      this.pieces = [];
      this.piecesBytes = 0;
      conn.cork();
      for (const piece of pieces) conn.write(piece);
      this.blocked = !conn.uncork();
    }
    // What the kernel took at once left the buffer free for whoever writes next.
    if (conn.socket.writableLength === 0) {
      if (this.buffer.length === BUFFER_BYTES && pool.length < POOLED) pool.push(this.buffer);
      this.buffer = NONE;
      this.at = this.start = 0;
    }
  }

  /** The kernel has taken everything. */
  drained(): void {
    this.blocked = false;
  }

  private cut(): void {
    if (this.at === this.start) return;
    this.pieces.push(this.buffer.subarray(this.start, this.at));
    this.piecesBytes += this.at - this.start;
    this.start = this.at;
  }

  private renew(bytes: number): void {
    this.flush();
    this.buffer =
      bytes > BUFFER_BYTES
        ? Buffer.allocUnsafeSlow(bytes)
        : (pool.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES));
    this.at = this.start = 0;
  }
}
