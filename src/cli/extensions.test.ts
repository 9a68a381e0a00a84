// Extensions as real programs in a PATH of their own: which are found, which are asked, and what of their answers is taken.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { Scope } from "../base/scope.ts";
import type { Result } from "./check.ts";
import { checkExtensions, checkWords } from "./extensionchecks.ts";
import { findExtensions } from "./extensions.ts";
import { parse } from "./parse.ts";
import { root } from "./root.ts";

const dir = mkdtempSync(join(tmpdir(), "extensions-"));
after(() => rmSync(dir, { recursive: true }));

/** Programs by their names in a folder; the folder. */
function programs(folder: string, bodies: Record<string, string>): string {
  const path = join(dir, folder);
  mkdirSync(path);
  for (const [name, body] of Object.entries(bodies))
    writeFileSync(join(path, name), `#!${process.execPath}\n${body}`, { mode: 0o755 });
  return path;
}

const ANSWER = `
const [word, ...rest] = process.argv.slice(2);
if (word !== "check") process.exit(1);
console.log(JSON.stringify({ success: false, categories: [{ categoryName: "linkerd-good", checks: [
  { description: "said " + rest.join(" "), result: "success" },
  { description: "doubtful", error: "hm", hint: "https://good/#hm", result: "warning" },
  { description: "wrong", error: "no", result: "error" },
] }, { categoryName: "linkerd-none", checks: [] }] }));
process.exit(1);`;
const ALWAYS = (name: string): string => `
const isAsked = process.argv[2] === "_extension-metadata";
const nothing = { success: true, categories: null };
console.log(JSON.stringify(isAsked ? { name: "${name}", checks: "always" } : nothing));`;

const first = programs("first", {
  "linkerd-good": ANSWER,
  "linkerd-broken": 'console.log("fine, thanks");',
  "linkerd-silent": 'console.error("no such cluster"); process.exit(3);',
  "linkerd-unasked": "process.exit(1);",
});
const second = programs("second", {
  "linkerd-good": "process.exit(9);",
  "linkerd-always": ALWAYS("Linkerd-Always"),
  "linkerd-always-v2": ALWAYS("linkerd-always"),
  "other-good": "process.exit(9);",
});
writeFileSync(join(second, "linkerd-text"), "not a program");
const env = { PATH: [first, join(dir, "nowhere"), second].join(delimiter) };

async function found(installed: readonly string[], words: readonly string[]) {
  const scope = new Scope();
  const results: Result[] = [];
  for await (const result of checkExtensions(installed, words, "https://h/#", { env, scope }))
    results.push(result);
  await scope.close();
  return results;
}

test("programs in PATH, the first of each name", () => {
  const names = ["always", "always-v2", "broken", "good", "silent", "unasked"];
  const extensions = findExtensions(env);
  assert.deepEqual([...extensions.keys()].sort(), names);
  assert.equal(extensions.get("good"), join(first, "linkerd-good"));
});

test("their results are taken over, in the order of their names", async () => {
  const results = await found(["silent", "good", "gone", "broken"], ["check", "--output=json"]);
  const path = (name: string): string => join(first, `linkerd-${name}`);
  const hint = "https://h/#extensions";
  assert.deepEqual(results, [
    {
      category: "linkerd-broken",
      hint,
      description: `Running: ${path("broken")} check --output=json`,
      error: 'its answer is not the JSON of "linkerd check -o json":\nfine, thanks',
      result: "error",
    },
    {
      category: "linkerd-gone",
      hint,
      description: "Linkerd extension command linkerd-gone exists",
      error: "the cluster has this extension, but there is no program linkerd-gone in PATH",
      result: "warning",
    },
    {
      category: "linkerd-good",
      hint: undefined,
      description: "said --output=json",
      error: undefined,
      result: "success",
    },
    {
      category: "linkerd-good",
      hint: "https://good/#hm",
      description: "doubtful",
      error: "hm",
      result: "warning",
    },
    {
      category: "linkerd-good",
      hint: undefined,
      description: "wrong",
      error: "no",
      result: "error",
    },
    {
      category: "linkerd-silent",
      hint,
      description: `Running: ${path("silent")} check --output=json`,
      error: "no such cluster",
      result: "error",
    },
  ]);
});

test("who wants to always is asked, and nobody else", async () => {
  assert.deepEqual(await found([], ["check"]), []);
  writeFileSync(
    join(second, "linkerd-always"),
    `#!${process.execPath}\n${ALWAYS("linkerd-always")}\nif (process.argv[2] === "check") console.log("too much");`,
  );
  const [only, ...more] = await found([], ["check"]);
  assert.equal(only!.category, "linkerd-always");
  assert.match(only!.error!, /^its answer is not the JSON/);
  assert.deepEqual(more, []);
});

test("the words that they get are those that were given", () => {
  const words = "check --proxy -n shop --context x --as me --as-group a --as-group b --wait 90s";
  const { globals, flags } = parse(root, words.split(" "));
  assert.deepEqual(checkWords(globals, flags as Parameters<typeof checkWords>[1]), [
    "check",
    "--context=x",
    "--as=me",
    "--as-group=a,b",
    "--linkerd-namespace=linkerd",
    "--verbose=false",
    "--namespace=shop",
    "--proxy=true",
    "--wait=1m30s",
    "--output=json",
  ]);
});
