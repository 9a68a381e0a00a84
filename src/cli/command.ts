// A command is a row of a table: its words, flags, examples and what it runs. Parsing, help, completion and
// suggestions all follow from the row.

import { Fault } from "../base/fault.ts";
import type { Flag, Flags, Offers, Values } from "./flag.ts";
import { list, optional, text, toggle } from "./flag.ts";
import type { Terminal } from "./terminal.ts";

/** The flags that every command takes. */
export const GLOBAL_FLAGS = {
  linkerdNamespace: text("NAME", "linkerd", "Namespace of the control plane [$LINKERD_NAMESPACE]", {
    short: "L",
  }),
  cniNamespace: text("NAME", "linkerd-cni", "Namespace of the CNI plugin"),
  vizNamespace: optional(
    "NAME",
    "Namespace of the viz extension (found by its label unless given)",
  ),
  kubeconfig: optional("FILE", "Path of the kubeconfig file", { offers: "file" }),
  context: optional("NAME", "Context of the kubeconfig to use", { offers: "context" }),
  as: optional("USER", "User to impersonate on the cluster"),
  asGroup: list("GROUP", "Group to impersonate; may be repeated"),
  apiAddr: optional("HOST:PORT", "Address of the API of viz, instead of finding it"),
  stateDir: optional("DIR", "State folder of the local mesh [$LINKERD_STATE_DIR]", {
    offers: "file",
  }),
  verbose: toggle("Say on standard error what is asked, and of whom"),
  help: toggle("Show help for the command", { short: "h" }),
};

export type Globals = Values<typeof GLOBAL_FLAGS>;

/** What a command gets to run with. */
export type Call<F extends Flags = Flags> = {
  readonly flags: Values<F>;
  readonly args: readonly string[];
  readonly globals: Globals;
  readonly terminal: Terminal;
};

/** Resolves to the exit code; 0 when it says nothing. */
export type Run<F extends Flags> = (call: Call<F>) => Promise<number | void>;

export type Command = {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  /** What stands after the flags in its usage line ("RESOURCE"). */
  readonly usage: string;
  readonly details: string;
  /** Pairs of a remark and a command line without `linkerd`. */
  readonly examples: readonly (readonly [remark: string, line: string])[];
  readonly flags: Flags;
  readonly commands: readonly Command[];
  readonly run: Run<any> | undefined;
  /** Fewest and most arguments. */
  readonly args: readonly [min: number, max: number];
  /** What a shell offers for its arguments. */
  readonly offers: Offers | undefined;
  /** What to type in its place, for a deprecated command. */
  readonly deprecated: string | undefined;
};

type Row<F extends Flags> = Partial<Omit<Command, "flags" | "run">> & {
  readonly name: string;
  readonly summary: string;
  readonly flags?: F;
  readonly run?: Run<F>;
};

/** Completes a row with defaults; a command with subcommands and no `run` shows its help. */
export function command<F extends Flags = Record<never, never>>(row: Row<F>): Command {
  return {
    aliases: [],
    usage: "",
    details: "",
    examples: [],
    commands: [],
    args: [0, 0],
    offers: undefined,
    deprecated: undefined,
    ...row,
    flags: row.flags ?? {},
    run: row.run,
  };
}

/** The line that tells how a command is used; `path` are the words that lead to it. */
export function usageOf({ usage }: Command, path: string): string {
  return `${path} [flags] ${usage}`.trimEnd();
}

/** All flags that a command takes, by their keys: its own, and the global ones. */
export function flagsOf(command: Command): [key: string, flag: Flag][] {
  return Object.entries<Flag<any>>({ ...GLOBAL_FLAGS, ...command.flags });
}

/** The command that `word` names below `parent`. */
export function subcommand(parent: Command, word: string): Command | undefined {
  return parent.commands.find((c) => c.name === word || c.aliases.includes(word));
}

/** The commands nearest to a mistyped word, best first; of one that moved, where it is now. */
export function suggestions(parent: Command, word: string): string[] {
  return (
    parent.commands
      .map((c) => ({
        name: c.deprecated?.replace("linkerd ", "") ?? c.name,
        distance: c.name.startsWith(word) ? 0 : editDistance(c.name, word),
      }))
      // Of a short word, two letters are most of it.
      .filter(({ distance }) => distance <= Math.min(2, word.length / 2))
      .sort((a, b) => a.distance - b.distance)
      .map(({ name }) => name)
  );
}

/** The fault for a word that no command has. */
export function unknownCommand(path: string, parent: Command, word: string): Fault {
  const near = suggestions(parent, word);
  const hint = near.length > 0 ? ` Did you mean ${near.map((n) => `"${n}"`).join(" or ")}?` : "";
  return new Fault(
    "bad-input",
    `there is no command "${word}" in "${path}".${hint} "${path} --help" lists them`,
  );
}

// Levenshtein's, row by row: O(a·b) for two short words.
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
