// Service names: what an identifier makes of a request (`/svc/web`). The same few names come again and again, so each
// is made once and kept with its text, which is the key of caches and the value of headers.

import { type Path, printPath } from "../name/path.ts";
import { Memory } from "../proxy/memory.ts";

export type ServiceName = {
  readonly path: Path;
  /** As it is written, for example in `l5d-dst-service`. */
  readonly text: string;
};

const MAX_NAMES = 4096;

/** The names below a prefix (the router's `dstPrefix`). */
export class ServiceNames {
  readonly #prefix: Path;
  readonly #known = new Memory<ServiceName>(MAX_NAMES);

  constructor(prefix: Path) {
    this.#prefix = prefix;
  }

  /** The name that ends in one segment. */
  token(segment: string): ServiceName {
    let name = this.#known.recall(segment);
    if (name === undefined) this.#known.remember(segment, (name = this.of([segment])));
    return name;
  }

  /** The name that ends in these segments; empty ones are left out. */
  of(segments: Path): ServiceName {
    const path = [...this.#prefix, ...segments.filter((segment) => segment !== "")];
    return { path, text: printPath(path) };
  }
}
