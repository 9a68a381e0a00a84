// What `linkerd check` has from extensions: each that the cluster has, or that wants to always, checks itself as a program
// of its own (extensions.ts) and answers as `linkerd check -o json` does.

import { execFile } from "node:child_process";
import { basename } from "node:path";
import type { Result } from "./check.ts";
import type { Globals } from "./command.ts";
import { findExtensions, PREFIX } from "./extensions.ts";
import { flagName } from "./flag.ts";
import { printDuration } from "./format.ts";
import type { Terminal } from "./terminal.ts";

const METADATA = "_extension-metadata";
const METADATA_MS = 5000;
const MOST_BYTES = 64 << 20;

/** The flags of `check` that extensions get too. */
export type ExtensionFlags = {
  readonly namespace: string | undefined;
  readonly proxy: boolean;
  readonly wait: number;
};

/** What the checks of extensions find, one program after the other: those that `installed` names, and those whose
 * metadata say "always". What is installed and has no program is a warning, what answers with no results an error. */
export async function* checkExtensions(
  installed: readonly string[],
  args: readonly string[],
  hintBase: string,
  { env, scope }: Pick<Terminal, "env" | "scope">,
): AsyncGenerator<Result> {
  const programs = findExtensions(env);
  const killed = new AbortController();
  scope.defer(() => killed.abort());
  const always = await Promise.all(
    [...programs].map(async ([name, path]) => ((await wantsAlways(path)) ? [name] : [])),
  );
  const hint = `${hintBase}extensions`;
  for (const name of [...new Set([...installed, ...always.flat()])].sort()) {
    const category = PREFIX + name;
    const path = programs.get(name);
    const row = { category, hint, description: `Running: ${[path, ...args].join(" ")}` };
    if (path === undefined)
      yield {
        ...row,
        description: `Linkerd extension command ${category} exists`,
        error: `the cluster has this extension, but there is no program ${category} in PATH`,
        result: "warning",
      };
    else {
      const { stdout, stderr } = await output(path, args, { signal: killed.signal });
      const results = parseResults(stdout);
      yield* results ?? [{ ...row, error: stderr.trim() || noResults(stdout), result: "error" }];
    }
  }
}

/** The words with which an extension checks itself as `linkerd check` was asked to. */
export function checkWords(globals: Globals, flags: ExtensionFlags): string[] {
  const { apiAddr, context, as, asGroup, kubeconfig, linkerdNamespace, verbose } = globals;
  const { namespace, proxy, wait } = flags;
  const given = { apiAddr, context, as, asGroup: asGroup.join(","), kubeconfig, linkerdNamespace };
  const words = { ...given, verbose, namespace, proxy, wait: printDuration(wait), output: "json" };
  return [
    "check",
    ...Object.entries(words)
      .filter(([, value]) => value !== undefined && value !== "")
      .map(([key, value]) => `--${flagName(key)}=${String(value)}`),
  ];
}

// Whatever else is called so does not know the word, and is left alone.
async function wantsAlways(path: string): Promise<boolean> {
  const { code, stdout } = await output(path, [METADATA], { timeout: METADATA_MS });
  try {
    const { name, checks } = JSON.parse(stdout) as { name?: string; checks?: string };
    return (
      code === 0 && name?.toLowerCase() === basename(path).toLowerCase() && checks === "always"
    );
  } catch {
    return false;
  }
}

type Ended = { readonly code: unknown; readonly stdout: string; readonly stderr: string };

function output(path: string, args: readonly string[], how: object): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(path, args, { ...how, maxBuffer: MOST_BYTES }, (error, stdout, stderr) =>
      resolve({
        code: error?.code ?? 0,
        stdout,
        stderr: stderr || (stdout ? "" : error?.message) || "",
      }),
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end();
  });
}

type Answer = {
  readonly categories?: readonly {
    readonly categoryName: string;
    readonly checks: readonly Omit<Result, "category">[];
  }[];
};

/** Reads what `check -o json` prints; undefined when it is something else. */
function parseResults(text: string): Result[] | undefined {
  try {
    // As Go prints it: what is empty may be null.
    const { categories } = JSON.parse(text) as Answer;
    return (categories ?? []).flatMap(({ categoryName, checks }) =>
      checks.map(({ description, hint, error, result }) => ({
        category: categoryName,
        description,
        hint,
        error,
        result: result === "success" || result === "warning" ? result : "error",
      })),
    );
  } catch {
    return undefined;
  }
}

const noResults = (text: string): string =>
  `its answer is not the JSON of "linkerd check -o json":\n${text.trim() || "nothing"}`;
