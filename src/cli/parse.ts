// From the words of a command line to a command and its values, after the manner of pflag: flags may stand
// anywhere, `-n x`, `-nx`, `--name x`, `--name=x`, and `--` ends them.

import { Fault } from "../base/fault.ts";
import type { Command, Globals } from "./command.ts";
import { flagsOf, subcommand, unknownCommand, usageOf } from "./command.ts";
import type { Flag } from "./flag.ts";
import { flagName } from "./flag.ts";

export type Parsed = {
  readonly command: Command;
  /** The words that led to it: "linkerd viz stat". */
  readonly path: string;
  readonly flags: Record<string, unknown>;
  readonly globals: Globals;
  readonly args: readonly string[];
};

/** A word that names no command at the top: perhaps an extension. */
export class UnknownCommand extends Fault {
  readonly word: string;
  readonly rest: readonly string[];

  constructor(fault: Fault, word: string, rest: readonly string[]) {
    super(fault.code, fault.message);
    this.word = word;
    this.rest = rest;
  }
}

/** Reads `words` (without "linkerd"). Throws a Fault that says what is wrong and what would be right. */
export function parse(
  root: Command,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Parsed {
  let command = root;
  let path = root.name;
  const given: [flag: [key: string, flag: Flag], raw: string][] = [];
  const args: string[] = [];
  let descending = true;

  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") {
      args.push(...words.slice(i + 1));
      break;
    }
    if (word.startsWith("-") && word !== "-") {
      i = readFlags(word, words, i, command, path, given);
      continue;
    }
    const next = descending ? subcommand(command, word) : undefined;
    if (next) {
      command = next;
      path += ` ${next.name}`;
      continue;
    }
    if (descending && command.commands.length > 0 && !command.run) {
      const fault = unknownCommand(path, command, word);
      throw command === root ? new UnknownCommand(fault, word, without(words, i)) : fault;
    }
    descending = false;
    args.push(word);
  }

  const all = new Map(flagsOf(command));
  const values: Record<string, unknown> = {};
  for (const [key, { initial }] of all) values[key] = initial;
  if (env["LINKERD_NAMESPACE"]) values["linkerdNamespace"] = env["LINKERD_NAMESPACE"];
  for (const [[key, flag], raw] of given) {
    try {
      // What was read before the command was known may mean something narrower to the command.
      values[key] = (all.get(key) ?? flag).read(raw, values[key]);
    } catch (error) {
      throw new Fault("bad-input", `--${flagName(key)}: ${(error as Error).message}`);
    }
  }
  const parsed: Parsed = { command, path, flags: values, globals: values as Globals, args };
  if (!parsed.globals.help) checkArgs(parsed);
  return parsed;
}

function checkArgs({ command, path, args, globals }: Parsed): void {
  const [min, max] = command.args;
  const usage = `usage: ${usageOf(command, path)}`;
  if (command.run && args.length < min)
    throw new Fault("bad-input", `an argument is missing; ${usage}`);
  if (command.run && args.length > max) {
    throw new Fault("bad-input", `"${args[max]}" is one argument too many; ${usage}`);
  }
  if (!/^[a-zA-Z0-9-]+$/.test(globals.linkerdNamespace)) {
    throw new Fault("bad-input", `${globals.linkerdNamespace} is not a valid namespace`);
  }
}

// Reads the flag or the cluster of short flags at words[i]; returns the index of the last word it used.
function readFlags(
  word: string,
  words: readonly string[],
  i: number,
  command: Command,
  path: string,
  given: [[string, Flag], string][],
): number {
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const found = findFlag(command, (key) => flagName(key) === name);
    if (!found)
      throw new Fault("bad-input", `there is no flag --${name}; "${path} --help" lists them`);
    if (equals >= 0) given.push([found, word.slice(equals + 1)]);
    else if (!found[1].value) given.push([found, "true"]);
    else given.push([found, valueAfter(word, words, ++i)]);
    return i;
  }
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]!;
    const found = findFlag(command, (_, flag) => flag.short === letter);
    if (!found)
      throw new Fault("bad-input", `there is no flag -${letter}; "${path} --help" lists them`);
    if (!found[1].value) {
      given.push([found, "true"]);
      continue;
    }
    const rest = word.slice(at + 1).replace(/^=/, "");
    given.push([found, rest !== "" ? rest : valueAfter(`-${letter}`, words, ++i)]);
    break;
  }
  return i;
}

function valueAfter(flag: string, words: readonly string[], i: number): string {
  const value = words[i];
  if (value === undefined) throw new Fault("bad-input", `${flag} needs a value`);
  return value;
}

/** Flags of the command itself, of any command below it (so that `linkerd -n x viz stat` works), and global ones. */
function findFlag(
  command: Command,
  accept: (key: string, flag: Flag) => boolean,
): [key: string, flag: Flag] | undefined {
  const hit = flagsOf(command).find(([key, flag]) => accept(key, flag));
  if (hit) return hit;
  for (const child of command.commands) {
    const below = findFlag(child, accept);
    if (below) return below;
  }
  return undefined;
}

function without(words: readonly string[], at: number): string[] {
  return [...words.slice(0, at), ...words.slice(at + 1)];
}
