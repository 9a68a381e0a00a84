// A Scope is a lifetime: whatever is opened inside it is closed with it, last opened first.
// Listeners, connections, observations and child processes hang on scopes, so that nothing outlives its owner.

import type { Close } from "./watch.ts";

type Closer = () => void | Promise<void>;

export class Scope {
  #closers: Closer[] = [];
  #closing: Promise<void> | undefined;

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Registers what to do at close (at once if closed already). Returns a function that takes it back. */
  defer(closer: Closer): Close {
    if (this.#closing) {
      void closer();
      return () => {};
    }
    this.#closers.push(closer);
    return () => {
      const at = this.#closers.indexOf(closer);
      if (at >= 0) this.#closers.splice(at, 1);
    };
  }

  /** A scope that closes with this one, or before it. */
  child(): Scope {
    const child = new Scope();
    const forget = this.defer(() => child.close());
    child.defer(forget);
    return child;
  }

  /** Closes everything, once. Rejects with the first error, after all closers have run. */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    const errors: unknown[] = [];
    for (let closer = this.#closers.pop(); closer; closer = this.#closers.pop()) {
      try {
        await closer();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length) throw errors[0];
  }
}
