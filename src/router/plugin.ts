// Plug-ins: modules that a file names under `plugins:` and that add kinds of their own beside the built-in ones. A
// module exports `plugin`, which says for each kind what settings it takes and what it makes of them; the settings are
// checked, defaulted and documented exactly as the built-in ones are.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { constant, source, Var } from "../base/watch.ts";
import type { HttpReq } from "../io/message.ts";
import { address, boundAddr } from "../name/addr.ts";
import { bindName, lookupIn, type Mount, type Namer } from "../name/bind.ts";
import { interpreter, type Interpreter } from "../name/interpreter.ts";
import { empty, leaf, neg } from "../name/nametree.ts";
import { parsePath, type Path, printPath } from "../name/path.ts";
import type { Accrual } from "../stack/breaker.ts";
import type { Chooser } from "../stack/chooser.ts";
import type { HttpFilter } from "../stack/types.ts";
import type { Classifier } from "./classifiers.ts";
import type { Telemeter } from "./telemeter.ts";
import { isUnserved } from "./yamlinert.ts";
import { builtinKinds } from "./yamlkinds.ts";
import type { Kinds } from "./yamlreading.ts";
import { bool, int, number, path, text } from "./yamlscalars.ts";
import { list, optional, preset, required, type Fields, type Values } from "./yamltypes.ts";

/** What a plug-in gets beside its settings. */
export type PluginContext = {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

/** What each category's kinds are made into. */
export type PluginParts = {
  /** Answers what stands below its prefix; the ids of bound names carry it. */
  readonly namer: Namer;
  /** Binds names, mostly with the mounted namers of the file. */
  readonly interpreter: (mounts: readonly Mount[]) => Interpreter;
  /** The segments below the router's prefix, or why there are none. */
  readonly httpIdentifier: (req: HttpReq) => Path | string;
  readonly h2Identifier: (req: HttpReq) => Path | string;
  readonly httpClassifier: Classifier;
  readonly h2Classifier: Classifier;
  readonly loadBalancer: Chooser;
  readonly failureAccrual: Omit<Accrual, "backoff"> & Partial<Pick<Accrual, "backoff">>;
  readonly telemeter: Telemeter;
  /** A filter around everything that a router does, in the order of the router's `filters`. */
  readonly filter: HttpFilter;
};

export type PluginCategory = keyof PluginParts;

const CATEGORIES: Readonly<Record<PluginCategory, true>> = {
  namer: true,
  interpreter: true,
  httpIdentifier: true,
  h2Identifier: true,
  httpClassifier: true,
  h2Classifier: true,
  loadBalancer: true,
  failureAccrual: true,
  telemeter: true,
  filter: true,
};

/** One kind: a sentence, its settings, and what makes the part. */
export type PluginKind<C extends PluginCategory, F extends Fields = Fields> = {
  readonly doc: string;
  readonly fields?: F;
  readonly bind: (
    settings: Values<F> & { readonly kind: string } & SettingsOf<C>,
    context: PluginContext,
  ) => PluginParts[C];
};

/** What the file says of every part of a category: a namer has its whole prefix, `/#/<kind>` unless it is set. */
type SettingsOf<C extends PluginCategory> = C extends "namer" ? { readonly prefix: Path } : unknown;

/** What a module exports as `plugin`: kinds by category. */
export type Plugin = {
  readonly [C in PluginCategory]?: Readonly<Record<string, PluginKind<C, any>>>;
};

/** A kind whose settings are typed by its `fields`. */
function kind<C extends PluginCategory, F extends Fields>(
  _category: C,
  one: PluginKind<C, F>,
): PluginKind<C, F> {
  return one;
}

/** What plug-ins are made with; handed in, so that a module needs no import but of types. */
export const toolkit = {
  kind,
  setting: { text, bool, int, number, path, list, optional, preset, required },
  watch: { constant, source, Var: Var as new <T>(...initial: [] | [T]) => Var<T> },
  name: { leaf, neg, empty, address, boundAddr, parsePath, printPath },
  binding: { bindName, lookupIn, interpreter },
  Fault,
} as const;
export type Toolkit = typeof toolkit;

/** The plug-ins of a file. */
export type Plugins = {
  readonly parts: Readonly<
    Partial<Record<PluginCategory, Readonly<Record<string, PluginKind<PluginCategory>>>>>
  >;
  readonly context: PluginContext;
};

/** Loads the modules that a file names, relative to `folder`. Throws `bad-input` naming the one that is wrong. */
export async function loadPlugins(
  modules: readonly string[],
  folder: string,
  context: PluginContext,
): Promise<Plugins> {
  const parts: Record<string, Record<string, PluginKind<PluginCategory>>> = {};
  for (const module of modules) {
    const wrong = (why: string, cause?: unknown): Fault =>
      new Fault("bad-input", `plug-in ${module}: ${why}`, { cause });
    const plugin = await loadPlugin(pathToFileURL(resolve(folder, module)).href, wrong);
    for (const [category, kinds] of Object.entries(plugin)) {
      if (!Object.hasOwn(CATEGORIES, category)) {
        throw wrong(
          `there is no category ${category}: one of ${Object.keys(CATEGORIES).join(", ")}`,
        );
      }
      const all = (parts[category] ??= {});
      for (const [kind, one] of Object.entries(kinds)) {
        const complaint = Object.hasOwn(all, kind)
          ? "is there already"
          : wrongKind(category, kind, one);
        if (complaint !== undefined) throw wrong(`${category} ${kind} ${complaint}`);
        all[kind] = one;
      }
    }
  }
  return { parts, context };
}

/** The kinds of plug-ins, as the reader of files wants them. */
export function pluginKinds({ parts }: Plugins): Kinds {
  return Object.fromEntries(
    Object.entries(parts).map(([category, kinds]) => [
      category,
      Object.fromEntries(
        Object.entries(kinds).map(([kind, { doc, fields = {} }]) => [kind, { doc, fields }]),
      ),
    ]),
  );
}

/** The part that a plug-in makes of settings. Throws `bad-input` when no plug-in has the kind. */
export function bindPlugin<C extends PluginCategory>(
  { parts, context }: Plugins,
  category: C,
  settings: { readonly kind: string } & SettingsOf<C>,
): PluginParts[C] {
  const kind = parts[category]?.[settings.kind];
  if (kind === undefined)
    throw new Fault("bad-input", `nothing provides the kind ${settings.kind}`);
  return kind.bind(settings as never, context) as PluginParts[C];
}

async function loadPlugin(
  file: string,
  wrong: (why: string, cause?: unknown) => Fault,
): Promise<Plugin> {
  let plugin: unknown;
  try {
    ({ plugin } = (await import(file)) as { plugin?: unknown });
    if (typeof plugin === "function") return (plugin as (kit: Toolkit) => Plugin)(toolkit);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error), error);
  }
  throw wrong("it must export a function `plugin` that takes the toolkit and returns kinds");
}

function wrongKind(
  category: string,
  kind: string,
  { bind }: PluginKind<PluginCategory>,
): string | undefined {
  if (typeof bind !== "function") return "has no function `bind`";
  const isTaken = builtinKinds[category]?.[kind] !== undefined && !isUnserved(category, kind);
  return isTaken ? "is built in: give it another name" : undefined;
}
