// Shell completion. The scripts are a few lines for each shell: they ask `linkerd __complete WORDS…` what may
// stand next, which follows from the command table and, for names of resources, from the running mesh.

import { Fault } from "../base/fault.ts";
import { KINDS, kindOf } from "../viz/kinds.ts";
import type { Command } from "./command.ts";
import { command, flagsOf, subcommand } from "./command.ts";
import type { Flag, Offers } from "./flag.ts";
import { flagName } from "./flag.ts";

// Bash has taken "--name=value" apart, and replaces what follows the sign only.
const SCRIPTS = {
  bash: `_linkerd() {
  local words word line="\${COMP_LINE:0:COMP_POINT}"
  read -ra words <<< "$line"
  [[ $line == *" " ]] && words+=("")
  word="\${words[\${#words[@]}-1]}"
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)" -- "$word"))
  [[ $word == --*=* && $COMP_WORDBREAKS == *=* ]] && COMPREPLY=("\${COMPREPLY[@]#*=}")
  return 0
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
  set -l found ($words[1] __complete -- $words[2..-1] 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path $words[-1]
  end
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

/** What can be named: contexts of the kubeconfig, and what the mesh has of a kind. */
export type Names = {
  readonly contexts: () => readonly string[];
  readonly resources: (kind: string) => Promise<readonly string[]>;
};

/** What may stand in the place of the last of `words`, given those before it. */
export async function complete(
  root: Command,
  words: readonly string[],
  names: Names,
): Promise<string[]> {
  const { at, args, pending } = meant(root, words.slice(0, -1));
  const last = words.at(-1) ?? "";
  const [, assigned, value] = /^(--[\w-]+=)(.*)$/.exec(last) ?? [];
  const flag = assigned === undefined ? pending : findFlag(at, assigned);
  const typed = value ?? last;
  const found = flag
    ? await offered(flag.choices ?? flag.offers, [], typed, names)
    : await wordsAt(at, args, typed, names);
  return [...new Set(found)]
    .filter((word) => word.startsWith(typed))
    .sort()
    .map((word) => (assigned ?? "") + word);
}

// The command that words lead to, its arguments so far, and the flag whose value is next.
function meant(root: Command, words: readonly string[]) {
  let at = root;
  let pending: Flag | undefined;
  const args: string[] = [];
  for (const [i, word] of words.entries()) {
    if (i === 0 && word === "help") continue;
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
  return { at, args, pending };
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
  const commands = at.commands.filter((c) => !c.deprecated).map((c) => c.name);
  if (args.length === 0 && commands.length > 0) return commands;
  return offered(at.offers, args, last, names);
}

async function offered(
  offers: Offers | undefined,
  args: readonly string[],
  last: string,
  names: Names,
): Promise<readonly string[]> {
  // Files are the shell's to find.
  if (offers === undefined || offers === "file") return [];
  if (typeof offers !== "string") return offers;
  if (offers === "context") return names.contexts();
  return offers === "resource" ? resources(args, last, names) : names.resources(offers);
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

function findFlag(at: Command, word: string): Flag | undefined {
  const bare = word.split("=")[0]!;
  return flagsOf(at).find(
    ([key, flag]) => bare === `--${flagName(key)}` || bare === `-${flag.short}`,
  )?.[1];
}
