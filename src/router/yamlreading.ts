// Reading a file through tables of settings: known keys, missing ones, unknown ones with the best hint there is.
// It goes on after every mistake; whoever reads looks at the source's remarks in the end.

import { isScalar, Scalar } from "yaml";
import { nearest, nearestPlaces, type Place, placeName, template } from "./yamlhints.ts";
import { oldKeys } from "./yamlhistory.ts";
import { type At, isAbsent, missing, type Source } from "./yamlsource.ts";
import { did } from "./yamlscalars.ts";
import type { Field, Fields } from "./yamltypes.ts";

/** One kind of a plug-in: its sentence and its settings. */
export type Kind = {
  readonly doc: string;
  readonly fields: Fields;
  /** Must be asked for with `experimental: true`. */
  readonly experimental?: true;
  /** Sees the settings as a whole. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the settings are those of `fields`
  readonly check?: (value: any, at: At, reading: Reading) => void;
};

/** The kinds of one category by their names. */
export type KindTable = Readonly<Record<string, Kind>>;

/** All kinds by category; plug-ins add theirs. */
export type Kinds = Readonly<Record<string, KindTable>>;

/** What the file system has under a path. */
export type EntryKind = (path: string) => "file" | "folder" | "none";

/** A setting of some table, and its place. */
export type Setting = Place & { readonly field: Field<unknown> };

/** One pass over one file. */
export class Reading {
  readonly source: Source;
  readonly kinds: Kinds;
  readonly entryKind: EntryKind;
  readonly #root: Fields;
  readonly #places = new WeakMap<object, At>();
  #known: readonly Setting[] | undefined;
  #astray = false;

  constructor(source: Source, root: Fields, kinds: Kinds, entryKind: EntryKind) {
    this.source = source;
    this.kinds = kinds;
    this.entryKind = entryKind;
    this.#root = root;
  }

  /** Where a mapping that was read stands in the file; the file itself for anything else. */
  placeOf(value: object, key?: string): At {
    const at = this.#places.get(value) ?? this.source.root;
    if (key === undefined) return at;
    const entry = this.source.entries(at)?.find((one) => one.name === key);
    return entry?.at ?? missing(at, key);
  }

  /** The text of a scalar as it is written, without its quotes; undefined for anything else. */
  written(at: At): string | undefined {
    if (!isScalar(at.node) || at.node.value === null) return undefined;
    const { value, source } = at.node;
    return typeof value === "string" ? value : (source ?? JSON.stringify(value));
  }

  /** Reports that a value is not what is allowed. */
  refuse(at: At, allowed: string, hint?: string): undefined {
    const found = this.written(at) ?? at.node?.toJSON();
    const shown = typeof found === "string" && isQuoted(at) ? `"${found}"` : JSON.stringify(found);
    const value = typeof found === "string" && !isQuoted(at) ? found : (shown ?? "nothing");
    return this.source.error(at, `${shorten(value)} is not allowed here: must be ${allowed}`, hint);
  }

  /** The entries of a mapping, duplicates reported and left out. */
  entries(at: At, allowed: string): { name: string; at: At }[] | undefined {
    const entries = this.source.entries(at);
    if (!entries) return this.refuse(at, allowed);
    const seen = new Set<string>();
    return entries.filter((entry) => {
      if (!seen.has(entry.name)) return seen.add(entry.name);
      return this.source.error(
        { ...entry.at, node: entry.at.key },
        `Duplicate field '${entry.name}'`,
      );
    });
  }

  /** Reads a mapping by its fields; `others` are tables whose keys are worth a hint. */
  fields(
    at: At,
    fields: Fields,
    allowed: string,
    others: Readonly<Record<string, Fields>> = {},
  ): Record<string, unknown> | undefined {
    const entries = this.entries(at, allowed);
    if (!entries) return undefined;
    const written = new Map<string, At>();
    for (const entry of entries) {
      const name = Object.hasOwn(fields, entry.name)
        ? entry.name
        : this.#unknown(entry.name, entry.at, at, fields, others);
      if (name !== undefined && !isAbsent(entry.at)) written.set(name, entry.at);
    }
    const value: Record<string, unknown> = {};
    // What is only misspelt is not missing as well.
    const strangers = entries.filter(({ name }) => !Object.hasOwn(fields, name));
    const meant = strangers.map(({ name }) => nearest(name, Object.keys(fields)));
    for (const [name, field] of Object.entries(fields)) {
      const place = written.get(name);
      if (place) value[name] = field.type.read(place, this);
      else if (field.missing === undefined) value[name] = field.absent(this);
      else if (!this.#astray && !meant.includes(name))
        this.#missing(missing(at, name), name, field.missing);
    }
    this.#places.set(value, at);
    return value;
  }

  // A complaint that is a phrase gets the key before it; one that is a sentence stands for itself.
  #missing(at: At, name: string, complaint: string): void {
    const phrase = /^[a-z]/.test(complaint) && complaint.startsWith("must");
    this.source.error(at, phrase ? `'${name}' ${complaint}` : complaint);
  }

  /** Says what is wrong with a key; its right name when it can be read all the same. */
  #unknown(
    name: string,
    entry: At,
    at: At,
    fields: Fields,
    others: Readonly<Record<string, Fields>>,
  ): string | undefined {
    const keyAt = { ...entry, node: entry.key };
    if (name === "null" || name === "") return undefined;
    const old = oldKeys.find((one) => one.key === name && one.at.test(template(at.path)));
    if (old?.readAs !== undefined && Object.hasOwn(fields, old.readAs)) {
      this.source.warn(keyAt, `${name}: ${old.says}`, `write ${old.readAs}`);
      return old.readAs;
    }
    if (old?.ignored) {
      this.source.warn(keyAt, `ignored: ${old.says}`, "remove it");
      return undefined;
    }
    if (this.#astray) return undefined;
    const homes = old ? [] : this.#homes(name, at, others);
    const hint =
      old?.says ??
      onlyWith(name, others, at) ??
      this.#belongs(homes, at) ??
      did(nearest(name, Object.keys(fields))) ??
      this.#similar(name, at) ??
      `known here: ${Object.keys(fields).join(", ")}`;
    this.source.error(keyAt, `Unrecognized field "${name}"`, hint);
    if (homes[0]) this.#readAstray(homes[0], entry);
    return undefined;
  }

  /** All settings of the file, with their places. */
  settings(): readonly Setting[] {
    this.#known ??= [...unite([...settingsOf(this.#root, "", this)])];
    return this.#known;
  }

  #homes(name: string, at: At, others: Readonly<Record<string, Fields>>): readonly Setting[] {
    return onlyWith(name, others, at) ? [] : nearestPlaces(at.path, name, this.settings());
  }

  #belongs(homes: readonly Place[], at: At): string | undefined {
    if (homes.length === 0) return undefined;
    const names = homes.slice(0, 3).map((home) => placeName(home, at.path, this.source.raw));
    return `it belongs under ${names.join(" or ")}`;
  }

  #similar(name: string, at: At): string | undefined {
    const key = nearest(name, new Set(this.settings().map((one) => one.key)));
    const [there] = key === undefined ? [] : nearestPlaces(at.path, key, this.settings());
    return there && `did you mean ${key}, under ${placeName(there, at.path, this.source.raw)}?`;
  }

  // A value in the wrong place is read as if it stood where it belongs, for the mistakes inside it.
  #readAstray(home: Setting, entry: At): void {
    if (isAbsent(entry)) return;
    this.#astray = true;
    home.field.type.read(entry, this);
    this.#astray = false;
  }
}

function onlyWith(
  name: string,
  others: Readonly<Record<string, Fields>>,
  at: At,
): string | undefined {
  const kinds = Object.keys(others).filter((kind) => Object.hasOwn(others[kind]!, name));
  const key = /^routers\[\d+\]$/.test(at.path) ? "protocol" : "kind";
  return kinds.length === 0 ? undefined : `only with ${key} ${kinds.join(" or ")}`;
}

function* settingsOf(
  fields: Fields,
  parent: string,
  reading: Reading,
  kind?: string,
): Generator<Setting> {
  for (const [key, field] of Object.entries(fields)) {
    yield { parent, key, field, ...(kind === undefined ? {} : { kind }) };
    const path = parent === "" ? key : `${parent}.${key}`;
    for (const inside of field.type.inside?.(reading) ?? []) {
      yield* settingsOf(inside.fields, path + inside.step, reading, inside.kind);
    }
  }
}

// A setting that several kinds have is one place without a kind.
function unite(settings: readonly Setting[]): Iterable<Setting> {
  const united = new Map<string, Setting>();
  for (const setting of settings) {
    const name = `${setting.parent} ${setting.key}`;
    const { kind: _, ...anyKind } = setting;
    united.set(name, united.has(name) ? anyKind : setting);
  }
  return united.values();
}

function isQuoted({ node }: At): boolean {
  return isScalar(node) && (node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE);
}

function shorten(value: string): string {
  return value.length <= 60 ? value : `${value.slice(0, 57)}…`;
}
