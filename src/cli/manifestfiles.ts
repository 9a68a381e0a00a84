// Manifests as commands read and print them: files, folders, addresses and standard input, of which the order, the
// comments of nobody and every field are kept; as YAML documents or JSON.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { parseAllDocuments, stringify } from "yaml";
import { Fault } from "../base/fault.ts";
import { itemsOf, type RawObject } from "../control/manifest.ts";
import { printJson } from "./format.ts";

/** Every object that the paths name, Lists taken apart. "-" is standard input. */
export async function readObjects(paths: readonly string[]): Promise<RawObject[]> {
  const texts = await Promise.all(paths.map(readTexts));
  return texts.flat().flatMap(({ name, text }) => parseObjects(name, text));
}

/** Prints objects one after the other: YAML documents with `---` between them, or JSON documents. */
export function printObjects(objects: readonly unknown[], format: "yaml" | "json"): string {
  if (format === "json") return objects.map(printJson).join("");
  // Aliases would tie documents together that are read apart.
  const options = { aliasDuplicateObjects: false, lineWidth: 0 };
  return objects.map((object) => `${stringify(object, options)}---\n`).join("");
}

/** The text of a file; throws a Fault that names it. */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : message;
    throw new Fault("not-found", `cannot read ${path}: ${why}`);
  }
}

type Text = { readonly name: string; readonly text: string };

async function readTexts(path: string): Promise<Text[]> {
  if (path === "-")
    return [{ name: "standard input", text: (await buffer(process.stdin)).toString() }];
  if (/^https?:\/\//.test(path)) return [{ name: path, text: await download(path) }];
  return filesOf(path).map((name) => ({ name, text: readTextFile(name) }));
}

async function download(url: string): Promise<string> {
  try {
    const rsp = await fetch(url);
    if (rsp.ok) return await rsp.text();
    throw new Fault("not-found", `it answered ${rsp.status}`);
  } catch (error) {
    const { message, cause = message } = error as Error;
    const why = cause instanceof Error ? cause.message : message;
    throw new Fault("unavailable", `${url} cannot be read: ${why}`);
  }
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
  } catch {
    throw new Fault("not-found", `there is no file or folder "${path}"`);
  }
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inside = join(path, entry.name);
      if (entry.isDirectory()) return filesOf(inside);
      return /\.(ya?ml|json)$/.test(entry.name) ? [inside] : [];
    });
}

/** The objects of a text with YAML documents; `name` is its name in errors. */
export function parseObjects(name: string, text: string): RawObject[] {
  const documents = parseAllDocuments(text);
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new Fault("bad-input", `${name}: ${error.message}`);
    const object: unknown = document.toJS();
    if (object === null || object === undefined) return [];
    if (typeof object !== "object" || !("kind" in object))
      throw new Fault("bad-input", `${name}: a document is not a Kubernetes object`);
    return itemsOf(object as RawObject);
  });
}
