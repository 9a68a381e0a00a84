// The help of a command, from its row: what it does, how it is used, examples, subcommands and flags.

import type { Command } from "./command.ts";
import { GLOBAL_FLAGS, usageOf } from "./command.ts";
import type { Flag, Flags } from "./flag.ts";
import { flagName } from "./flag.ts";
import { printDuration } from "./format.ts";
import type { Palette } from "./terminal.ts";

/** The help page of `command`, which `path` ("linkerd viz stat") names. */
export function printHelp(command: Command, path: string, colour: Palette): string {
  const program = path.split(" ")[0]!;
  const heading = (title: string): string => `\n${colour.bold(title)}\n`;
  const shown = command.commands.filter((c) => !c.deprecated);
  let out = `${command.summary}.\n`;
  if (command.details) out += `\n${command.details}\n`;
  out += heading("Usage:");
  if (command.run || command.usage) out += `  ${usageOf(command, path)}\n`;
  if (shown.length > 0) out += `  ${path} [command]\n`;
  if (command.aliases.length > 0) {
    out += heading("Aliases:") + `  ${[command.name, ...command.aliases].join(", ")}\n`;
  }
  if (command.examples.length > 0) {
    const lines = command.examples.map(([remark, line]) => `  # ${remark}\n  ${program} ${line}\n`);
    out += heading("Examples:") + lines.join("\n");
  }
  if (shown.length > 0) {
    out += heading("Commands:") + columns(shown.map((c) => [c.name, c.summary]));
  }
  const own = flagRows(command.flags);
  if (own.length > 0) out += heading("Flags:") + columns(own);
  out += heading("Global flags:") + columns(flagRows(GLOBAL_FLAGS));
  if (shown.length > 0) out += `\n"${path} [command] --help" says more about a command.\n`;
  return out;
}

function flagRows(flags: Flags): [string, string][] {
  return Object.entries(flags)
    .filter(([, flag]) => !flag.hidden)
    .map(([key, flag]) => {
      const short = flag.short ? `-${flag.short}, ` : "    ";
      const value = flag.value ? ` ${flag.value}` : "";
      return [`${short}--${flagName(key)}${value}`, flag.help + initial(flag)];
    });
}

function initial(flag: Flag): string {
  const { initial: value, value: takes } = flag;
  const isNothing = [undefined, false, ""].includes(value as string) || Array.isArray(value);
  if (isNothing) return "";
  return ` (default ${takes === "TIME" ? printDuration(value as number) : String(value)})`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}   ${text}\n`).join("");
}
