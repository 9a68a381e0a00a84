// The connections that this process serves, and how they end: a drain tells each server to finish and waits, for
// a time, until all have. What cannot finish by itself (a byte stream) is left alone until the time is over.

import { Bag } from "../base/bag.ts";
import type { Clock } from "../base/clock.ts";
import type { Conn } from "../io/conn.ts";

/** Something that serves a connection and can be asked to end it. */
export interface Server {
  /** Resolves when the connection is over. */
  readonly done: Promise<void>;
  /** Takes no more requests, answers those that it has, and then closes. */
  drain(): void;
}

export class Serving {
  readonly #conns = new Bag<Conn>();
  readonly #servers = new Bag<Server>();
  /** This process has been told to end; it may serve on for a while. */
  leaving = false;
  #draining = false;
  #idle: (() => void) | undefined;

  /** Connections that are open. */
  get size(): number {
    return this.#conns.size;
  }

  /** Counts `conn` for as long as `service` takes. Never rejects. */
  async track(conn: Conn, service: Promise<void>): Promise<void> {
    const place = this.#conns.add(conn);
    try {
      await service;
    } catch {
      // Whoever served it has said why; here it is only over.
    }
    this.#conns.delete(place);
    conn.destroy();
    if (this.#conns.size === 0) this.#idle?.();
  }

  /** Waits for `server`, which is told when this process drains. */
  async serve(server: Server): Promise<void> {
    const place = this.#servers.add(server);
    if (this.#draining) server.drain();
    await server.done;
    this.#servers.delete(place);
  }

  /** Asks all to end; resolves when they have, or after `graceMs`, having cut off the rest. */
  async drain(graceMs: number, clock: Clock): Promise<void> {
    this.leaving = true;
    this.#draining = true;
    for (const server of this.#servers.values()) server.drain();
    if (this.#conns.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const timer = clock.after(graceMs, resolve);
    await promise;
    timer.cancel();
    for (const conn of this.#conns.values()) conn.destroy();
  }
}
