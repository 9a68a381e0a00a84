// Policies of services and clients: one for all (`io.l5d.global`), or several by prefix (`io.l5d.static`).
// A later entry that matches overrides an earlier one setting by setting; what none of them sets has its default.

import type { Captures } from "../name/matcher.ts";
import type { Path } from "../name/path.ts";
import { kinds } from "./yamlchoice.ts";
import type { KindTable, Reading } from "./yamlreading.ts";
import { pattern, type Pattern } from "./yamlscalars.ts";
import type { At } from "./yamlsource.ts";
import {
  defaults,
  type Field,
  type Fields,
  list,
  optional,
  partial,
  required,
  table,
  type TableType,
  type Values,
} from "./yamltypes.ts";

/** What is written for the names under one prefix. */
export type PolicyEntry<V> = { readonly prefix: Pattern } & {
  readonly [K in keyof V]: V[K] | undefined;
};

/** The settings of a router's services or clients. */
export type Policy<V> =
  | ({ readonly kind: "io.l5d.global" } & V)
  | {
      readonly kind: "io.l5d.static";
      readonly configs: readonly PolicyEntry<V>[];
      /** What holds where no entry says anything. */
      readonly defaults: V;
    };

/** The two kinds of a policy with these settings. */
export function policyKinds(fields: Fields, names: string): KindTable {
  const entry = table({ prefix: required(pattern, `prefix of the ${names}`), ...open(fields) });
  return {
    "io.l5d.global": { doc: `one policy for all ${names}`, fields },
    "io.l5d.static": {
      doc: `policies by prefix of the ${names}; later ones override`,
      fields: { configs: required(list(entry), "the entries") },
      check: (value: { defaults?: unknown }, _at: At, reading: Reading) => {
        value.defaults = defaults(fields, reading);
      },
    },
  };
}

/** The setting that holds such a policy; without it all defaults hold. */
export function policy<F extends Fields>(
  category: string,
  fields: F,
  doc: string,
): Field<Policy<Values<F>>> {
  return {
    type: kinds<Policy<Values<F>>>(category, {}, { fallback: "io.l5d.global" }),
    doc,
    absent: (reading) => ({ kind: "io.l5d.global", ...defaults(fields, reading) }),
  };
}

/** The settings for one name, and what the prefixes that match captured of it. */
export function policyFor<V extends object>(
  config: Policy<V>,
  name: Path,
): { settings: V; captures: Captures } {
  if (config.kind === "io.l5d.global") return { settings: config, captures: {} };
  let settings: V = config.defaults;
  let captures: Captures = {};
  for (const { prefix, ...entry } of config.configs) {
    const match = prefix.match(name);
    if (!match) continue;
    settings = override(settings, entry);
    captures = { ...captures, ...match };
  }
  return { settings, captures };
}

// Tables whose settings are overridden one by one, as if they stood a level higher.
const joined = new Set(["retries"]);

function open(fields: Fields): Fields {
  const opened = Object.entries(partial(fields)).map(([name, field]) => [
    name,
    joined.has(name)
      ? optional(table(partial((field.type as TableType<Fields>).fields)), field.doc)
      : field,
  ]);
  return Object.fromEntries(opened) as Fields;
}

function override<V extends object>(base: V, over: object): V {
  const result = { ...base } as Record<string, unknown>;
  for (const [name, value] of Object.entries(over)) {
    if (value === undefined) continue;
    result[name] = joined.has(name) ? override(result[name] as object, value as object) : value;
  }
  return result as V;
}
