// The HPACK encoder of one connection (RFC 7541). A field costs 10 ns when the same place of an earlier block
// held the same strings (most do), and one Map look-up otherwise. It learns what is worth indexing: a value goes
// into the dynamic table when it is seen for the second time, so that request ids and dates do not flush it.
// Only what is indexed is Huffman-coded: that is done once, while a literal is written with every request.

import type { Headers } from "./headers.ts";
import { huffmanLength, writeHuffman } from "./huffman.ts";
import { STATIC_INDEX, STATIC_NAMES, STATIC_SIZE, STATIC_VALUES } from "./statictable.ts";

const ENTRY_OVERHEAD = 32;
const FIELD_OVERHEAD = 16;
// What one connection remembers at most: names, values once seen of a name, table entries of a name looked at.
const MAX_NAMES = 256;
const REMEMBERED = 4;
const MAX_WALK = 16;
const MAX_PLACES = 64;

// Secrets of low entropy could be guessed through the table's sizes (RFC 7541 §7.1.3).
const SECRET_NAMES = new Set(["authorization", "proxy-authorization"]);
const SHORT_COOKIE = 20;

// A name that was seen on this connection.
class Name {
  readonly staticIndex: number;
  readonly secret: boolean;
  newest: Entry | null = null;
  seen: string[] = [];
  nextSeen = 0;

  constructor(name: string) {
    this.staticIndex = STATIC_INDEX.get(name) ?? 0;
    this.secret = SECRET_NAMES.has(name);
    for (let i = this.staticIndex; i > 0 && STATIC_NAMES[i] === name; i++) {
      if (STATIC_VALUES[i] !== "")
        this.newest = new Entry(this, name, STATIC_VALUES[i]!, i, this.newest);
    }
  }

  // Whether `value` was among the last few literals of this name; remembers it otherwise.
  hasSeen(value: string): boolean {
    for (let i = 0; i < this.seen.length; i++) {
      if (this.seen[i] === value) return true;
    }
    this.seen[this.nextSeen] = value;
    this.nextSeen = (this.nextSeen + 1) % REMEMBERED;
    return false;
  }
}

// A static or dynamic table entry; those of a name form a list, newest first and static ones last.
class Entry {
  readonly name: string;
  readonly value: string;
  readonly owner: Name;
  // The static index, or minus the number of dynamic entries inserted before this one.
  readonly place: number;
  live = true;
  older: Entry | null;
  newer: Entry | null = null;

  constructor(owner: Name, name: string, value: string, place: number, older: Entry | null) {
    this.owner = owner;
    this.name = name;
    this.value = value;
    this.place = place;
    this.older = older;
    if (older !== null) older.newer = this;
  }
}

const NOTHING = new Entry(new Name(""), "", "", 0, null);
NOTHING.live = false;

/** An upper bound of the encoded size of `fields`, to be ensured before `encode` writes without checks. */
export function encodedBound(fields: Headers): number {
  let bytes = FIELD_OVERHEAD;
  for (let i = 0; i < fields.length; i += 2)
    bytes += fields[i]!.length + fields[i + 1]!.length + FIELD_OVERHEAD;
  return bytes;
}

export class HpackEncoder {
  private readonly names = new Map<string, Name>();
  // What the field at each place of a block was the last time.
  private readonly guesses: Entry[] = [];
  private place = 0;
  // Live dynamic entries, oldest first, from `oldest` on.
  private entries: Entry[] = [];
  private oldest = 0;
  private inserted = 0;
  private tableBytes = 0;
  private limitBytes: number;
  private readonly maxTableBytes: number;
  // The smallest limit since the last block, to be announced with the final one (RFC 7541 §4.2); -1 if unchanged.
  private smallestBytes = -1;

  /** `maxTableBytes` is what this side spends on the table even if the peer allows more. */
  constructor(maxTableBytes = 4096) {
    this.maxTableBytes = maxTableBytes;
    this.limitBytes = Math.min(4096, maxTableBytes);
    if (this.limitBytes < 4096) this.smallestBytes = this.limitBytes;
  }

  /** Takes the peer's SETTINGS_HEADER_TABLE_SIZE; the next block announces what changed. */
  resize(peerBytes: number): void {
    const bytes = Math.min(peerBytes, this.maxTableBytes);
    if (bytes === this.limitBytes) return;
    this.limitBytes = bytes;
    this.smallestBytes = this.smallestBytes < 0 ? bytes : Math.min(bytes, this.smallestBytes);
    this.evict(0);
  }

  /** Begins a block: writes table size updates that are due. Needs up to 8 bytes; returns where it ended. */
  begin(out: Buffer, at: number): number {
    this.place = 0;
    if (this.smallestBytes < 0) return at;
    if (this.smallestBytes < this.limitBytes)
      at = writeInt(out, at, 0x20, 0x1f, this.smallestBytes);
    this.smallestBytes = -1;
    return writeInt(out, at, 0x20, 0x1f, this.limitBytes);
  }

  /**
   * Writes one field of the block at `at`; returns where it ended. `name` is lower-case already. The caller has
   * made sure of `encodedBound`. Characters above U+00FF are written as `?`.
   */
  field(name: string, value: string, out: Buffer, at: number): number {
    const place = this.place++;
    const guess = place < this.guesses.length ? this.guesses[place]! : NOTHING;
    if (guess.value === value && guess.name === name && guess.live)
      return this.writeIndexed(guess, out, at);
    return this.search(place, name, value, out, at);
  }

  /** Writes all `fields`, of which those named in `neverIndexed` keep that mark (RFC 7541 §6.2.3). */
  encode(
    fields: Headers,
    out: Buffer,
    at: number,
    neverIndexed: readonly string[] | null = null,
  ): number {
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      if (neverIndexed !== null && neverIndexed.includes(name)) {
        at = this.writeLiteral(0x10, this.nameOf(name), name, fields[i + 1]!, out, at);
      } else {
        at = this.field(name, fields[i + 1]!, out, at);
      }
    }
    return at;
  }

  private writeIndexed(entry: Entry, out: Buffer, at: number): number {
    const index = this.indexOf(entry);
    if (index < 0x7f) {
      out[at] = 0x80 | index;
      return at + 1;
    }
    return writeInt(out, at, 0x80, 0x7f, index);
  }

  private indexOf(entry: Entry): number {
    return entry.place > 0 ? entry.place : STATIC_SIZE + this.inserted + entry.place;
  }

  private search(place: number, name: string, value: string, out: Buffer, at: number): number {
    const known = this.nameOf(name);
    let entry = known.newest;
    for (let walk = 0; entry !== null && walk < MAX_WALK; walk++, entry = entry.older) {
      if (entry.value === value) {
        this.expect(place, entry);
        return this.writeIndexed(entry, out, at);
      }
    }
    if (known.secret || (name === "cookie" && value.length < SHORT_COOKIE)) {
      return this.writeLiteral(0x10, known, name, value, out, at);
    }
    const bytes = name.length + value.length + ENTRY_OVERHEAD;
    if (bytes > this.limitBytes >> 1 || !known.hasSeen(value)) {
      return this.writeLiteral(0, known, name, value, out, at);
    }
    at = this.writeLiteral(0x40, known, name, value, out, at);
    this.insert(known, name, value, bytes);
    return at;
  }

  private expect(place: number, entry: Entry): void {
    if (place >= MAX_PLACES) return;
    while (this.guesses.length < place) this.guesses.push(NOTHING);
    this.guesses[place] = entry;
  }

  private nameOf(name: string): Name {
    let known = this.names.get(name);
    if (known === undefined) {
      if (this.names.size === MAX_NAMES) this.names.clear();
      known = new Name(name);
      this.names.set(name, known);
    }
    return known;
  }

  // RFC 7541 §6.2: `pattern` 0x40 indexes, 0 does not, 0x10 forbids it for every hop.
  private writeLiteral(
    pattern: number,
    known: Name,
    name: string,
    value: string,
    out: Buffer,
    at: number,
  ): number {
    const newest = known.newest;
    const index =
      known.staticIndex > 0 ? known.staticIndex : newest !== null ? this.indexOf(newest) : 0;
    const mask = pattern === 0x40 ? 0x3f : 0x0f;
    if (index < mask) out[at++] = pattern | index;
    else at = writeInt(out, at, pattern, mask, index);
    const huffman = pattern === 0x40;
    if (index === 0) at = writeString(name, huffman, out, at);
    return writeString(value, huffman, out, at);
  }

  private insert(owner: Name, name: string, value: string, bytes: number): void {
    this.evict(bytes);
    const entry = new Entry(owner, name, value, -this.inserted++, owner.newest);
    owner.newest = entry;
    this.entries.push(entry);
    this.tableBytes += bytes;
  }

  private evict(neededBytes: number): void {
    while (this.tableBytes + neededBytes > this.limitBytes && this.oldest < this.entries.length) {
      const entry = this.entries[this.oldest++]!;
      this.tableBytes -= entry.name.length + entry.value.length + ENTRY_OVERHEAD;
      entry.live = false;
      if (entry.older !== null) entry.older.newer = entry.newer;
      if (entry.newer !== null) entry.newer.older = entry.older;
      else entry.owner.newest = entry.older;
    }
    if (this.oldest > 64) {
      this.entries.splice(0, this.oldest);
      this.oldest = 0;
    }
  }
}

/** Writes an integer with the prefix `mask` (RFC 7541 §5.1). */
function writeInt(out: Buffer, at: number, pattern: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = pattern | value;
    return at + 1;
  }
  out[at++] = pattern | mask;
  value -= mask;
  while (value >= 0x80) {
    out[at++] = 0x80 | (value & 0x7f);
    value >>>= 7;
  }
  out[at] = value;
  return at + 1;
}

function writeString(text: string, huffman: boolean, out: Buffer, at: number): number {
  const length = text.length;
  if (huffman) {
    const coded = huffmanLength(text);
    if (coded < length) return writeHuffman(text, out, writeInt(out, at, 0x80, 0x7f, coded));
  }
  at = writeInt(out, at, 0, 0x7f, length);
  for (let i = 0; i < length; i++) {
    const char = text.charCodeAt(i);
    out[at + i] = char < 256 ? char : 63;
  }
  return at + length;
}
