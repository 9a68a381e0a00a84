// The HPACK decoder of one connection (RFC 7541): field blocks to a flat list of names and values. It reads in
// place, checks each literal once (RFC 9113 §8.2.1) and remembers the result with the table entry. A block
// that is too large is still decoded to its end, since the dynamic table must stay in step with the peer's,
// but nothing of it is kept, so that a few bytes of indices cannot fill the memory.

import { connectionError, H2, type H2Error } from "./h2error.ts";
import { literalUse, NAME_OK, readLiteral, VALUE_OK, VISIBLE } from "./literals.ts";
import { STATIC_NAMES, STATIC_SIZE, STATIC_VALUES } from "./statictable.ts";

// RFC 7541 §4.1: what an entry counts beyond its octets.
const ENTRY_OVERHEAD = 32;
const INT_MAX = 1 << 24;
const COLON = 58;

export class HpackDecoder {
  /**
   * The fields of the last block: names at even places, values at odd ones, `length` in all. The array is used
   * again for the next block and longer than `length`; take a slice.
   */
  readonly fields: string[] = [];
  length = 0;
  /** Whether a name or value of the last block may not stand in a message (RFC 9113 §8.2.1). */
  malformed = false;
  /** Whether the last block exceeded the limit; its fields are then incomplete. */
  tooLarge = false;
  /** Names of the last block's never-indexed fields (RFC 7541 §6.2.3), which keep that mark on the next hop. */
  neverIndexed: string[] | null = null;

  private readonly maxListBytes: number;
  private readonly maxTableBytes: number;
  private limitBytes: number;
  private tableBytes = 0;
  // The dynamic table: a ring of a power of two; entry n of all that were ever inserted is at n & mask.
  private names: string[] = [];
  private values: string[] = [];
  private uses = new Uint8Array(32);
  private mask = 31;
  private inserted = 0;
  private evicted = 0;
  // The reading position, and what the literal at it may be used as.
  private at = 0;
  private use = 0;
  private error: H2Error | null = null;

  /**
   * `maxListBytes` limits one decoded list, counted as in RFC 9113 §6.5.2; `maxTableBytes` is the
   * SETTINGS_HEADER_TABLE_SIZE that the peer was told (default 4096).
   */
  constructor(maxListBytes: number, maxTableBytes = 4096) {
    this.maxListBytes = maxListBytes;
    this.maxTableBytes = maxTableBytes;
    this.limitBytes = maxTableBytes;
  }

  /** Decodes the block `src[start, end)` into `fields`. An error is a connection error: the table is lost. */
  decode(src: Buffer, start: number, end: number): H2Error | null {
    this.at = start;
    this.error = null;
    this.length = 0;
    this.malformed = false;
    this.tooLarge = false;
    this.neverIndexed = null;
    let listBytes = 0;
    let updates = true;
    while (this.at < end) {
      const octet = src[this.at]!;
      let name: string;
      let value: string;
      if (octet >= 0x80) {
        const index = octet < 0xff ? (this.at++, octet & 0x7f) : this.readInt(src, end, 0x7f);
        if (index > 0 && index <= STATIC_SIZE) {
          name = STATIC_NAMES[index]!;
          value = STATIC_VALUES[index]!;
        } else {
          const place = this.placeOf(index);
          if (place < 0) return this.error ?? invalid("index outside the tables");
          name = this.names[place]!;
          value = this.values[place]!;
          if (this.uses[place] !== (NAME_OK | VALUE_OK)) this.malformed = true;
        }
      } else if (octet >= 0x20 && octet < 0x40) {
        if (!updates) return invalid("table size update inside a block");
        const size = this.readInt(src, end, 0x1f);
        if (this.error !== null) return this.error;
        if (size > this.maxTableBytes) return invalid("table size update above the limit");
        this.limitBytes = size;
        this.evict(0);
        continue;
      } else {
        const inserts = octet >= 0x40;
        const index = this.readInt(src, end, inserts ? 0x3f : 0x0f);
        name = this.readName(src, end, index);
        const nameUse = this.use;
        value = this.error === null ? this.readString(src, end) : "";
        if (this.error !== null) return this.error;
        let use = (nameUse & NAME_OK) | (this.use & VALUE_OK);
        if (name.charCodeAt(0) === COLON && (this.use & VISIBLE) === 0) use &= ~VALUE_OK;
        if (use !== (NAME_OK | VALUE_OK)) this.malformed = true;
        if (inserts) this.insert(name, value, use);
        else if (octet >= 0x10) (this.neverIndexed ??= []).push(name);
      }
      updates = false;
      listBytes += name.length + value.length + ENTRY_OVERHEAD;
      if (listBytes > this.maxListBytes) {
        this.tooLarge = true;
      } else {
        this.fields[this.length++] = name;
        this.fields[this.length++] = value;
      }
    }
    return null;
  }

  private readName(src: Buffer, end: number, index: number): string {
    if (index === 0) return this.error === null ? this.readString(src, end) : "";
    this.use = NAME_OK;
    if (index <= STATIC_SIZE) return STATIC_NAMES[index]!;
    const place = this.placeOf(index);
    if (place < 0) {
      this.error ??= invalid("index outside the tables");
      return "";
    }
    this.use = this.uses[place]!;
    return this.names[place]!;
  }

  // Where the dynamic entry of `index` is in the ring, or -1.
  private placeOf(index: number): number {
    const entry = this.inserted + STATIC_SIZE - index;
    return index > STATIC_SIZE && entry >= this.evicted ? entry & this.mask : -1;
  }

  // RFC 7541 §5.1. Anything above 2^24 is taken for an attack.
  private readInt(src: Buffer, end: number, mask: number): number {
    let value = src[this.at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21 && this.at < end; shift += 7) {
      const octet = src[this.at++]!;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) {
        if (value > INT_MAX) break;
        return value;
      }
    }
    this.error ??= invalid("integer truncated or too large");
    return 0;
  }

  private readString(src: Buffer, end: number): string {
    if (this.at < end) {
      const huffman = src[this.at]! >= 0x80;
      const length = this.readInt(src, end, 0x7f);
      const from = this.at;
      if (this.error === null && length <= end - from) {
        this.at = from + length;
        const text = readLiteral(src, from, this.at, huffman);
        if (text !== undefined) {
          this.use = literalUse;
          return text;
        }
        this.error = invalid("invalid Huffman code");
      }
    }
    this.error ??= invalid("literal truncated");
    return "";
  }

  private insert(name: string, value: string, use: number): void {
    const bytes = name.length + value.length + ENTRY_OVERHEAD;
    this.evict(bytes);
    // An entry larger than the table empties it and is no error (RFC 7541 §4.4).
    if (bytes > this.limitBytes) return;
    if (this.inserted - this.evicted > this.mask) this.grow();
    const place = this.inserted++ & this.mask;
    this.names[place] = name;
    this.values[place] = value;
    this.uses[place] = use;
    this.tableBytes += bytes;
  }

  private evict(neededBytes: number): void {
    while (this.tableBytes + neededBytes > this.limitBytes && this.evicted < this.inserted) {
      const place = this.evicted++ & this.mask;
      this.tableBytes -= this.names[place]!.length + this.values[place]!.length + ENTRY_OVERHEAD;
    }
  }

  private grow(): void {
    const size = this.uses.length * 2;
    const names = Array.from({ length: size }, () => "");
    const values = names.slice();
    const uses = new Uint8Array(size);
    for (let entry = this.evicted; entry < this.inserted; entry++) {
      const from = entry & this.mask;
      const to = entry & (size - 1);
      names[to] = this.names[from]!;
      values[to] = this.values[from]!;
      uses[to] = this.uses[from]!;
    }
    this.names = names;
    this.values = values;
    this.uses = uses;
    this.mask = size - 1;
  }
}

function invalid(reason: string): H2Error {
  return connectionError(H2.COMPRESSION_ERROR, `HPACK: ${reason}`);
}
