// Flags as values: what a flag is called follows from its key in a command's table, what it may hold from its
// type. Parsing, help and completion read the same rows.

import { Fault } from "../base/fault.ts";
import { parseDuration } from "./format.ts";

export type Flag<T = unknown> = {
  /** The value when it is not given. */
  readonly initial: T;
  readonly help: string;
  readonly short?: string;
  /** What stands for its value in help ("NAME"); absent for a switch, which takes none. */
  readonly value?: string;
  /** Reads what was given; `before` is the value so far, for flags that may be repeated. */
  readonly read: (raw: string, before: T) => T;
  readonly choices?: readonly string[];
  /** What a shell offers for its value, where that is not one of its choices. */
  readonly offers?: Offers;
  readonly hidden?: boolean;
};

/** What a shell may offer: files, contexts of the kubeconfig, a resource ("deploy/web"), names of one kind, or words. */
export type Offers =
  | "file"
  | "context"
  | "resource"
  | "namespace"
  | "pod"
  | "service"
  | readonly string[];

export type Flags = Readonly<Record<string, Flag<any>>>;

/** The parsed values of a table of flags. */
export type Values<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

type Options = Partial<Pick<Flag, "short" | "hidden" | "offers">>;

/** `--name`, `--name=false`. */
export function toggle(help: string, options: Options & { initial?: boolean } = {}): Flag<boolean> {
  const { initial = false, ...rest } = options;
  return { initial, help, ...rest, read: readBoolean };
}

/** `--name VALUE`; undefined unless given. */
export function optional(
  value: string,
  help: string,
  options: Options = {},
): Flag<string | undefined> {
  return { initial: undefined, help, value, ...options, read: (raw) => raw };
}

/** `--name VALUE` with a default. */
export function text(
  value: string,
  initial: string,
  help: string,
  options: Options = {},
): Flag<string> {
  return { initial, help, value, ...options, read: (raw) => raw };
}

/** `--name VALUE`, as often as wanted; commas separate values too. */
export function list(value: string, help: string, options: Options = {}): Flag<readonly string[]> {
  return {
    initial: [],
    help,
    value,
    ...options,
    read: (raw, before) => [...before, ...raw.split(",").filter(Boolean)],
  };
}

/** `--name VALUE`, as often as wanted; a comma is part of the value. */
export function repeated(
  value: string,
  help: string,
  options: Options = {},
): Flag<readonly string[]> {
  return { initial: [], help, value, ...options, read: (raw, before) => [...before, raw] };
}

/** `--name N`. */
export function count(
  value: string,
  initial: number,
  help: string,
  options: Options = {},
): Flag<number> {
  return { initial, help, value, ...options, read: readNumber };
}

/** `--name 1m30s`; the value is in milliseconds. */
export function duration(initial: string, help: string, options: Options = {}): Flag<number> {
  return { initial: parseDuration(initial), help, value: "TIME", ...options, read: parseDuration };
}

/** `--name CHOICE`, one of few; the first is the default. */
export function oneOf<const T extends readonly [string, ...string[]]>(
  choices: T,
  help: string,
  options: Options = {},
): Flag<T[number]> {
  const read = (raw: string): T[number] => {
    if (choices.includes(raw)) return raw;
    throw new Fault("bad-input", `"${raw}" is not one of ${choices.join(", ")}`);
  };
  return { initial: choices[0], help, value: choices.join("|"), choices, ...options, read };
}

/** `allNamespaces` → `all-namespaces`; a name that ends in capitals stays, as Linkerd's `prometheusURL` is spelt. */
export function flagName(key: string): string {
  return /[A-Z]{2}$/.test(key)
    ? key
    : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function readBoolean(raw: string): boolean {
  if (/^(true|1|yes)$/i.test(raw)) return true;
  if (/^(false|0|no)$/i.test(raw)) return false;
  throw new Fault("bad-input", `"${raw}" is neither true nor false`);
}

function readNumber(raw: string): number {
  const value = Number(raw);
  if (raw.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw new Fault("bad-input", `"${raw}" is not a number`);
}
