// What the first bytes of a connection say about its protocol. Decides as early as the bytes allow, and
// keeps asking for more while two answers are still possible, however the bytes were cut into packets.

/** `undecided`: the next byte may tell. */
export type Verdict = "http/2" | "http/1" | "tls" | "opaque" | "undecided";

/** The connection preface of HTTP/2 (RFC 9113 §3.4) as far as its request line. */
const HTTP2_LINE = Buffer.from("PRI * HTTP/2.0\r\n");
const VERSION = " HTTP/1.";
const MAX_METHOD = 32;
const MAX_LINE = 8192;

/** Judges the first `bytes`; costs a look at each of them until the answer is clear. */
export function judge(bytes: Buffer): Verdict {
  if (bytes.length === 0) return "undecided";
  if (bytes[0] === 0x16) return judgeTls(bytes);
  const shared = Math.min(bytes.length, HTTP2_LINE.length);
  if (bytes.compare(HTTP2_LINE, 0, shared, 0, shared) === 0) {
    return shared === HTTP2_LINE.length ? "http/2" : "undecided";
  }
  return judgeRequestLine(bytes);
}

// A TLS record of type handshake, of a version 3.x (RFC 8446 §5.1), that begins with a ClientHello.
function judgeTls(bytes: Buffer): Verdict {
  if (bytes.length > 1 && bytes[1] !== 3) return "opaque";
  if (bytes.length > 5) return bytes[5] === 1 ? "tls" : "opaque";
  return "undecided";
}

function judgeRequestLine(bytes: Buffer): Verdict {
  let at = 0;
  while (at < bytes.length && at <= MAX_METHOD && isToken(bytes[at]!)) at++;
  if (at === bytes.length && at <= MAX_METHOD) return "undecided";
  if (at === 0 || at > MAX_METHOD || bytes[at] !== 0x20) return "opaque";
  for (at++; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0x20) break;
    if (byte < 0x21 || byte === 0x7f) return "opaque";
  }
  if (at >= bytes.length) return at > MAX_LINE ? "opaque" : "undecided";
  const rest = bytes.toString("latin1", at, at + VERSION.length);
  if (rest === VERSION) return "http/1";
  return VERSION.startsWith(rest) ? "undecided" : "opaque";
}

function isToken(byte: number): boolean {
  return (
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x5f
  );
}
