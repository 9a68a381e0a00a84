// Splice: two connections become one byte stream in each direction. A side that ends is ended on the other
// side too while the opposite direction goes on (half-close); a slow reader stops its writer.

import type { Fault } from "../base/fault.ts";
import type { Conn, Reader } from "./conn.ts";

/** How a splice ended: bytes sent each way, and the fault that broke it, if one did. */
export type SpliceEnd = {
  /** From the first connection to the second. */
  readonly forward: number;
  readonly backward: number;
  readonly fault: Fault | undefined;
  /** Whose connection broke. */
  readonly broken: "client" | "upstream" | undefined;
};

/** Copies bytes between `client` and `upstream` until both directions are over. Never rejects. `first` are bytes that the client sent before. */
export function splice(client: Conn, upstream: Conn, first?: Buffer): Promise<SpliceEnd> {
  return new Promise((resolve) => {
    const there = new Direction("client", client, upstream);
    const back = new Direction("upstream", upstream, client);
    let over = 0;
    let broken: SpliceEnd["broken"];
    let fault: Fault | undefined;
    const finish = (side: Direction, why: Fault | undefined): void => {
      // One gone takes the other with it: at once when it broke, else what is under way still arrives.
      if (why !== undefined && fault === undefined) {
        fault = why;
        broken = side.name;
        side.to.reset(why);
      } else if (over === 0 && !side.ended) {
        side.to.end();
      }
      if (++over === 2) resolve({ forward: there.bytes, backward: back.bytes, fault, broken });
    };
    there.opposite = back;
    back.opposite = there;
    there.finish = back.finish = finish;
    upstream.start(back);
    client.start(there, first);
  });
}

class Direction implements Reader {
  readonly name: "client" | "upstream";
  readonly from: Conn;
  readonly to: Conn;
  bytes: number;
  ended: boolean;
  opposite!: Direction;
  finish!: (side: Direction, fault: Fault | undefined) => void;

  constructor(name: "client" | "upstream", from: Conn, to: Conn) {
    this.name = name;
    this.from = from;
    this.to = to;
    this.bytes = 0;
    this.ended = false;
  }

  read(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (!this.to.write(chunk)) this.from.pause();
  }

  end(): void {
    this.ended = true;
    this.to.end();
  }

  closed(fault: Fault | undefined): void {
    this.finish(this, fault);
  }

  drained(): void {
    this.opposite.from.resume();
  }
}
