// Which octets may stand where in HTTP/1 (RFC 9110 §5.6.2 and RFC 9112): one table, a bit for each class.

/** Letters, digits and !#$%&'*+-.^_`|~ : names of methods and fields. */
export const TOKEN = 1;
/** What a field value, a reason phrase or a chunk extension may hold: no controls but the tab. */
export const VALUE = 2;
/** Visible US-ASCII without "#": request targets. */
export const TARGET = 4;
/** Names and IPv4 addresses in an authority: unreserved, pct-encoded and sub-delims but the comma. */
export const HOST = 8;
/** IPv6 addresses between the brackets. */
export const IPV6 = 16;
/** 0 to 9. */
export const DIGIT = 32;

/** For each octet the classes that it belongs to. */
export const OCTETS: Uint8Array = classify();

/** Whether `text` has octets of the class `mask` only, and at least one. */
export function hasOnly(text: string, mask: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!(OCTETS[text.charCodeAt(i)]! & mask)) return false;
  }
  return text !== "";
}

function classify(): Uint8Array {
  const octets = new Uint8Array(256);
  const mark = (bit: number, accepts: RegExp): void => {
    for (let i = 0; i < 256; i++) if (accepts.test(String.fromCharCode(i))) octets[i]! |= bit;
  };
  mark(TOKEN, /[!#$%&'*+\-.^_`|~0-9A-Za-z]/);
  mark(VALUE, /[\t\x20-\x7e\x80-\xff]/);
  mark(TARGET, /[!"\x24-\x7e]/);
  mark(HOST, /[A-Za-z0-9\-._~%!$&'()*+;=]/);
  mark(IPV6, /[0-9A-Fa-f:.]/);
  mark(DIGIT, /[0-9]/);
  return octets;
}

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const SLASH = 47;
export const DIGIT_0 = 48;
export const COLON = 58;
