// A cluster for tests: commands of ours and of kubectl against the one that KUBECONFIG names. Images must be in it.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** The folder of the project. */
export const HOME = join(import.meta.dirname, "../..");

export type Output = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs `linkerd` with these words; never rejects. `timeoutMs` ends it with SIGINT, as Ctrl-C does. */
export function linkerd(words: string, input = "", timeoutMs = 60_000): Promise<Output> {
  return run(process.execPath, [join(HOME, "src/main.ts"), ...words.split(" ")], input, timeoutMs);
}

/** Runs `linkerd` with words that go on, until it has printed what is wanted; resolves to what it printed. Rejects with
 * that and its complaints when it ends before. */
export async function watched(words: string, wanted: RegExp, timeoutMs = 60_000): Promise<string> {
  const argv = [join(HOME, "src/main.ts"), ...words.split(" ")];
  const child = spawn(process.execPath, argv, { timeout: timeoutMs, killSignal: "SIGINT" });
  let [stdout, stderr] = ["", ""];
  child.stderr.on("data", (bytes: Buffer) => (stderr += String(bytes)));
  child.stdout.on("data", (bytes: Buffer) => {
    stdout += String(bytes);
    if (wanted.test(stdout)) child.kill("SIGINT");
  });
  await once(child, "close");
  if (wanted.test(stdout)) return stdout;
  throw new Error(`linkerd ${words}: no ${String(wanted)} in ${stdout}${stderr}`);
}

/** Runs kubectl with these words, apart by spaces where they are one text; rejects with its error output. */
export async function kubectl(words: string | readonly string[], input = ""): Promise<string> {
  const argv = typeof words === "string" ? words.split(" ") : words;
  const { code, stdout, stderr } = await run("kubectl", argv, input, 90_000);
  if (code !== 0) throw new Error(`kubectl ${argv.join(" ")}: ${stderr}`);
  return stdout;
}

/** Tries until `probe` resolves to something; rejects with what it last threw or said. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let last: unknown; ;) {
    try {
      const found = await probe();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`never came: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function run(
  program: string,
  words: readonly string[],
  input: string,
  timeoutMs: number,
): Promise<Output> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: "SIGINT", maxBuffer: 64 << 20 } as const;
    const child = execFile(program, words, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
