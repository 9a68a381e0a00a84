// The words with which Linkerd 1 is started (`linkerd -log.level=DEBUG linkerd.yaml`), told apart from commands.

import { Fault } from "../base/fault.ts";

export type RouterWords = {
  /** `-` is standard input. */
  readonly file: string;
  /** Only say what is wrong with the file. */
  readonly validate: boolean;
  readonly level: string | undefined;
};

const USAGE = "usage: linkerd path/to/config";

/** Whether the words of a command line name a file of Linkerd 1 and no command. */
export function isRouterCall(words: readonly string[]): boolean {
  const [file, ...more] = words.filter((word) => !isFlag(word));
  if (file === undefined || more.length > 0) return false;
  if (words.some((word) => /^--?(?:validate|log\.level|com\.twitter\.)/.test(word))) return true;
  return file === "-" || /\.(?:ya?ml|json)$/.test(file) || file.includes("/");
}

/** Reads the words. Throws `bad-input` with the usage. */
export function parseRouterWords(words: readonly string[]): RouterWords {
  const files: string[] = [];
  let validate = false;
  let level: string | undefined;
  for (const word of words) {
    const [, name, value = "true"] = /^--?([\w.]+)(?:=(.*))?$/.exec(word) ?? [];
    if (!isFlag(word)) files.push(word);
    else if (name === "validate") validate = value === "true";
    else if (name === "log.level") level = value;
    else if (!name?.startsWith("com.twitter.")) throw new Fault("bad-input", `${word}: ${USAGE}`);
  }
  if (files.length !== 1) throw new Fault("bad-input", USAGE);
  return { file: files[0]!, validate, level };
}

function isFlag(word: string): boolean {
  return word.startsWith("-") && word !== "-";
}
