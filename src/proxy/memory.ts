// What was learned by experience, for so many keys: the one that was learned first is forgotten first.

export class Memory<V> {
  readonly #max: number;
  readonly #values = new Map<string, V>();

  constructor(max: number) {
    this.#max = max;
  }

  recall(key: string): V | undefined {
    return this.#values.get(key);
  }

  remember(key: string, value: V): void {
    if (!this.#values.has(key) && this.#values.size >= this.#max) {
      const [oldest] = this.#values.keys();
      this.#values.delete(oldest!);
    }
    this.#values.set(key, value);
  }
}
