// String literals of HPACK (RFC 7541 §5.2) as JavaScript strings. Peers that index little send the same few
// literals with every request, so short ones are looked up by their encoded bytes before they are decoded:
// 20 ns against 150, and equal strings become one string, which makes every later comparison a pointer's.
// The cache is shared by all connections and its size is fixed (about 100 KB).

import { readHuffman } from "./huffman.ts";

/** Bits that tell what a literal may be used as; they save checking it again each time it is referred to. */
export const NAME_OK = 1;
export const VALUE_OK = 2;
/** Every octet is visible US-ASCII, as it must be in a pseudo-header field's value, which ends up in a request line. */
export const VISIBLE = 4;

const SLOTS = 1024;
const SLOT_BYTES = 64;

const strings: string[] = Array.from({ length: SLOTS }, () => "");
// Twice the literal's encoded length, plus one when it is Huffman-coded; 0 for an empty slot.
const shapes = new Uint16Array(SLOTS);
const uses = new Uint8Array(SLOTS);
const bytes = new Uint8Array(SLOTS * SLOT_BYTES);

let scratch = Buffer.allocUnsafeSlow(4096);

/** What the literal read last may be used as: `NAME_OK`, `VALUE_OK`, `VISIBLE` (RFC 9113 §8.2.1 and §8.3). */
export let literalUse = 0;

/** Reads the literal that fills `src[start, end)` as Latin-1; undefined when its Huffman code is invalid. */
export function readLiteral(
  src: Buffer,
  start: number,
  end: number,
  huffman: boolean,
): string | undefined {
  const length = end - start;
  if (length > SLOT_BYTES || length === 0) return decode(src, start, end, huffman);
  const shape = length * 2 + (huffman ? 1 : 0);
  let hash = shape;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ src[i]!, 0x01000193);
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  if (shapes[slot] === shape) {
    let at = slot * SLOT_BYTES;
    let i = start;
    while (i < end && bytes[at] === src[i]) {
      at++;
      i++;
    }
    if (i === end) {
      literalUse = uses[slot]!;
      return strings[slot]!;
    }
  }
  const text = decode(src, start, end, huffman);
  if (text === undefined) return undefined;
  shapes[slot] = shape;
  uses[slot] = literalUse;
  strings[slot] = text;
  for (let i = start, at = slot * SLOT_BYTES; i < end; i++) bytes[at++] = src[i]!;
  return text;
}

function decode(src: Buffer, start: number, end: number, huffman: boolean): string | undefined {
  if (!huffman) {
    literalUse = useOf(src, start, end);
    return src.toString("latin1", start, end);
  }
  const room = (end - start) * 2;
  if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(room * 2);
  const length = readHuffman(src, start, end, scratch);
  if (length < 0) return undefined;
  literalUse = useOf(scratch, 0, length);
  return scratch.toString("latin1", 0, length);
}

// Octets that a lower-case field name may hold: the token characters of RFC 9110 §5.6.2 without A-Z.
const NAME_OCTET = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
  NAME_OCTET[c.charCodeAt(0)] = 1;

function useOf(src: Uint8Array, start: number, end: number): number {
  if (start === end) return VALUE_OK | VISIBLE;
  const first = src[start]!;
  const last = src[end - 1]!;
  let use = first === 32 || first === 9 || last === 32 || last === 9 ? 0 : VALUE_OK | VISIBLE;
  // A colon may only open the name of a pseudo-header field.
  let name = NAME_OCTET[first]! | (first === 58 && end - start > 1 ? 1 : 0);
  for (let i = start; i < end; i++) {
    const octet = src[i]!;
    if (octet <= 32 || octet >= 127) {
      use &= ~VISIBLE;
      // HTTP/1 has no way to say any control but the tab (RFC 9110 §5.5), and the next hop may be HTTP/1.
      if ((octet < 32 && octet !== 9) || octet === 127) return 0;
    }
    if (i > start) name &= NAME_OCTET[octet]!;
  }
  return use | (name !== 0 ? NAME_OK : 0);
}
