// Reads manifests: YAML and JSON, files and folders, several documents in a file, Lists. Everything that is
// wrong in any of them is reported at once, with file, line and column, and nothing is half read.
// Kinds that the mesh has no use for (an Ingress, a ClusterRole) are counted, not judged.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Document, Node } from "yaml";
import { isCollection, isMap, isScalar, LineCounter, parseAllDocuments } from "yaml";
import { Fault } from "../base/fault.ts";
import type { Kind, Resource } from "./kinds.ts";
import { apiVersionOf, keyOf, KINDS, kindOf, kinds } from "./kinds.ts";
import type { Mistake, Path } from "./shape.ts";

export type Manifests = {
  readonly resources: readonly Resource[];
  /** What was left aside, such as "Ingress default/web". */
  readonly skipped: readonly string[];
};

/** Reads files, and the .yaml, .yml and .json files of folders. Rejects with one `bad-input` fault for all mistakes. */
export async function readManifests(paths: readonly string[]): Promise<Manifests> {
  const files = (await Promise.all(paths.map(filesOf))).flat();
  const texts = await Promise.all(
    files.map(async (file) => [file, await readFile(file, "utf8")] as const),
  );
  return parseManifests(texts);
}

/** Parses pairs of file name and text. Throws one `bad-input` fault for all mistakes. */
export function parseManifests(
  texts: readonly (readonly [file: string, text: string])[],
): Manifests {
  const reading = new Reading();
  for (const [file, text] of texts) reading.file(file, text);
  if (reading.mistakes.length > 0) {
    const count = reading.mistakes.length;
    const title = count === 1 ? "one mistake" : `${count} mistakes`;
    throw new Fault(
      "bad-input",
      `${title} in the manifests; nothing was applied:\n  ${reading.mistakes.join("\n  ")}`,
    );
  }
  return { resources: [...reading.resources.values()], skipped: reading.skipped };
}

/** A resource from an object that nobody typed by hand (an API server's, or ours): unknown keys are dropped. */
export function resourceOf(kind: Kind, object: unknown): Resource {
  const mistakes: Mistake[] = [];
  const resource = read(kind, object, [], mistakes);
  const bad = mistakes.find((mistake) => !mistake.unknown);
  if (bad) {
    throw new Fault("bad-input", `${KINDS[kind].kind}: ${sentence(bad)}`);
  }
  return resource;
}

const DEFAULT_NAMESPACE = "default";

class Reading {
  readonly resources = new Map<string, Resource>();
  readonly skipped: string[] = [];
  readonly mistakes: string[] = [];

  file(file: string, text: string): void {
    const lines = new LineCounter();
    for (const document of parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })) {
      const place = (at: number): string => {
        const { line, col } = lines.linePos(at);
        return `${file}:${line}:${col}`;
      };
      for (const error of document.errors) {
        this.mistakes.push(`${place(error.pos[0])} ${error.message}`);
      }
      if (document.errors.length > 0 || document.contents === null) continue;
      this.object(document.toJS(), [], (mistake) => {
        const at = place(positionOf(document, mistake));
        this.mistakes.push(`${at} ${sentence(mistake)}`);
      });
    }
  }

  private object(value: unknown, path: Path, report: (mistake: Mistake) => void): void {
    if (value === null) return;
    const object = value as { apiVersion?: unknown; kind?: unknown; items?: unknown };
    const { apiVersion, kind } = object;
    if (typeof apiVersion !== "string" || typeof kind !== "string") {
      report({ path, value, wanted: "an object with apiVersion and kind", unknown: false });
    } else if (kind === "List" && Array.isArray(object.items)) {
      object.items.forEach((item, i) => this.object(item, [...path, "items", i], report));
    } else {
      this.resource(apiVersion, kind, value, path, report);
    }
  }

  private resource(
    apiVersion: string,
    kindName: string,
    value: unknown,
    path: Path,
    report: (mistake: Mistake) => void,
  ): void {
    const kind = kindOf(apiVersion, kindName);
    const version = apiVersion.slice(apiVersion.indexOf("/") + 1);
    if (kind === undefined) {
      const near = similar(apiVersion, kindName);
      if (near === undefined) this.skipped.push(describe(kindName, value));
      else report({ path: [...path, "kind"], value: kindName, wanted: near, unknown: false });
      return;
    }
    if (!KINDS[kind].versions.includes(version)) {
      const wanted = `one of the versions ${KINDS[kind].versions.join(", ")}`;
      report({ path: [...path, "apiVersion"], value: apiVersion, wanted, unknown: false });
      return;
    }
    const mistakes: Mistake[] = [];
    const resource = read(kind, value, path, mistakes);
    mistakes.forEach(report);
    if (mistakes.length > 0) return;
    const id = `${kind} ${keyOf(resource)}`;
    if (this.resources.has(id)) {
      const wanted = `a name that no other ${kindName} has`;
      report({
        path: [...path, "metadata", "name"],
        value: keyOf(resource),
        wanted,
        unknown: false,
      });
    }
    this.resources.set(id, resource);
  }
}

function read(kind: Kind, value: unknown, path: Path, mistakes: Mistake[]): Resource {
  const body = KINDS[kind].shape.read(value, path, mistakes);
  const resource = { apiVersion: apiVersionOf(kind), kind: KINDS[kind].kind, ...body } as Resource;
  if (mistakes.length > 0 || !KINDS[kind].namespaced || resource.metadata.namespace !== "") {
    return resource;
  }
  return {
    ...resource,
    metadata: { ...resource.metadata, namespace: DEFAULT_NAMESPACE },
  } as Resource;
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new Fault("not-found", `${path}: there is no such file or folder`, { cause });
  });
  if (!found.isDirectory()) return [path];
  const names = await readdir(path);
  return names
    .filter((name) => /\.(ya?ml|json)$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

// A kind that is probably meant: of a group that we read whole, or spelled in other letters.
function similar(apiVersion: string, kindName: string): string | undefined {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const same = kinds.filter((kind) => KINDS[kind].kind.toLowerCase() === kindName.toLowerCase());
  if (same.length > 0)
    return same.map((kind) => `${KINDS[kind].kind} of ${apiVersionOf(kind)}`).join(" or ");
  if (!group.endsWith("linkerd.io") || group.startsWith("multicluster")) return undefined;
  const own = kinds.filter((kind) => KINDS[kind].group === group);
  return `one of ${own.map((kind) => KINDS[kind].kind).join(", ")}`;
}

function describe(kindName: string, value: unknown): string {
  const { name = "", namespace } =
    (value as { metadata?: { name?: string; namespace?: string } }).metadata ?? {};
  return `${kindName} ${namespace === undefined ? name : `${namespace}/${name}`}`;
}

function sentence({ path, value, wanted, unknown }: Mistake): string {
  const key = path.map((p) => (typeof p === "number" ? `[${p}]` : `.${p}`)).join("");
  const shown = JSON.stringify(value);
  const what = unknown
    ? " is unknown"
    : shown === undefined
      ? " is missing"
      : ` is ${brief(shown)}`;
  return `${key.replace(/^\./, "") || "the document"}${what}; expected ${wanted}`;
}

const brief = (json: string): string => (json.length > 60 ? `${json.slice(0, 57)}…` : json);

// Where the value of a mistake begins; its key when the key is wrong; its nearest parent when it is missing.
function positionOf(document: Document, mistake: Mistake): number {
  let node: Node | null = document.contents as Node | null;
  let at = node?.range?.[0] ?? 0;
  for (const [i, key] of mistake.path.entries()) {
    if (!isCollection(node)) break;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (!pair) break;
      at = (pair.key as Node).range?.[0] ?? at;
      if (mistake.unknown && i === mistake.path.length - 1) return at;
    }
    node = (node.get(key, true) as Node | undefined) ?? null;
    at = node?.range?.[0] ?? at;
  }
  return at;
}
