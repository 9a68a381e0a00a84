// The state folder of a local mesh: the trust anchor, the key that signs tokens, logs, and the socket of the
// running mesh. Only its owner may read it.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Fault } from "../base/fault.ts";

/** An environment, as a process has it. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The state folder when none is named: $XDG_STATE_HOME/linkerd/local, or under ~/.local/state. */
export function defaultStateDir(env: Env): string {
  const base = env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local", "state");
  return join(base, "linkerd", "local");
}

// The longest path that a Unix socket may have on Linux is 107 bytes, on macOS 103.
const SOCKET_PATH_BYTES = 103;

export class State {
  readonly dir: string;

  /** Makes the folder, for its owner only, and drops what a mesh that crashed has left of its pods. */
  constructor(dir: string) {
    this.dir = dir;
    if (Buffer.byteLength(this.socket) > SOCKET_PATH_BYTES) {
      throw new Fault(
        "bad-input",
        `the state folder ${dir} has too long a path for a socket in it; name a shorter one with --state-dir`,
      );
    }
    try {
      makeFolder(dir);
      chmodSync(dir, 0o700);
    } catch (cause) {
      const { code = "" } = cause as NodeJS.ErrnoException;
      const why = ["ENOTDIR", "EEXIST"].includes(code) ? "is not a folder" : "is not ours to write";
      throw new Fault(
        "no-permission",
        `the state folder ${dir} ${why}; name another one with --state-dir`,
        { cause },
      );
    }
  }

  get socket(): string {
    return join(this.dir, "mesh.sock");
  }

  /** PEM of the roots that sidecars trust; written by the controller. */
  get anchors(): string {
    return join(this.dir, "anchors.pem");
  }

  /** The folder of a pod's secrets; its last part is the pod's name. */
  pod(namespace: string, name: string): string {
    return join(this.dir, "pods", namespace, name);
  }

  log(namespace: string, pod: string, container: string): string {
    return join(this.dir, "logs", namespace, pod, `${container}.log`);
  }

  /** Forgets pods and logs of the mesh that ran before. */
  clean(): void {
    for (const part of ["pods", "logs"])
      rmSync(join(this.dir, part), { recursive: true, force: true });
  }

  /** Writes a file for its owner only. */
  write(path: string, content: string | Uint8Array): void {
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    writeFileSync(path, content, { mode: 0o600 });
  }

  /** The content of a file, made by `make` when there is none. */
  keep(name: string, make: () => Buffer): Buffer {
    const path = join(this.dir, name);
    try {
      return readFileSync(path);
    } catch {
      const content = make();
      this.write(path, content);
      return content;
    }
  }
}

// Node's own recursive form never returns where a folder refuses new ones with ENOENT, as /proc does.
function makeFolder(dir: string): void {
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return;
  if (!existsSync(dirname(dir))) makeFolder(dirname(dir));
  mkdirSync(dir, { mode: 0o700 });
}
