// The transport header: what one proxy tells another about a connection, as the first bytes inside their
// TLS (Linkerd's transport.l5d.io/v1). A preface, the length as u32, and a small protobuf message:
//
//   Header { int32 port = 1; string name = 2; SessionProtocol { Http1 = 1 | Http2 = 2 } session_protocol = 3 }

import { Fault } from "../base/fault.ts";

/** The ALPN protocol under which the header is expected. */
export const TRANSPORT_ALPN = "transport.l5d.io/v1";

export type TransportHeader = {
  /** The port that the connection is for. */
  readonly port: number;
  /** The authority that a gateway shall route to; "" for the proxy's own workload. */
  readonly name: string;
  /** What is spoken inside; undefined for bytes of which nothing is known. */
  readonly protocol: "http/1" | "http/2" | undefined;
};

/** A header and the number of bytes that it took. */
export type ReadHeader = { readonly header: TransportHeader; readonly size: number };

const PREFACE = Buffer.from(`${TRANSPORT_ALPN}\r\n\r\n`);
const MAX_HEADER = 4096;

export function encodeTransportHeader({ port, name, protocol }: TransportHeader): Buffer {
  const body: number[] = [];
  if (port !== 0) body.push(0x08, ...varint(port));
  if (name !== "") {
    const text = Buffer.from(name);
    body.push(0x12, ...varint(text.length), ...text);
  }
  if (protocol !== undefined) body.push(0x1a, 2, protocol === "http/1" ? 0x0a : 0x12, 0);
  const out = Buffer.alloc(PREFACE.length + 4 + body.length);
  PREFACE.copy(out);
  out.writeUInt32BE(body.length, PREFACE.length);
  out.set(body, PREFACE.length + 4);
  return out;
}

/** Reads the header at the start of `bytes`; undefined while it is incomplete. Throws a Fault when it is none. */
export function decodeTransportHeader(bytes: Buffer): ReadHeader | undefined {
  const shared = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, shared, 0, shared) !== 0) throw invalid("no transport header");
  if (bytes.length < PREFACE.length + 4) return undefined;
  const length = bytes.readUInt32BE(PREFACE.length);
  if (length > MAX_HEADER) throw invalid(`a transport header of ${length} bytes`);
  const size = PREFACE.length + 4 + length;
  if (bytes.length < size) return undefined;
  return { header: decodeBody(bytes.subarray(size - length, size)), size };
}

function decodeBody(body: Buffer): TransportHeader {
  let port = 0;
  let name = "";
  let protocol: TransportHeader["protocol"];
  eachField(body, (field, value) => {
    if (field === 1 && typeof value === "number") port = value;
    else if (field === 2 && typeof value !== "number") name = value.toString("utf8");
    else if (field === 3 && typeof value !== "number") {
      eachField(
        value,
        (kind) => (protocol = kind === 1 ? "http/1" : kind === 2 ? "http/2" : protocol),
      );
    }
  });
  if (port < 1 || port > 65535) throw invalid(`a transport header for port ${port}`);
  return { port, name, protocol };
}

// Calls `take` for each varint and each length-delimited field of a protobuf message; skips fixed ones.
function eachField(bytes: Buffer, take: (field: number, value: number | Buffer) => void): void {
  let at = 0;
  const read = (): number => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw invalid("a broken transport header");
  };
  while (at < bytes.length) {
    const key = read();
    const wire = key & 7;
    if (wire === 0) take(key >>> 3, read());
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = read();
      if (length > bytes.length - at) throw invalid("a broken transport header");
      take(key >>> 3, bytes.subarray(at, at + length));
      at += length;
    } else throw invalid("a broken transport header");
  }
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  out.push(rest);
  return out;
}

function invalid(what: string): Fault {
  return new Fault("protocol", `The peer proxy sent ${what}.`, { side: "client" });
}
