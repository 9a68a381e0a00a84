// The command line as a function from words to an exit code: finds the command, shows help, completes words,
// hands unknown verbs to `linkerd-X` extensions, and turns faults into one sentence on standard error.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { Command } from "./command.ts";
import { complete } from "./completion.ts";
import { findExtensions, runExtension } from "./extensions.ts";
import { root } from "./root.ts";
import { printHelp } from "./help.ts";
import { namesOf } from "./mesh.ts";
import { parse, type Parsed, UnknownCommand } from "./parse.ts";
import { palette, type Terminal } from "./terminal.ts";

/** Runs `linkerd WORDS…`. Resolves to the exit code: 0 for success, 1 for any failure. */
export async function cli(
  words: readonly string[],
  terminal: Terminal,
  tree: Command = root,
): Promise<number> {
  try {
    const [first, ...rest] = words;
    if (first === "__complete") return await printCompletions(words, terminal, tree);
    return await run(first === "help" ? [...rest, "--help"] : words, terminal, tree);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { red } = palette(terminal.liveNotes && !terminal.env["NO_COLOR"]);
    terminal.note(`${red("Error:")} ${error.message}`);
    return 1;
  } finally {
    await terminal.scope.close();
  }
}

async function run(words: readonly string[], terminal: Terminal, tree: Command): Promise<number> {
  try {
    const { command, path, flags, globals, args } = parse(tree, words, terminal.env);
    if (globals.help || !command.run) {
      terminal.print(printHelp(command, path, terminal.colour));
      return 0;
    }
    if (command.deprecated) {
      terminal.note(`Command "${command.name}" is deprecated, use instead '${command.deprecated}'`);
    }
    if (globals.verbose) log.filter = "warn,linkerd=debug";
    return (await command.run({ flags, globals, args, terminal })) ?? 0;
  } catch (error) {
    if (!(error instanceof UnknownCommand)) throw error;
    const program = findExtensions(terminal.env).get(error.word);
    if (program === undefined) throw error;
    return runExtension(program, error.rest, terminal);
  }
}

async function printCompletions(
  words: readonly string[],
  terminal: Terminal,
  tree: Command,
): Promise<number> {
  const typed = words.slice(words[1] === "--" ? 2 : 1);
  const { flags, globals } = readSoFar(typed, tree, terminal.env);
  const names = namesOf(flags["namespace"] as string | undefined, globals, terminal.env);
  // Whatever is wrong, a shell wants words and no complaint.
  const found = await complete(tree, typed, names).catch(() => []);
  for (const word of found) terminal.print(`${word}\n`);
  return 0;
}

// What words say that need not be complete.
function readSoFar(typed: readonly string[], tree: Command, env: NodeJS.ProcessEnv): Parsed {
  try {
    return parse(tree, [...typed.slice(0, -1), "--help"], env);
  } catch {
    return parse(tree, ["--help"], env);
  }
}
