// The Huffman code of HPACK (RFC 7541 appendix B). It is canonical, so the code lengths are all we keep;
// encoder and decoder tables are computed from them at start (0.3 ms). The decoder walks the code tree half
// a byte at a time: 4,096 steps fit the first-level cache, where a step for each whole byte would not.

const END_OF_STRING = 256;
const MAX_LENGTH = 30;

// The length in bits of the code of each octet, in order, then that of the end-of-string symbol.
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const CODES = canonicalCodes(LENGTHS);

// One entry for each tree node and half byte: the node reached, and the octet completed on the way, if any.
const NODE = 0xff;
const OCTET_SHIFT = 8;
const COMPLETE = 1 << 16;
const INVALID = 1 << 17;
const { steps: STEPS, mayEnd: MAY_END } = buildSteps();

/** The size of `text` when Huffman-coded, in bytes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += LENGTHS[octetOf(text, i)]!;
  return (bits + 7) >>> 3;
}

/** Writes `text` Huffman-coded at `at`, padded with ones; returns where it ends. */
export function writeHuffman(text: string, out: Uint8Array, at: number): number {
  let octet = 0;
  let room = 8;
  for (let i = 0; i < text.length; i++) {
    const symbol = octetOf(text, i);
    let code = CODES[symbol]!;
    let length = LENGTHS[symbol]!;
    while (length >= room) {
      length -= room;
      out[at++] = octet | (code >>> length);
      code &= (1 << length) - 1;
      octet = 0;
      room = 8;
    }
    room -= length;
    octet |= code << room;
  }
  if (room < 8) out[at++] = octet | ((1 << room) - 1);
  return at;
}

/**
 * Decodes `src[start, end)` into `out`, which must hold 8/5 of the input; returns how many octets came out,
 * or -1 when the end-of-string symbol occurs or the padding is not up to seven ones (RFC 7541 §5.2).
 */
export function readHuffman(src: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let node = 0;
  let at = 0;
  for (let i = start; i < end; i++) {
    const octet = src[i]!;
    let step = STEPS[(node << 4) | (octet >>> 4)]!;
    if (step >= COMPLETE) {
      if (step >= INVALID) return -1;
      out[at++] = step >>> OCTET_SHIFT;
    }
    step = STEPS[((step & NODE) << 4) | (octet & 15)]!;
    if (step >= COMPLETE) {
      if (step >= INVALID) return -1;
      out[at++] = step >>> OCTET_SHIFT;
    }
    node = step & NODE;
  }
  return MAY_END[node] ? at : -1;
}

// A character above U+00FF is a `?`, as it must not become another.
function octetOf(text: string, i: number): number {
  const char = text.charCodeAt(i);
  return char < 256 ? char : 63;
}

// The codes of one length follow each other, and the first is what follows those that are shorter (RFC 1951 §3.2.2).
function canonicalCodes(lengths: number[]): Int32Array {
  const next = new Int32Array(MAX_LENGTH + 2);
  for (const length of lengths) next[length + 1]! += 1;
  for (let length = 1; length <= MAX_LENGTH; length++)
    next[length + 1] = (next[length]! + next[length + 1]!) << 1;
  return Int32Array.from(lengths, (length) => next[length]!++);
}

function buildSteps(): { steps: Int32Array; mayEnd: Uint8Array } {
  // The code tree: children of node n at 2n and 2n+1; leaves are -symbol-1. A full binary tree of 257 leaves
  // has 256 inner nodes, so that a node fits a byte.
  const children = new Int32Array(512);
  const mayEnd = new Uint8Array(256);
  let nodes = 1;
  for (let symbol = 0; symbol <= END_OF_STRING; symbol++) {
    let node = 0;
    for (let bit = LENGTHS[symbol]! - 1; bit > 0; bit--) {
      const place = 2 * node + ((CODES[symbol]! >>> bit) & 1);
      if (children[place] === 0) children[place] = nodes++;
      node = children[place]!;
    }
    children[2 * node + (CODES[symbol]! & 1)] = -symbol - 1;
  }
  for (let node = 0, depth = 0; depth < 8; depth++) {
    mayEnd[node] = 1;
    node = children[2 * node + 1]!;
  }
  const steps = new Int32Array(256 * 16);
  for (let start = 0; start < 256; start++) {
    for (let half = 0; half < 16; half++) {
      let node = start;
      let step = 0;
      for (let bit = 3; bit >= 0; bit--) {
        const child = children[2 * node + ((half >>> bit) & 1)]!;
        if (child === -END_OF_STRING - 1) step = INVALID;
        else if (child < 0) step |= COMPLETE | ((-child - 1) << OCTET_SHIFT);
        node = child < 0 ? 0 : child;
      }
      steps[(start << 4) | half] = step | node;
    }
  }
  return { steps, mayEnd };
}
