// What a peer's SETTINGS said (RFC 9113 §6.5.2).

import {
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  MAX_WINDOW_BYTES,
  readUint32,
  SETTING,
} from "./frames.ts";
import { connectionError, H2, type H2Error } from "./h2error.ts";

const MAX_FRAME_BYTES = 0xff_ffff;

/** The settings of a peer; the values before its first SETTINGS frame are those of the RFC. */
export class Settings {
  headerTableBytes = 4096;
  maxConcurrentStreams = Infinity;
  initialWindowBytes: number = DEFAULT_WINDOW_BYTES;
  maxFrameBytes: number = DEFAULT_FRAME_BYTES;
  maxHeaderListBytes = Infinity;
  /** Whether the peer takes extended CONNECT (RFC 8441). */
  connectProtocol = false;

  /** Takes the payload `src[start, end)` of a SETTINGS frame. An error is a connection error. */
  apply(src: Buffer, start: number, end: number): H2Error | null {
    for (let at = start; at < end; at += 6) {
      const value = readUint32(src, at + 2);
      switch ((src[at]! << 8) | src[at + 1]!) {
        case SETTING.HEADER_TABLE_SIZE:
          this.headerTableBytes = value;
          break;
        case SETTING.ENABLE_PUSH:
          if (value > 1) return invalid(H2.PROTOCOL_ERROR, "ENABLE_PUSH", value);
          break;
        case SETTING.MAX_CONCURRENT_STREAMS:
          this.maxConcurrentStreams = value;
          break;
        case SETTING.INITIAL_WINDOW_SIZE:
          if (value > MAX_WINDOW_BYTES) {
            return invalid(H2.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE", value);
          }
          this.initialWindowBytes = value;
          break;
        case SETTING.MAX_FRAME_SIZE:
          if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) {
            return invalid(H2.PROTOCOL_ERROR, "MAX_FRAME_SIZE", value);
          }
          this.maxFrameBytes = value;
          break;
        case SETTING.MAX_HEADER_LIST_SIZE:
          this.maxHeaderListBytes = value;
          break;
        case SETTING.ENABLE_CONNECT_PROTOCOL:
          // It may not be taken back (RFC 8441 §3).
          if (value > 1 || (this.connectProtocol && value === 0)) {
            return invalid(H2.PROTOCOL_ERROR, "ENABLE_CONNECT_PROTOCOL", value);
          }
          this.connectProtocol = value === 1;
          break;
        default:
          break;
      }
    }
    return null;
  }
}

function invalid(code: number, setting: string, value: number): H2Error {
  return connectionError(code, `${setting} of ${value}`);
}
