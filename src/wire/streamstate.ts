// The life of a stream (RFC 9113 §5.1) as a total table. Nobody may push here, so there is nothing reserved;
// closed is split in two, because after our own RST_STREAM the peer's frames may still be under way.
//
//                       idle
//                        │ HEADERS
//                        ▼
//         END received  open  END sent
//       ┌────────────────┴───────────────┐
//       ▼                                ▼
//   halfRemote ──END sent─▶ closed ◀─END received── halfLocal
//                             ▲
//       open, halfRemote, halfLocal ──RST_STREAM received──▶ closed
//       open, halfRemote, halfLocal ──RST_STREAM sent──────▶ reset

import { H2 } from "./h2error.ts";

/** Stream states: rows of the table. `halfRemote` means that the peer has ended its side. */
export const STATE = {
  idle: 0,
  open: 1,
  halfRemote: 2,
  halfLocal: 3,
  closed: 4,
  reset: 5,
} as const;

/** Events: columns of the table. END stands for the END_STREAM flag, after the frame that carries it. */
export const EVENT = {
  recvHeaders: 0,
  recvData: 1,
  recvEnd: 2,
  recvReset: 3,
  recvWindow: 4,
  sendHeaders: 5,
  sendData: 6,
  sendEnd: 7,
  sendReset: 8,
} as const;

const { open, halfRemote, halfLocal, closed, reset } = STATE;

// Errors are below zero: -code ends the stream, CONNECTION - code the connection; NEVER is a bug of ours.
const CONNECTION = -100;
const NEVER = -1000;
const wrong = CONNECTION - H2.PROTOCOL_ERROR;
const gone = -H2.STREAM_CLOSED;
const ended = CONNECTION - H2.STREAM_CLOSED;

// Frames after END or RST_STREAM from the peer are its mistake, and as it could go on making it, a connection
// error; after a RST_STREAM of ours they are late, and ignored (RFC 9113 §5.1, "closed").
// oxfmt-ignore
const TABLE = new Int16Array([
  // recvHeaders recvData    recvEnd     recvReset recvWindow  sendHeaders sendData    sendEnd    sendReset
  open,          wrong,      wrong,      wrong,    wrong,      open,       NEVER,      NEVER,     NEVER,
  open,          open,       halfRemote, closed,   open,       open,       open,       halfLocal, reset,
  gone,          gone,       gone,       closed,   halfRemote, halfRemote, halfRemote, closed,    reset,
  halfLocal,     halfLocal,  closed,     closed,   halfLocal,  NEVER,      NEVER,      NEVER,     reset,
  ended,         ended,      ended,      closed,   closed,     NEVER,      NEVER,      NEVER,     closed,
  reset,         reset,      reset,      reset,    reset,      NEVER,      NEVER,      NEVER,     reset,
]);

const EVENTS = Object.keys(EVENT).length;

/** The state after `event`, or a number below zero: see `errorCode` and `isConnectionError`. */
export function nextState(state: number, event: number): number {
  return TABLE[state * EVENTS + event]!;
}

/** Whether a result of `nextState` below zero ends the whole connection. */
export function isConnectionError(result: number): boolean {
  return result <= CONNECTION;
}

/** The HTTP/2 error code of a result of `nextState` below zero. */
export function errorCode(result: number): number {
  if (result === NEVER) return H2.INTERNAL_ERROR;
  return isConnectionError(result) ? CONNECTION - result : -result;
}
