// Host and port as they stand in Host, in the absolute form and in CONNECT (RFC 9110 §4.2, RFC 3986 §3.2).
// User information, lists, blanks and ports out of range are no authority: two readers could see two hosts.

import { COLON, DIGIT, HOST, IPV6, OCTETS } from "./octets.ts";

const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

/** Whether `text` is `host` or `host:port`; an IPv6 address must stand in brackets. */
export function isAuthority(text: string): boolean {
  const end = hostEnd(text);
  if (end <= 0) return false;
  return end === text.length || (text.charCodeAt(end) === COLON && isPort(text, end + 1));
}

/** Whether `text` is `host:port`, as CONNECT wants it. */
export function isHostAndPort(text: string): boolean {
  const end = hostEnd(text);
  return end > 0 && end < text.length && isAuthority(text);
}

// Where the host ends; 0 when there is none.
function hostEnd(text: string): number {
  if (text.charCodeAt(0) === OPEN_BRACKET) {
    let at = 1;
    while (at < text.length && OCTETS[text.charCodeAt(at)]! & IPV6) at++;
    return at > 2 && text.charCodeAt(at) === CLOSE_BRACKET ? at + 1 : 0;
  }
  let at = 0;
  while (at < text.length && OCTETS[text.charCodeAt(at)]! & HOST) at++;
  return at;
}

function isPort(text: string, from: number): boolean {
  const digits = text.length - from;
  if (digits < 1 || digits > 5) return false;
  for (let i = from; i < text.length; i++) if (!(OCTETS[text.charCodeAt(i)]! & DIGIT)) return false;
  return Number(text.slice(from)) <= 65535;
}
