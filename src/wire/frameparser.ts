// Takes one HTTP/2 frame apart and tells a FrameSink. Frames are checked for what each can do wrong by itself
// (RFC 9113 §4 to §6); what depends on the state of the stream is not known here. A field block is passed on when
// it is complete, its CONTINUATION frames joined.

import { FLAG, FRAME, FRAME_HEADER_BYTES, readUint32 } from "./frames.ts";
import { connectionError, H2, type H2Error, streamError } from "./h2error.ts";

/** Who gets the frames. Stream ids are not zero unless said so. PRIORITY and unknown frames are not reported. */
export interface FrameSink {
  /**
   * A piece of a DATA frame: `chunk[start, end)`. `flowBytes` is what it counts for flow control, with padding.
   * `first` opens a frame; `endStream` comes with its last piece.
   */
  onData(
    streamId: number,
    chunk: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    first: boolean,
    endStream: boolean,
  ): void;
  /** A complete field block: `block[start, end)`, which is only valid during the call. */
  onHeaders(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void;
  onReset(streamId: number, code: number): void;
  /** The settings in `chunk[start, end)`, six bytes each. */
  onSettings(chunk: Buffer, start: number, end: number): void;
  onSettingsAck(): void;
  onPing(ack: boolean, high: number, low: number): void;
  onGoAway(lastStreamId: number, code: number, reason: string): void;
  /** `streamId` 0 is the connection. */
  onWindowUpdate(streamId: number, increment: number): void;
  /** The peer broke the protocol. After a connection error nothing more is read. */
  onError(error: H2Error): void;
}

// Nobody needs more for a block that its size limit allows (CVE-2024-27316 and its like).
const MAX_CONTINUATIONS = 128;

export class FrameParser {
  /** Set to ignore all that follows, for example after sending GOAWAY with an error. */
  stopped = false;

  private readonly sink: FrameSink;
  private readonly maxFrameBytes: number;
  private readonly maxBlockBytes: number;
  private settingsSeen = false;

  // A field block that is still arriving: the fragments so far; stream 0 for none.
  private blockStream = 0;
  private blockEnds = false;
  private fragments: Buffer[] = [];
  private blockBytes = 0;

  constructor(sink: FrameSink, maxBlockBytes: number, maxFrameBytes: number) {
    this.sink = sink;
    this.maxBlockBytes = maxBlockBytes;
    this.maxFrameBytes = maxFrameBytes;
  }

  /** Whether the frame whose header is at `at` may come now: to be asked before its payload is waited for. */
  allows(src: Buffer, at: number, length: number): boolean {
    const type = src[at + 3]!;
    if (length > this.maxFrameBytes) {
      return this.fail(H2.FRAME_SIZE_ERROR, `frame of ${length} bytes`);
    }
    if (!this.settingsSeen) {
      if (type !== FRAME.SETTINGS || (src[at + 4]! & FLAG.ACK) !== 0) {
        return this.fail(H2.PROTOCOL_ERROR, "the first frame is not SETTINGS");
      }
      this.settingsSeen = true;
    }
    if (this.blockStream !== 0 || type === FRAME.CONTINUATION) {
      const streamId = readUint32(src, at + 5) & 0x7fff_ffff;
      if (type !== FRAME.CONTINUATION || streamId !== this.blockStream) {
        return this.fail(H2.PROTOCOL_ERROR, "CONTINUATION missing or out of place");
      }
    }
    return true;
  }

  /** Reads the frame of `length` bytes of payload whose header is at `at`. */
  read(src: Buffer, at: number, length: number): void {
    if (!this.allows(src, at, length)) return;
    const flags = src[at + 4]!;
    const streamId = readUint32(src, at + 5) & 0x7fff_ffff;
    const start = at + FRAME_HEADER_BYTES;
    const end = start + length;
    switch (src[at + 3]) {
      case FRAME.DATA:
        return this.readData(src, start, end, flags, streamId);
      case FRAME.HEADERS:
        return this.readHeaders(src, start, end, flags, streamId);
      case FRAME.PRIORITY:
        return this.readPriority(src, start, length, streamId);
      case FRAME.RST_STREAM:
        if (!this.shaped("RST_STREAM", length === 4, streamId !== 0)) return;
        return this.sink.onReset(streamId, readUint32(src, start));
      case FRAME.SETTINGS:
        return this.readSettings(src, start, end, flags, streamId);
      case FRAME.PUSH_PROMISE:
        // Neither side of ours ever allows it (RFC 9113 §8.4).
        this.fail(H2.PROTOCOL_ERROR, "PUSH_PROMISE although push is off");
        return;
      case FRAME.PING:
        if (!this.shaped("PING", length === 8, streamId === 0)) return;
        return this.sink.onPing(
          (flags & FLAG.ACK) !== 0,
          readUint32(src, start),
          readUint32(src, start + 4),
        );
      case FRAME.GOAWAY:
        if (!this.shaped("GOAWAY", length >= 8, streamId === 0)) return;
        return this.sink.onGoAway(
          readUint32(src, start) & 0x7fff_ffff,
          readUint32(src, start + 4),
          src.toString("latin1", start + 8, Math.min(end, start + 8 + 200)),
        );
      case FRAME.WINDOW_UPDATE:
        return this.readWindowUpdate(src, start, length, streamId);
      case FRAME.CONTINUATION:
        return this.readContinuation(src, start, end, flags);
      default:
        return;
    }
  }

  private readData(src: Buffer, start: number, end: number, flags: number, streamId: number): void {
    if (!this.shaped("DATA", true, streamId !== 0)) return;
    const flowBytes = end - start;
    if ((flags & FLAG.PADDED) !== 0) {
      const padding = start < end ? src[start]! : 0;
      if (padding >= flowBytes) {
        this.fail(H2.PROTOCOL_ERROR, "padding longer than the frame");
        return;
      }
      start++;
      end -= padding;
    }
    const ends = (flags & FLAG.END_STREAM) !== 0;
    this.sink.onData(streamId, src, start, end, flowBytes, true, ends);
  }

  private readHeaders(
    src: Buffer,
    start: number,
    end: number,
    flags: number,
    streamId: number,
  ): void {
    if (!this.shaped("HEADERS", true, streamId !== 0)) return;
    const padded = (flags & FLAG.PADDED) !== 0;
    const prioritized = (flags & FLAG.PRIORITY) !== 0;
    const prefix = (padded ? 1 : 0) + (prioritized ? 5 : 0);
    const padding = padded && start < end ? src[start]! : 0;
    if (prefix + padding > end - start) {
      const code = padded ? H2.PROTOCOL_ERROR : H2.FRAME_SIZE_ERROR;
      this.fail(code, "HEADERS shorter than its padding or priority");
      return;
    }
    if (prioritized && (readUint32(src, start + prefix - 5) & 0x7fff_ffff) === streamId) {
      // The priority itself is ignored (RFC 9113 §5.3), this nonsense is not (RFC 7540 §5.3.1).
      this.fail(H2.PROTOCOL_ERROR, "a stream that depends on itself");
      return;
    }
    start += prefix;
    end -= padding;
    const ends = (flags & FLAG.END_STREAM) !== 0;
    if ((flags & FLAG.END_HEADERS) !== 0) {
      this.sink.onHeaders(streamId, src, start, end, ends);
      return;
    }
    this.blockStream = streamId;
    this.blockEnds = ends;
    this.blockBytes = 0;
    this.addFragment(src, start, end);
  }

  private readContinuation(src: Buffer, start: number, end: number, flags: number): void {
    this.addFragment(src, start, end);
    if ((flags & FLAG.END_HEADERS) === 0 || this.stopped) return;
    const block = Buffer.concat(this.fragments);
    const streamId = this.blockStream;
    this.fragments = [];
    this.blockStream = 0;
    this.sink.onHeaders(streamId, block, 0, block.length, this.blockEnds);
  }

  private addFragment(src: Buffer, start: number, end: number): void {
    this.blockBytes += end - start;
    if (this.blockBytes > this.maxBlockBytes || this.fragments.length > MAX_CONTINUATIONS) {
      this.fragments = [];
      this.fail(H2.ENHANCE_YOUR_CALM, "field block too large or in too many frames");
      return;
    }
    // Copied, since `src` may be used for the next read.
    this.fragments.push(Buffer.from(src.subarray(start, end)));
  }

  private readPriority(src: Buffer, start: number, length: number, streamId: number): void {
    if (!this.shaped("PRIORITY", true, streamId !== 0)) return;
    if (length !== 5) {
      this.sink.onError(streamError(streamId, H2.FRAME_SIZE_ERROR, "PRIORITY of a wrong size"));
    } else if ((readUint32(src, start) & 0x7fff_ffff) === streamId) {
      const reason = "a stream that depends on itself";
      this.sink.onError(streamError(streamId, H2.PROTOCOL_ERROR, reason));
    }
  }

  private readSettings(
    src: Buffer,
    start: number,
    end: number,
    flags: number,
    streamId: number,
  ): void {
    const ack = (flags & FLAG.ACK) !== 0;
    const length = end - start;
    if (!this.shaped("SETTINGS", ack ? length === 0 : length % 6 === 0, streamId === 0)) return;
    if (ack) this.sink.onSettingsAck();
    else this.sink.onSettings(src, start, end);
  }

  private readWindowUpdate(src: Buffer, start: number, length: number, streamId: number): void {
    if (!this.shaped("WINDOW_UPDATE", length === 4, true)) return;
    const increment = readUint32(src, start) & 0x7fff_ffff;
    if (increment > 0) return this.sink.onWindowUpdate(streamId, increment);
    const error = streamError(streamId, H2.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
    if (streamId === 0) this.stopped = true;
    this.sink.onError(error);
  }

  private shaped(frame: string, sizeRight: boolean, streamRight: boolean): boolean {
    if (!streamRight) return this.fail(H2.PROTOCOL_ERROR, `${frame} on a wrong stream`);
    return sizeRight || this.fail(H2.FRAME_SIZE_ERROR, `${frame} of a wrong size`);
  }

  /** Reports a connection error; always false. */
  fail(code: number, reason: string): false {
    this.stopped = true;
    this.sink.onError(connectionError(code, reason));
    return false;
  }
}
