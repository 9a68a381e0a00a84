// HTTP/2 frames as bytes (RFC 9113 §4 and §6): the numbers, and one function for each frame that we write.
// A writer puts a whole frame (or a DATA or HEADERS frame's first nine bytes) at `at` into a buffer with room
// for it and returns where it ended. FrameReader reads them.

/** Frame types (RFC 9113 §6). */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Frame flags; ACK shares its bit with END_STREAM. */
export const FLAG = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Setting identifiers (RFC 9113 §6.5.2 and RFC 8441 §3). */
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
} as const;

/** What a client sends first (RFC 9113 §3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FRAME_HEADER_BYTES = 9;
/** The frame payload that every peer takes (RFC 9113 §4.2). */
export const DEFAULT_FRAME_BYTES = 16_384;
/** Both windows before settings and updates (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535;
/** A window may not grow beyond this (RFC 9113 §6.9.1). */
export const MAX_WINDOW_BYTES = 0x7fff_ffff;
/** A GOAWAY with this stream says "soon": streams under way and on the wire will still be served. */
export const MAX_STREAM_ID = 0x7fff_ffff;

/**
 *   +-----------------------------------------------+
 *   |                 Length (24)                   |
 *   +---------------+---------------+---------------+
 *   |   Type (8)    |   Flags (8)   |
 *   +-+-------------+---------------+-------------------------------+
 *   |R|                 Stream Identifier (31)                      |
 *   +=+=============================================================+
 */
export function writeFrameHeader(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  out[at] = length >>> 16;
  out[at + 1] = length >>> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, streamId);
}

/** The header of a DATA frame; `length` bytes of payload follow it. */
export function writeDataHeader(
  out: Buffer,
  at: number,
  streamId: number,
  length: number,
  endStream: boolean,
): number {
  const flags = endStream ? FLAG.END_STREAM : 0;
  return writeFrameHeader(out, at, length, FRAME.DATA, flags, streamId);
}

export function writeReset(out: Buffer, at: number, streamId: number, code: number): number {
  return writeUint32(out, writeFrameHeader(out, at, 4, FRAME.RST_STREAM, 0, streamId), code);
}

/** `pairs` are identifier, value, identifier, value… */
export function writeSettings(out: Buffer, at: number, pairs: readonly number[]): number {
  at = writeFrameHeader(out, at, pairs.length * 3, FRAME.SETTINGS, 0, 0);
  for (let i = 0; i < pairs.length; i += 2) {
    out[at++] = pairs[i]! >>> 8;
    out[at++] = pairs[i]!;
    at = writeUint32(out, at, pairs[i + 1]!);
  }
  return at;
}

export function writeSettingsAck(out: Buffer, at: number): number {
  return writeFrameHeader(out, at, 0, FRAME.SETTINGS, FLAG.ACK, 0);
}

/** A PING whose eight opaque bytes are the numbers `high` and `low`. */
export function writePing(
  out: Buffer,
  at: number,
  ack: boolean,
  high: number,
  low: number,
): number {
  at = writeFrameHeader(out, at, 8, FRAME.PING, ack ? FLAG.ACK : 0, 0);
  return writeUint32(out, writeUint32(out, at, high), low);
}

/** `reason` is debug data for the peer's log, in ASCII. */
export function writeGoAway(
  out: Buffer,
  at: number,
  lastStreamId: number,
  code: number,
  reason: string,
): number {
  at = writeFrameHeader(out, at, 8 + reason.length, FRAME.GOAWAY, 0, 0);
  at = writeUint32(out, writeUint32(out, at, lastStreamId), code);
  return at + out.write(reason, at, reason.length, "latin1");
}

export function writeWindowUpdate(
  out: Buffer,
  at: number,
  streamId: number,
  increment: number,
): number {
  at = writeFrameHeader(out, at, 4, FRAME.WINDOW_UPDATE, 0, streamId);
  return writeUint32(out, at, increment);
}

/**
 * Writes the field block `block` as HEADERS and as many CONTINUATION frames as it takes at `frameBytes` each
 * (RFC 9113 §4.3): the way for blocks that may not fit one frame.
 */
export function writeHeaderFrames(
  out: Buffer,
  at: number,
  streamId: number,
  block: Buffer,
  endStream: boolean,
  frameBytes: number,
): number {
  let type: number = FRAME.HEADERS;
  let flags = endStream ? FLAG.END_STREAM : 0;
  let from = 0;
  do {
    const to = Math.min(from + frameBytes, block.length);
    if (to === block.length) flags |= FLAG.END_HEADERS;
    at = writeFrameHeader(out, at, to - from, type, flags, streamId);
    at += block.copy(out, at, from, to);
    type = FRAME.CONTINUATION;
    flags = 0;
    from = to;
  } while (from < block.length);
  return at;
}

function writeUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** The 32 bits at `at`, unsigned. */
export function readUint32(src: Buffer, at: number): number {
  return ((src[at]! << 24) | (src[at + 1]! << 16) | (src[at + 2]! << 8) | src[at + 3]!) >>> 0;
}
