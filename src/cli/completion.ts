// Shell completion. The scripts are a few lines for each shell: they ask `linkerd __complete WORDS…` what may
// stand next, which follows from the command table and, for names of resources, from the running mesh.

import { Fault } from "../base/fault.ts";
import { KINDS, kindOf } from "../viz/kinds.ts";
import type { Command } from "./command.ts";
import { command, flagsOf, subcommand } from "./command.ts";
import type { Flag } from "./flag.ts";
import { flagName } from "./flag.ts";

const SCRIPTS = {
  bash: `_linkerd() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(\${COMP_WORDS[0]} __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _linkerd linkerd
`,
  zsh: `#compdef linkerd
_linkerd() {
  local -a found
  found=(\${(f)"$(\${words[1]} __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _linkerd linkerd
`,
  fish: `function __linkerd_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c linkerd -f -a '(__linkerd_complete)'
`,
} as const;

export const completion: Command = command({
  name: "completion",
  summary: "Print a completion script for a shell",
  usage: "bash|zsh|fish",
  args: [1, 1],
  offers: Object.keys(SCRIPTS),
  examples: [
    ["Complete in this bash", "completion bash > linkerd.sh && source linkerd.sh"],
    ["For every zsh", 'completion zsh > "${fpath[1]}/_linkerd"'],
    ["For every fish", "completion fish > ~/.config/fish/completions/linkerd.fish"],
  ],
  run: async ({ args: [shell], terminal }) => {
    const script = SCRIPTS[shell as keyof typeof SCRIPTS] as string | undefined;
    if (script === undefined)
      throw new Fault("bad-input", `"${shell}" is no shell with completion: use bash, zsh or fish`);
    terminal.print(script);
  },
});

/** What a mesh can name: its namespaces, and its resources of a kind. */
export type Names = {
  readonly namespaces: () => Promise<readonly string[]>;
  readonly resources: (kind: string) => Promise<readonly string[]>;
};

/** What may stand in the place of the last of `words`, given those before it. */
export async function complete(
  root: Command,
  words: readonly string[],
  names: Names,
): Promise<string[]> {
  const last = words.at(-1) ?? "";
  let at = root;
  const args: string[] = [];
  let pending: Flag | undefined;
  for (const word of words.slice(0, -1)) {
    if (pending) {
      pending = undefined;
    } else if (word.startsWith("-")) {
      const flag = findFlag(at, word);
      if (flag?.value && !word.includes("=")) pending = flag;
    } else {
      const next = args.length === 0 ? subcommand(at, word) : undefined;
      if (next) at = next;
      else args.push(word);
    }
  }
  const found = pending ? await flagValues(pending, names) : await wordsAt(at, args, last, names);
  return [...new Set(found)].filter((word) => word.startsWith(last)).sort();
}

async function wordsAt(
  at: Command,
  args: string[],
  last: string,
  names: Names,
): Promise<readonly string[]> {
  if (last.startsWith("-")) {
    return flagsOf(at)
      .filter(([, flag]) => !flag.hidden)
      .map(([key]) => `--${flagName(key)}`);
  }
  const commands = at.commands.filter((c) => !c.hidden && !c.deprecated).map((c) => c.name);
  if (args.length === 0 && commands.length > 0) return commands;
  if (Array.isArray(at.offers)) return at.offers;
  if (at.offers === "namespace") return names.namespaces();
  return at.offers === "resource" ? resources(args, last, names) : [];
}

async function resources(
  args: readonly string[],
  last: string,
  names: Names,
): Promise<readonly string[]> {
  const slash = last.indexOf("/");
  if (slash >= 0) {
    const type = last.slice(0, slash);
    const kind = kindOf(type);
    return kind ? (await names.resources(kind.name)).map((name) => `${type}/${name}`) : [];
  }
  const kind = args[0] === undefined ? undefined : kindOf(args[0]);
  if (kind) return names.resources(kind.name);
  return KINDS.filter((k) => k.role !== "config").map((k) => k.short);
}

async function flagValues(flag: Flag, names: Names): Promise<readonly string[]> {
  if (flag.choices) return flag.choices;
  if (flag.offers === "namespace") return names.namespaces();
  return flag.offers === "resource" ? resources([], "", names) : [];
}

function findFlag(at: Command, word: string): Flag | undefined {
  const bare = word.split("=")[0]!;
  return flagsOf(at).find(
    ([key, flag]) => bare === `--${flagName(key)}` || bare === `-${flag.short}`,
  )?.[1];
}
