// The types of settings: each reads one value at a place of a file, or says what is allowed there.
// A table of settings (`table`) is data: reading, defaults, the list of known keys, hints for misplaced ones and
// the documentation all come from it, and so does the TypeScript type of what is read.

import { isSeq } from "yaml";
import type { Reading } from "./yamlreading.ts";
import { type At, isAbsent } from "./yamlsource.ts";

/** How to read one value. */
export interface Type<T> {
  /** What is allowed, in words. */
  readonly allowed: string;
  /** The value at a place where something is written; undefined after a mistake was reported. */
  read(at: At, reading: Reading): T | undefined;
  /** How a default is written. */
  print?(value: T): string;
  /** The tables inside, for hints and documentation. */
  readonly inside?: (reading: Reading) => readonly Inside[];
}

/** A table below a type: `step` is "[]" for items of a list, `kind` the kind that has these settings. */
export type Inside = { readonly step: string; readonly kind?: string; readonly fields: Fields };

/** One setting: its type, its sentence, and what stands for it when it is absent. */
export type Field<T> = {
  readonly type: Type<unknown>;
  readonly doc: string;
  /** The complaint when it is absent; undefined for a setting that may be. */
  readonly missing?: string;
  readonly absent: (reading: Reading) => T;
};

// oxlint-disable-next-line typescript/no-explicit-any -- a table's settings have any types
export type Fields = Readonly<Record<string, Field<any>>>;

/** What a table of settings is read as. */
export type Values<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

/** A setting that must be there. */
export function required<T>(type: Type<T>, doc: string, complaint?: string): Field<T> {
  return {
    type,
    doc,
    missing: complaint ?? "must be specified",
    absent: () => undefined as T,
  };
}

/** A setting that may be absent. */
export function optional<T>(type: Type<T>, doc: string): Field<T | undefined> {
  return { type, doc, absent: () => undefined };
}

/** A setting with a default. */
export function preset<T, const D extends T>(type: Type<T>, value: D, doc: string): Field<T> {
  return {
    type,
    doc: `${doc} (default ${type.print?.(value) ?? JSON.stringify(value)})`,
    absent: () => value,
  };
}

/** A table whose settings all have defaults, which hold when it is absent altogether. */
export function nested<F extends Fields>(type: TableType<F>, doc: string): Field<Values<F>> {
  return { type, doc, absent: (reading) => type.defaults(reading) };
}

/** The same settings without defaults, so that one can tell what was written. */
export function partial<F extends Fields>(
  fields: F,
): { readonly [K in keyof F]: Field<Values<F>[K] | undefined> } {
  const open = Object.entries(fields).map(([name, field]) => [
    name,
    { type: field.type, doc: field.doc, absent: () => undefined },
  ]);
  return Object.fromEntries(open) as never;
}

/** A mapping with known keys. */
export type TableType<F extends Fields> = Type<Values<F>> & {
  readonly fields: F;
  defaults(reading: Reading): Values<F>;
};

/** A mapping with these settings; `check` sees the whole of it. */
export function table<F extends Fields>(
  fields: F,
  check?: (value: Values<F>, at: At, reading: Reading) => void,
): TableType<F> {
  return {
    allowed: `a mapping with the keys ${Object.keys(fields).join(", ")}`,
    fields,
    inside: () => [{ step: "", fields }],
    defaults: (reading) => defaults(fields, reading),
    read(at, reading) {
      const value = reading.fields(at, fields, this.allowed) as Values<F> | undefined;
      if (value) check?.(value, at, reading);
      return value;
    },
  };
}

/** The values of a table of which nothing is written. */
export function defaults<F extends Fields>(fields: F, reading: Reading): Values<F> {
  const values = Object.entries(fields).map(([name, field]) => [name, field.absent(reading)]);
  return Object.fromEntries(values) as Values<F>;
}

/** A list; one value where a list is expected is a mistake, unless `single` allows it. */
export function list<T>(type: Type<T>, options: { single?: boolean } = {}): Type<readonly T[]> {
  return {
    allowed: "a list",
    inside: (reading) =>
      (type.inside?.(reading) ?? []).map((one) => ({ ...one, step: `[]${one.step}` })),
    read(at, reading) {
      if (!isSeq(at.node)) {
        if (options.single) return [type.read(at, reading) as T];
        return reading.refuse(at, this.allowed, "put `- ` before it");
      }
      return reading.source
        .items(at)
        .map((item) =>
          isAbsent(item)
            ? (reading.refuse(item, type.allowed) as T)
            : (type.read(item, reading) as T),
        );
    },
  };
}

/** A mapping with free keys. */
export function mapOf<T>(type: Type<T>): Type<Readonly<Record<string, T>>> {
  return {
    allowed: `a mapping; each value is ${type.allowed}`,
    read(at, reading) {
      const entries = reading.entries(at, this.allowed);
      return (
        entries &&
        Object.fromEntries(entries.map((entry) => [entry.name, type.read(entry.at, reading) as T]))
      );
    },
  };
}
