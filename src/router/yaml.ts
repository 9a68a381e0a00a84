// Reads a linkerd.yaml: from text to a typed value with all defaults, and everything that is wrong or odd about it.
// Applies nothing and listens to nothing; what runs from the value is made in router.ts.

import { statSync } from "node:fs";
import { checkRouterConfig } from "./yamlchecks.ts";
import { warnOfInert } from "./yamlinert.ts";
import { builtinKinds, joinKinds } from "./yamlkinds.ts";
import { type EntryKind, type Kinds, Reading } from "./yamlreading.ts";
import { file as settings, type RouterConfig } from "./yamlrouter.ts";
import { type Diagnostic, isAbsent, Source } from "./yamlsource.ts";
import { table } from "./yamltypes.ts";

/** What came of a file. `config` is absent when there is an error among the remarks. */
export type ReadConfig = {
  readonly config: RouterConfig | undefined;
  /** In the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
  /** The file as it is written, for `/config.json`. */
  readonly raw: unknown;
};

export type ReadOptions = {
  /** Kinds of plug-ins by category, beside the built-in ones. */
  readonly kinds?: Kinds;
  /** What the file system has under a path; the machine's otherwise. */
  readonly entryKind?: EntryKind;
  /** Also warns of what is right and does nothing in this build. Default false. */
  readonly warnsOfInert?: boolean;
};

/** Reads a configuration, YAML or JSON, of which `file` is the name in remarks. */
export function readRouterConfig(
  text: string,
  file: string,
  { kinds = {}, entryKind = entryOnDisk, warnsOfInert = false }: ReadOptions = {},
): ReadConfig {
  const source = new Source(file, text);
  const reading = new Reading(source, settings, joinKinds(builtinKinds, kinds), entryKind);
  let config: RouterConfig | undefined;
  const keys = source.entries(source.root)?.map(({ name }) => name) ?? [];
  if (source.failed) {
    // Of what is no YAML, nobody knows where things belong.
  } else if (isAbsent(source.root)) {
    source.error(source.root, "No content to map due to end-of-input");
  } else if (keys.includes("apiVersion") && keys.includes("kind")) {
    const hint = "the file of a router is the text under its data, such as config.yaml there";
    source.error(source.root, "this is a manifest of Kubernetes", hint);
  } else config = table(settings).read(source.root, reading);
  if (config) checkRouterConfig(config, reading);
  if (warnsOfInert) warnOfInert(reading);
  const diagnostics = source.diagnostics.toSorted((a, b) => a.line - b.line || a.column - b.column);
  return { config: source.failed ? undefined : config, diagnostics, raw: source.raw };
}

/** One line of the reference: a setting's place (`routers[].client.tls`), the kind that has it, what it takes, what it does. */
export type SettingDoc = {
  readonly path: string;
  readonly kind?: string;
  readonly allowed: string;
  readonly doc: string;
  readonly required: boolean;
};

/** Every setting there is, in the order of the tables. */
export function settingsReference(kinds: Kinds = {}): SettingDoc[] {
  const all = joinKinds(builtinKinds, kinds);
  const reading = new Reading(new Source("", ""), settings, all, () => "none");
  return reading.settings().map(({ parent, key, field, kind }) => ({
    path: parent === "" ? key : `${parent}.${key}`,
    ...(kind === undefined ? {} : { kind }),
    allowed: field.type.allowed,
    doc: field.doc,
    required: field.missing !== undefined,
  }));
}

function entryOnDisk(path: string): "file" | "folder" | "none" {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "none" : stats.isDirectory() ? "folder" : "file";
}
