// Where a file chooses a kind (`kind: io.l5d.fs`, `protocol: http`): the choice, and the settings that come with it.
// The kinds are those of the reading, so that plug-ins' kinds stand beside the built-in ones.

import { nearest } from "./yamlhints.ts";
import { oldKinds } from "./yamlhistory.ts";
import type { KindTable, Reading } from "./yamlreading.ts";
import { type At, missing } from "./yamlsource.ts";
import type { Fields, Type, Values } from "./yamltypes.ts";

/** What is read where a kind is chosen: its name (under `Key`) and its settings. */
export type KindValue<K extends KindTable, C extends Fields = {}, Key extends string = "kind"> = {
  [N in keyof K & string]: { readonly [X in Key]: N } & Values<K[N]["fields"]> & Values<C>;
}[keyof K & string];

/** How a kind is chosen: by which key, which when none is written, and the complaint about an experimental one. */
export type KindOptions = {
  readonly key?: string;
  readonly fallback?: string;
  readonly experimental?: (kind: string, value: Readonly<Record<string, unknown>>) => string;
};

/** A mapping whose `key` chooses a kind of a category, with settings that all kinds share. */
export function kinds<V>(
  category: string,
  common: Fields = {},
  options: KindOptions = {},
): Type<V> {
  const { key = "kind", fallback } = options;
  return {
    allowed: `a mapping with a ${key}`,
    inside: (reading) => [
      { step: "", fields: common },
      ...Object.entries(reading.kinds[category] ?? {}).map(([kind, { fields }]) => ({
        step: "",
        fields,
        ...(kind === fallback ? {} : { kind }),
      })),
    ],
    read(at, reading) {
      const entries = reading.source.entries(at);
      const table = reading.kinds[category] ?? {};
      if (!entries) return reading.refuse(at, this.allowed, bareKind(at, key, table, reading));
      const chooser = entries.find((entry) => entry.name === key)?.at;
      const kind = chosen(chooser, at, category, key, fallback, reading);
      if (kind === undefined) return undefined;
      const { fields, check, experimental } = table[kind]!;
      const others = Object.fromEntries(
        Object.entries(table).map(([name, other]) => [name, other.fields]),
      );
      const chooserField = { [key]: { type: anything, doc: "", absent: () => kind } };
      const all = { ...chooserField, ...common, ...fields };
      const value = reading.fields(at, all, this.allowed, others);
      if (!value) return undefined;
      value[key] = kind;
      if (experimental && value.experimental !== true && options.experimental) {
        reading.source.error(
          chooser ?? at,
          options.experimental(kind, value),
          "add experimental: true",
        );
      }
      check?.(value, at, reading);
      return value as V;
    },
  };
}

function chosen(
  chooser: At | undefined,
  at: At,
  category: string,
  key: string,
  fallback: string | undefined,
  reading: Reading,
): string | undefined {
  const table = reading.kinds[category] ?? {};
  const known = Object.keys(table);
  const written = chooser && reading.written(chooser);
  if (written === undefined) {
    if (fallback !== undefined) return fallback;
    const misspelt = (reading.source.entries(at) ?? []).find(({ name }) => nearest(name, [key]));
    // Said where the keys are read, which goes on as if it were right.
    if (misspelt && Object.hasOwn(table, reading.written(misspelt.at) ?? "")) {
      return reading.written(misspelt.at);
    }
    return reading.source.error(
      missing(at, key),
      `'${key}' must be specified`,
      `one of ${known.join(", ")}`,
    );
  }
  if (Object.hasOwn(table, written)) return written;
  const old = oldKinds[category]?.[written];
  if (old) {
    reading.source.warn(chooser!, `${written}: ${old.says}`);
    return old.readAs;
  }
  const similar = nearest(written, known);
  const hint = similar === undefined ? "" : `did you mean ${similar}? `;
  reading.source.error(
    chooser!,
    `Could not resolve type id '${written}'`,
    `${hint}known ${key}s: ${known.join(", ")}`,
  );
  return similar;
}

const anything: Type<unknown> = { allowed: "anything", read: (at, reading) => reading.written(at) };

function bareKind(at: At, key: string, table: KindTable, reading: Reading): string | undefined {
  const written = reading.written(at);
  if (written === undefined) return undefined;
  const kind = nearest(written, Object.keys(table));
  return kind === undefined ? undefined : `write { ${key}: ${kind} }`;
}
