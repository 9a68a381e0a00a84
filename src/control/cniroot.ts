// The plugin's own root on a node: a copy of what our image holds of Node, iptables and this program, so that the node
// needs neither. The runtime calls a shell script, which enters that root with the pod's network namespace open.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { NETNS_FD } from "./cni.ts";
import { PLUGIN } from "./cniconf.ts";

const SBIN = "/usr/sbin";
/** The names that proxyinit.ts calls. */
const TABLES = /^ip6?tables(-nft|-legacy)?(-save)?$/;
const HEAD_BYTES = 4096;
const APP = ["package.json", "dist", "node_modules"];

/** What is needed of the place where this program is. */
export type Image = {
  /** The folder with package.json and dist. */
  readonly app: string;
  readonly node: string;
};

/** A folder for one build of the plugin, below the folder for plugins. */
export function rootOf(binDir: string, { app }: Image): string {
  // The name of every chunk is that of its content, and main.js names them.
  const build = createHash("sha256").update(readFileSync(join(app, "dist/main.js")));
  return join(binDir, `${PLUGIN}.d`, build.digest("hex").slice(0, 12));
}

/** Copies the image to `root` unless it is there; about 160 MB, in which Node is 150. */
export function fillRoot(root: string, { app, node }: Image): void {
  if (existsSync(root)) return;
  const fresh = `${root}.new`;
  rmSync(fresh, { recursive: true, force: true });
  for (const dir of ["run", "tmp", "dev", "proc"]) mkdirSync(join(fresh, dir), { recursive: true });
  for (const name of APP)
    if (existsSync(join(app, name)))
      cpSync(join(app, name), join(fresh, "app", name), { recursive: true, dereference: true });
  copyProgram(fresh, node, "/usr/local/bin/node");
  for (const name of readdirSync(SBIN).filter((each) => TABLES.test(each)))
    copyTables(fresh, join(SBIN, name));
  for (const dir of extensionDirs())
    cpSync(dir, join(fresh, dir), { recursive: true, dereference: true });
  renameSync(fresh, root);
}

/** Removes what other builds have left. */
export function pruneRoots(root: string): void {
  for (const name of readdirSync(dirname(root)))
    if (name !== basename(root))
      rmSync(join(dirname(root), name), { recursive: true, force: true });
}

/** The script that the runtime calls; `root` is where the node sees it. */
export function wrapperOf(root: string): string {
  return [
    "#!/bin/sh",
    "# Sets a pod's iptables rules in its network namespace; runs in a root of its own, since nodes have no Node.js.",
    `exec ${NETNS_FD}<"\${CNI_NETNS:-/dev/null}"`,
    `exec chroot '${root}' /usr/local/bin/node /app/dist/main.js cni`,
    "",
  ].join("\n");
}

/** Writes a file so that nobody sees half of it. */
export function replaceFile(path: string, text: string, mode = 0o644): void {
  const fresh = `${path}.linkerd-new`;
  writeFileSync(fresh, text, { mode });
  chmodSync(fresh, mode);
  renameSync(fresh, path);
}

// Of iptables, most names are links to one of two programs, some by way of a distribution's alternatives.
function copyTables(root: string, path: string): void {
  const real = realpathSync(path);
  copyProgram(root, real, join(SBIN, basename(real)));
  if (basename(real) === basename(path) || !lstatSync(path).isSymbolicLink()) return;
  symlinkSync(basename(real), join(root, path));
}

function copyProgram(root: string, path: string, to: string): void {
  copy(root, path, to);
  const linker = linkerOf(path);
  if (linker === undefined) return;
  copy(root, linker, linker);
  for (const library of librariesOf(path, linker)) copy(root, library, library);
}

function copy(root: string, path: string, to: string): void {
  if (existsSync(join(root, to))) return;
  mkdirSync(dirname(join(root, to)), { recursive: true });
  copyFileSync(realpathSync(path), join(root, to));
}

/** The dynamic linker that a program names in its head (PT_INTERP of ELF); none for a script or a static program. */
function linkerOf(program: string): string | undefined {
  const head = readFileSync(program).subarray(0, HEAD_BYTES).toString("latin1");
  return head.startsWith("\u007fELF")
    ? /\/[\w/.-]*\/ld[\w.-]*\.so\.\d+/.exec(head)?.[0]
    : undefined;
}

/** What a program is linked with, of which its linker knows where it is. */
function librariesOf(program: string, linker: string): string[] {
  const listed = execFileSync(linker, ["--list", program]).toString();
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
}

/** Where iptables looks for its extensions. */
function extensionDirs(): string[] {
  const roots = ["/usr/lib", ...readdirSync("/usr/lib").map((name) => join("/usr/lib", name))];
  return roots.map((root) => join(root, "xtables")).filter((dir) => existsSync(dir));
}

/** The path at which the node has what this pod has mounted. */
export function asNodeSees(path: string, mounted: string, onNode: string): string {
  return join(onNode, relative(mounted, path));
}
