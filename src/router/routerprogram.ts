// The program `linkerd FILE`: Linkerd 1 as a process. It reads its words, runs until it is told to stop, and applies
// its file anew when that changes or at SIGHUP.

import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import { watchFile } from "../name/file.ts";
import { setLevel } from "./levels.ts";
import { Linkerd } from "./linkerd.ts";
import { readFile as readLinkerd } from "./generation.ts";
import { outliveErrors, trimWhenQuiet } from "../proxy/longlived.ts";
import { parseRouterWords } from "./routerwords.ts";
import { VERSION } from "../proxy/version.ts";
import { printDiagnostic } from "./yamlsource.ts";

/** Runs the file that `words` name; resolves to the exit code. */
export async function routerProgram(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const { file, validate, level } = parseRouterWords(words);
  if (level !== undefined && !setLevel(log, "linkerd", level)) {
    throw new Fault("bad-input", `-log.level=${level}: there is no such level`);
  }
  const isStdin = file === "-";
  const once = isStdin ? await textOf(process.stdin) : undefined;
  const read = async (): Promise<string> => once ?? (await readConfig(file));
  if (validate) return validateOnly(await read(), file);
  const logger = log.logger("router");
  logger.info(`linkerd ${VERSION}`);
  const linkerd = await Linkerd.start({ file: isStdin ? "stdin" : file, read, env });
  outliveErrors(logger);
  const stop = (): void => void linkerd.stop();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.on("SIGHUP", () => void linkerd.reload());
  const close = isStdin ? () => {} : watchFile(file, systemClock).each(() => void linkerd.reload());
  logger.info("initialized");
  trimWhenQuiet();
  await linkerd.stopped;
  close();
  return 0;
}

async function readConfig(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Fault("bad-input", `config is not a file: ${file}`, { cause: error });
  }
}

async function validateOnly(text: string, file: string): Promise<number> {
  const context = { clock: systemClock, random: systemRandom, logger: log.logger("router") };
  const { config, diagnostics } = await readLinkerd(text, file, context);
  for (const diagnostic of diagnostics) process.stderr.write(`${printDiagnostic(diagnostic)}\n`);
  return config === undefined ? 1 : 0;
}
