// Watches exchanges apart by something that strangers choose, such as the host that they ask for or who they are. So
// many get a watcher each; all others share one, so that nobody can fill the memory with series.

import type { Exchange, Watcher } from "./exchange.ts";

const MOST = 500;

export class Apart implements Watcher {
  private readonly keyOf: (x: Exchange) => string;
  private readonly bind: (x: Exchange | undefined) => Watcher;
  private readonly watchers: Map<string, Watcher>;
  private rest: Watcher | undefined;
  private key: string | undefined;
  private last: Watcher | undefined;

  /** `bind` makes the watcher of the exchanges like `x`; of all that are too many to tell apart, without one. */
  constructor(keyOf: (x: Exchange) => string, bind: (x: Exchange | undefined) => Watcher) {
    this.keyOf = keyOf;
    this.bind = bind;
    this.watchers = new Map();
    this.rest = undefined;
    this.key = undefined;
    this.last = undefined;
  }

  begin(x: Exchange): void {
    this.at(x).begin(x);
  }

  head(x: Exchange): void {
    this.at(x).head(x);
  }

  end(x: Exchange): void {
    this.at(x).end(x);
  }

  private at(x: Exchange): Watcher {
    const key = this.keyOf(x);
    if (key !== this.key) {
      this.key = key;
      this.last = this.watchers.get(key) ?? this.first(key, x);
    }
    return this.last!;
  }

  private first(key: string, x: Exchange): Watcher {
    if (this.watchers.size >= MOST) return (this.rest ??= this.bind(undefined));
    const made = this.bind(x);
    this.watchers.set(key, made);
    return made;
  }
}
