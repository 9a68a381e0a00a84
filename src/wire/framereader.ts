// Reads HTTP/2 frames from the chunks of one connection, in place: a frame that lies within a chunk is never
// copied, and DATA is passed on piece by piece as it arrives. Any other frame that is cut is put together first.

import { FrameParser, type FrameSink } from "./frameparser.ts";
import {
  DEFAULT_FRAME_BYTES,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  PREFACE,
  readUint32,
} from "./frames.ts";
import { H2 } from "./h2error.ts";

export class FrameReader {
  private readonly sink: FrameSink;
  private readonly parser: FrameParser;
  private prefaceAt: number;

  // A frame that began in an earlier chunk: its bytes so far.
  private partial: Buffer | null = null;
  private partialBytes = 0;
  private readonly partialHeader = Buffer.alloc(FRAME_HEADER_BYTES);

  // A DATA frame whose payload is still arriving.
  private dataLeft = 0;
  private dataStream = 0;
  private dataEnds = false;

  /**
   * `expectPreface` is for servers. `maxBlockBytes` limits an encoded field block with all its fragments;
   * `maxFrameBytes` is the SETTINGS_MAX_FRAME_SIZE that the peer was told.
   */
  constructor(
    sink: FrameSink,
    expectPreface: boolean,
    maxBlockBytes: number,
    maxFrameBytes: number = DEFAULT_FRAME_BYTES,
  ) {
    this.sink = sink;
    this.prefaceAt = expectPreface ? 0 : PREFACE.length;
    this.parser = new FrameParser(sink, maxBlockBytes, maxFrameBytes);
  }

  /** Ignores all that follows, for example after a GOAWAY with an error was sent. */
  stop(): void {
    this.parser.stopped = true;
  }

  /** Reads everything in `chunk`. */
  read(chunk: Buffer): void {
    if (this.parser.stopped) return;
    let at = 0;
    const end = chunk.length;
    if (this.prefaceAt < PREFACE.length) at = this.readPreface(chunk);
    if (this.partialBytes > 0 && at < end) at = this.readPartial(chunk, at);
    while (at < end && !this.parser.stopped) {
      if (this.dataLeft > 0) {
        at = this.continueData(chunk, at);
        continue;
      }
      const have = end - at;
      const length =
        have < FRAME_HEADER_BYTES ? 0 : (chunk[at]! << 16) | (chunk[at + 1]! << 8) | chunk[at + 2]!;
      if (have < FRAME_HEADER_BYTES || have < FRAME_HEADER_BYTES + length) {
        at = this.beginPartial(chunk, at, length);
        continue;
      }
      this.parser.read(chunk, at, length);
      at += FRAME_HEADER_BYTES + length;
    }
  }

  private readPreface(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.prefaceAt < PREFACE.length) {
      if (chunk[at++] !== PREFACE[this.prefaceAt++]) {
        this.parser.fail(H2.PROTOCOL_ERROR, "not an HTTP/2 preface");
        break;
      }
    }
    return at;
  }

  // Takes the beginning of a frame that goes on in the next chunk; returns the place after it.
  private beginPartial(chunk: Buffer, at: number, length: number): number {
    const have = chunk.length - at;
    if (have < FRAME_HEADER_BYTES) {
      chunk.copy(this.partialHeader, 0, at);
      this.partialBytes = have;
      return chunk.length;
    }
    if (!this.parser.allows(chunk, at, length)) return chunk.length;
    if (chunk[at + 3] === FRAME.DATA && (chunk[at + 4]! & FLAG.PADDED) === 0) {
      this.dataStream = readUint32(chunk, at + 5) & 0x7fff_ffff;
      if (this.dataStream === 0) {
        this.parser.fail(H2.PROTOCOL_ERROR, "DATA on stream 0");
        return chunk.length;
      }
      this.dataEnds = (chunk[at + 4]! & FLAG.END_STREAM) !== 0;
      this.dataLeft = length;
      return this.passData(chunk, at + FRAME_HEADER_BYTES, chunk.length, true);
    }
    this.partial = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
    chunk.copy(this.partial, 0, at);
    this.partialBytes = have;
    return chunk.length;
  }

  // Goes on with a frame that an earlier chunk began; returns the place after what it took.
  private readPartial(chunk: Buffer, at: number): number {
    if (this.partial === null) {
      const taken = chunk.copy(this.partialHeader, this.partialBytes, at);
      this.partialBytes += taken;
      if (this.partialBytes < FRAME_HEADER_BYTES) return at + taken;
      const header = this.partialHeader;
      const length = (header[0]! << 16) | (header[1]! << 8) | header[2]!;
      this.partialBytes = 0;
      if (length === 0) this.parser.read(header, 0, 0);
      else this.beginPartial(header, 0, length);
      return this.partialBytes > 0 ? this.readPartial(chunk, at + taken) : at + taken;
    }
    const frame = this.partial;
    const taken = chunk.copy(frame, this.partialBytes, at);
    this.partialBytes += taken;
    if (this.partialBytes === frame.length) {
      this.partial = null;
      this.partialBytes = 0;
      this.parser.read(frame, 0, frame.length - FRAME_HEADER_BYTES);
    }
    return at + taken;
  }

  private continueData(chunk: Buffer, at: number): number {
    return this.passData(chunk, at, Math.min(chunk.length, at + this.dataLeft), false);
  }

  private passData(chunk: Buffer, from: number, to: number, first: boolean): number {
    const bytes = to - from;
    this.dataLeft -= bytes;
    const ends = this.dataEnds && this.dataLeft === 0;
    if (bytes > 0 || first) this.sink.onData(this.dataStream, chunk, from, to, bytes, first, ends);
    return to;
  }
}
