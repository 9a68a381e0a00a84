// Manifests as commands read and print them: files, folders, addresses and standard input, of which the order, the
// comments of nobody and every field are kept; as YAML documents or JSON.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { parseAllDocuments, stringify } from "yaml";
import { Fault } from "../base/fault.ts";
import { itemsOf, type RawObject } from "../control/manifest.ts";

/** Every object that the paths name, Lists taken apart. "-" is standard input. */
export async function readObjects(paths: readonly string[]): Promise<RawObject[]> {
  const texts = await Promise.all(paths.map(readTexts));
  return texts.flat().flatMap(({ name, text }) => parseObjects(name, text));
}

/** Prints objects one after the other: YAML documents with `---` between them, or JSON documents. */
export function printObjects(objects: readonly unknown[], format: "yaml" | "json"): string {
  if (format === "json") return objects.map((o) => `${JSON.stringify(o, null, 2)}\n`).join("");
  // Aliases would tie documents together that are read apart.
  const options = { aliasDuplicateObjects: false, lineWidth: 0 };
  return objects.map((object) => `${stringify(object, options)}---\n`).join("");
}

type Text = { readonly name: string; readonly text: string };

async function readTexts(path: string): Promise<Text[]> {
  if (path === "-")
    return [{ name: "standard input", text: (await buffer(process.stdin)).toString() }];
  if (/^https?:\/\//.test(path)) {
    const rsp = await fetch(path);
    if (!rsp.ok) throw new Fault("not-found", `${path} answered ${rsp.status}`);
    return [{ name: path, text: await rsp.text() }];
  }
  return filesOf(path).map((name) => ({ name, text: readFileSync(name, "utf8") }));
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
