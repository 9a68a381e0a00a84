// The open streams of a connection by their ids. A Map would do, but for its garbage: it makes a new table every few
// dozen deletions, and a table that has grown old keeps all that follow it, with their streams, from being collected
// young (a third of the time of a forwarded request). Ids count up by two, so they spread over the slots by themselves.
//
//   slot = id/2 mod size; what finds its slot taken goes to the next free one.

import type { Tally } from "./h2rest.ts";
import type { H2Stream } from "./h2stream.ts";

const INITIAL_SLOTS = 32;

export class H2Streams {
  size = 0;
  private slots = newSlots(INITIAL_SLOTS);
  private mask = INITIAL_SLOTS - 1;
  private readonly tally: Tally;

  /** A table whose streams count in `tally`, with those of other connections. */
  constructor(tally: Tally) {
    this.tally = tally;
  }

  get(id: number): H2Stream | undefined {
    for (let at = id >>> 1; ; at++) {
      const stream = this.slots[at & this.mask];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** Adds a stream whose id is new. Costs O(size) when half of the slots are taken, which doubles them. */
  add(stream: H2Stream): void {
    if (this.size * 2 >= this.slots.length) this.grow();
    this.size++;
    this.tally.open++;
    this.tally.opened++;
    this.place(stream);
  }

  /** Removes the stream `id`, if it is there. */
  delete(id: number): void {
    const { slots, mask } = this;
    let hole = id >>> 1;
    for (; slots[hole & mask]?.id !== id; hole++) if (slots[hole & mask] === undefined) return;
    this.size--;
    this.tally.open--;
    this.tally.ended++;
    // What had to go past the hole comes back into it, so that every search may stop at a free slot.
    for (let at = hole + 1; ; at++) {
      const stream = slots[at & mask];
      if (stream === undefined) break;
      const detour = (at - (stream.id >>> 1)) & mask;
      if (detour < at - hole) continue;
      slots[hole & mask] = stream;
      hole = at;
    }
    slots[hole & mask] = undefined;
  }

  clear(): void {
    this.slots.fill(undefined);
    this.tally.open -= this.size;
    this.tally.ended += this.size;
    this.size = 0;
  }

  /** The streams now open; what is done with them may open and end others. */
  all(): H2Stream[] {
    return this.slots.filter((stream) => stream !== undefined);
  }

  private place(stream: H2Stream): void {
    let at = stream.id >>> 1;
    while (this.slots[at & this.mask] !== undefined) at++;
    this.slots[at & this.mask] = stream;
  }

  private grow(): void {
    const streams = this.all();
    this.slots = newSlots(this.slots.length * 2);
    this.mask = this.slots.length - 1;
    for (const stream of streams) this.place(stream);
  }
}

function newSlots(size: number): (H2Stream | undefined)[] {
  return Array.from({ length: size }, () => undefined);
}
