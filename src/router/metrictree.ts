// Linkerd 1's metrics: a tree of scopes (`rt/http/client/#/io.l5d.fs/web`) with counters, gauges and summaries as
// leaves. Leaves are looked up when something is bound; counting is then a field increment. Scopes of services and
// clients leave the tree when the last one who holds them has gone.

import type { Clock } from "../base/clock.ts";
import { Counter } from "../base/metrics.ts";
import { ROLL_MS, Summary } from "../base/summary.ts";
import type { Close } from "../base/watch.ts";

const NONE: ReadonlyMap<string, MetricScope> = new Map();

/** A gauge is what a function says when it is asked. */
export type Metric = Counter | Summary | (() => number);

export class MetricScope {
  readonly name: string;
  metric: Metric | undefined = undefined;
  /** Shared by all leaves, which are most scopes, until the first child comes. */
  children: ReadonlyMap<string, MetricScope> = NONE;
  readonly #parent: MetricScope | undefined;
  #holders = 0;

  constructor(name = "", parent?: MetricScope) {
    this.name = name;
    this.#parent = parent;
  }

  /** The scope below, made when it is new; a segment may hold slashes. */
  at(...segments: readonly string[]): MetricScope {
    return segments.reduce<MetricScope>((scope, name) => scope.#child(name), this);
  }

  counter(...segments: readonly string[]): Counter {
    const scope = this.at(...segments);
    if (!(scope.metric instanceof Counter)) scope.metric = new Counter();
    return scope.metric;
  }

  summary(...segments: readonly string[]): Summary {
    const scope = this.at(...segments);
    if (!(scope.metric instanceof Summary)) scope.metric = new Summary();
    return scope.metric;
  }

  /** Shows what `read` says; the latest who sets a gauge is the one who is asked. */
  gauge(read: () => number, ...segments: readonly string[]): void {
    this.at(...segments).metric = read;
  }

  /** Keeps this scope in the tree until the returned function is called, by everybody who holds it. */
  hold(): Close {
    this.#holders += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holders -= 1;
      if (this.#holders === 0 && this.#parent?.children.get(this.name) === this) {
        this.#parent.#remove(this.name);
      }
    };
  }

  /** All leaves with the segments that lead to them, in order of name. */
  *leaves(path: readonly string[] = []): Generator<readonly [readonly string[], Metric]> {
    if (this.metric !== undefined) yield [path, this.metric];
    const names = [...this.children.keys()].sort();
    for (const name of names) yield* this.children.get(name)!.leaves([...path, name]);
  }

  /** The scope that a text such as `rt/http/client` names; undefined when there is none. */
  find(text: string): MetricScope | undefined {
    if (text === "") return this;
    for (const [name, child] of this.children) {
      if (text === name) return child;
      const found = text.startsWith(`${name}/`) && child.find(text.slice(name.length + 1));
      if (found) return found;
    }
    return undefined;
  }

  /** Lets all summaries below forget what is too old. */
  roll(): void {
    if (this.metric instanceof Summary) this.metric.roll();
    for (const child of this.children.values()) child.roll();
  }

  #child(name: string): MetricScope {
    let child = this.children.get(name);
    if (child === undefined) {
      child = new MetricScope(name, this);
      if (this.children === NONE) this.children = new Map([[name, child]]);
      else (this.children as Map<string, MetricScope>).set(name, child);
    }
    return child;
  }

  #remove(name: string): void {
    (this.children as Map<string, MetricScope>).delete(name);
  }
}

/** The root of a tree whose summaries tell of the last minute. */
export function metricTree(clock: Clock): MetricScope {
  const root = new MetricScope();
  clock.every(ROLL_MS, () => root.roll());
  return root;
}
