// HTTP/2 error codes and the two kinds of errors (RFC 9113 §5.4 and §7): one ends a stream with RST_STREAM,
// the other ends the connection with GOAWAY. They are values: the codec returns them and throws nothing.

/** Error codes by their names in RFC 9113 §7. */
export const H2 = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;

const NAMES = Object.keys(H2);

/** The name of an error code, or its number when it has none. */
export function errorName(code: number): string {
  return NAMES[code] ?? `error code ${code}`;
}

/** What the peer did wrong. `streamId` is 0 for a connection error. */
export type H2Error = {
  readonly streamId: number;
  readonly code: number;
  /** A short English reason, sent as GOAWAY debug data. */
  readonly reason: string;
};

export function connectionError(code: number, reason: string): H2Error {
  return { streamId: 0, code, reason };
}

export function streamError(streamId: number, code: number, reason: string): H2Error {
  return { streamId, code, reason };
}
