// Shapes say what a value from a file or an API server looks like. One description gives the type, the
// check (all mistakes at once, each with its path) and the trim: `read` keeps only what is described, so
// that ten thousand pods cost what we use of them and not what Kubernetes stores.

/** Where in a document a value stands. */
export type Path = readonly (string | number)[];

/** One thing that is wrong: what stands there and what would be right. `unknown` marks a key that nobody reads. */
export type Mistake = {
  readonly path: Path;
  readonly value: unknown;
  readonly wanted: string;
  readonly unknown: boolean;
};

export interface Shape<T> {
  /** What would be right, as the end of "expected …". */
  readonly wanted: string;
  /** The value, trimmed; pushes what is wrong to `mistakes`, after which the result is worth nothing. */
  read(value: unknown, path: Path, mistakes: Mistake[]): T;
  /** Present when a key may be absent: gives the value that stands for it. */
  readonly absent?: () => T;
}

/** A shape whose key may be missing from the result. */
export interface Optional<T> extends Shape<T | undefined> {
  readonly absent: () => undefined;
  readonly optional: true;
}

/** The type that a shape reads. */
export type Of<S> = S extends Shape<infer T> ? T : never;

type Fields = Readonly<Record<string, Shape<unknown>>>;
type OptionalKeys<F> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never;
}[keyof F];
type Plain<T> = { [K in keyof T]: T[K] };

/** What `object(F)` reads: optional keys are absent rather than undefined. */
export type ObjectOf<F extends Fields> = Plain<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Of<F[K]> } & {
    readonly [K in OptionalKeys<F>]?: Exclude<Of<F[K]>, undefined>;
  }
>;

function leaf<T>(wanted: string, accepts: (value: unknown) => boolean): Shape<T> {
  return {
    wanted,
    read(value, path, mistakes) {
      if (!accepts(value)) mistakes.push({ path, value, wanted, unknown: false });
      return value as T;
    },
  };
}

/** A value that `accepts` likes; `wanted` ends the sentence "expected …". */
export function matching<T extends string | number>(
  wanted: string,
  accepts: (value: T) => boolean,
  type: "string" | "number" = "string",
): Shape<T> {
  return leaf<T>(wanted, (value) => typeof value === type && accepts(value as T));
}

export const text: Shape<string> = leaf("text (in quotes if it looks like a number)", (value) => {
  return typeof value === "string";
});

export const name: Shape<string> = leaf("a name", (v) => typeof v === "string" && v !== "");

export const bool: Shape<boolean> = leaf("true or false", (v) => typeof v === "boolean");

/** Anything at all, kept as it is. */
export const anything: Shape<unknown> = leaf("anything", () => true);

export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): Shape<number> {
  const wanted =
    max === Number.MAX_SAFE_INTEGER
      ? `a whole number of at least ${min}`
      : `a whole number from ${min} to ${max}`;
  return leaf(
    wanted,
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  );
}

export const port: Shape<number> = integer(1, 65535);

/** A port's number or name. */
export const portOrName: Shape<number | string> = leaf("a port's number or name", (value) =>
  typeof value === "string" ? value !== "" : isPort(value),
);

export function oneOf<const T extends string>(...values: readonly T[]): Shape<T> {
  return leaf(`one of ${values.join(", ")}`, (value) => values.includes(value as T));
}

/** The same shape under a key that may be missing (or null, as in a YAML key without a value). */
export function optional<T>(shape: Shape<T>): Optional<T> {
  return {
    wanted: shape.wanted,
    optional: true,
    absent: () => undefined,
    read: (value, path, mistakes) => shape.read(value, path, mistakes),
  };
}

/** The same shape under a key that may be missing, which then reads as `value()`. */
export function or<T>(shape: Shape<T>, value: () => NoInfer<T>): Shape<T> {
  return { wanted: shape.wanted, absent: value, read: (v, p, m) => shape.read(v, p, m) };
}

export function list<T>(item: Shape<T>, min = 0): Shape<readonly T[]> {
  const wanted =
    min > 0 ? `a list of at least ${min} (${item.wanted})` : `a list of ${item.wanted}`;
  return {
    wanted,
    read(value, path, mistakes) {
      if (!Array.isArray(value) || value.length < min) {
        mistakes.push({ path, value, wanted, unknown: false });
        return [];
      }
      return value.map((each, i) => item.read(each, [...path, i], mistakes));
    },
  };
}

/** A list that is empty when its key is missing. */
export const lists = <T>(item: Shape<T>): Shape<readonly T[]> => or(list(item), () => []);

/** A map from any key. */
function record<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  const wanted = `a map of ${item.wanted}`;
  return {
    wanted,
    read(value, path, mistakes) {
      if (!isObject(value)) {
        mistakes.push({ path, value, wanted, unknown: false });
        return {};
      }
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [
          key,
          item.read(each, [...path, key], mistakes),
        ]),
      );
    },
  };
}

/** A map that is empty when its key is missing. */
export const records = <T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> =>
  or(record(item), () => ({}));

/** An object with these keys; others are dropped. */
export function object<const F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  return objectShape(fields, false);
}

/** An object with these keys only; any other is a mistake. */
export function strict<const F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  return objectShape(fields, true);
}

/** A shape that refers to itself. */
export function lazy<T>(wanted: string, shape: () => Shape<T>): Shape<T> {
  return { wanted, read: (value, path, mistakes) => shape().read(value, path, mistakes) };
}

/** Adds a rule that spans several keys: `check` returns what would be right, or nothing. */
export function where<T>(shape: Shape<T>, check: (value: T) => string | undefined): Shape<T> {
  return {
    ...shape,
    read(value, path, mistakes) {
      const before = mistakes.length;
      const read = shape.read(value, path, mistakes);
      const wanted = mistakes.length === before ? check(read) : undefined;
      if (wanted !== undefined) mistakes.push({ path, value, wanted, unknown: false });
      return read;
    },
  };
}

function objectShape<F extends Fields>(fields: F, isStrict: boolean): Shape<ObjectOf<F>> {
  const entries = Object.entries(fields);
  return {
    wanted: `an object with ${Object.keys(fields).join(", ")}`,
    read(value, path, mistakes) {
      const result: Record<string, unknown> = {};
      if (!isObject(value)) {
        mistakes.push({ path, value, wanted: this.wanted, unknown: false });
        return result as ObjectOf<F>;
      }
      for (const [key, shape] of entries) {
        const at = [...path, key];
        const given = value[key] ?? undefined;
        const read =
          given === undefined ? absent(shape, at, mistakes) : shape.read(given, at, mistakes);
        if (read !== undefined) result[key] = read;
      }
      if (isStrict) reportUnknown(value, fields, path, mistakes);
      return result as ObjectOf<F>;
    },
  };
}

function absent(shape: Shape<unknown>, path: Path, mistakes: Mistake[]): unknown {
  if (shape.absent) return shape.absent();
  mistakes.push({ path, value: undefined, wanted: shape.wanted, unknown: false });
  return undefined;
}

function reportUnknown(value: object, fields: Fields, path: Path, mistakes: Mistake[]): void {
  for (const key of Object.keys(value)) {
    if (key in fields) continue;
    const wanted = `one of the keys ${Object.keys(fields).join(", ")}`;
    mistakes.push({ path: [...path, key], value: key, wanted, unknown: true });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65536;
}
