// Resources in memory: one Var for each kind. The local mesh keeps its truth here, the controller keeps its
// copy of it here, and tests fill one from a few lines of YAML.

import { Var } from "../base/watch.ts";
import type { Kind, Resource } from "./kinds.ts";
import { keyOf, kinds, kindOfResource } from "./kinds.ts";
import type { ResourceMap } from "./resources.ts";

/** What happened to one resource; `resource` is absent when it was removed. */
export type Change = { readonly kind: Kind; readonly key: string; readonly resource?: Resource };

export class Store {
  readonly #maps: { [K in Kind]?: Var<ResourceMap<K>> } = {};

  /** A store in which every kind is known to be empty but for `resources`. */
  constructor(resources: readonly Resource[] = []) {
    for (const kind of kinds) this.#var(kind).set(new Map());
    this.apply(resources.map(put));
  }

  watch<K extends Kind>(kind: K): Var<ResourceMap<K>> {
    return this.#var(kind);
  }

  /** The resources of a kind as they are now. */
  all<K extends Kind>(kind: K): ResourceMap<K> {
    return this.#var(kind).value!;
  }

  get<K extends Kind>(kind: K, key: string): Resource<K> | undefined {
    return this.all(kind).get(key);
  }

  /** Makes all changes, then tells each kind's observers once. */
  apply(changes: readonly Change[]): void {
    const touched = new Map<Kind, Map<string, Resource>>();
    for (const { kind, key, resource } of changes) {
      const map = touched.get(kind) ?? new Map<string, Resource>(this.all(kind));
      touched.set(kind, map);
      if (resource === undefined) map.delete(key);
      else map.set(key, resource);
    }
    for (const [kind, map] of touched) this.#var(kind).set(map as unknown as ResourceMap<never>);
  }

  put(...resources: readonly Resource[]): void {
    this.apply(resources.map(put));
  }

  remove(kind: Kind, key: string): void {
    this.apply([{ kind, key }]);
  }

  #var<K extends Kind>(kind: K): Var<ResourceMap<K>> {
    return (this.#maps[kind] ??= new Var<ResourceMap<K>>() as never) as unknown as Var<
      ResourceMap<K>
    >;
  }
}

/** The change that stores `resource`. */
export function put(resource: Resource): Change {
  return { kind: kindOfResource(resource), key: keyOf(resource), resource };
}
