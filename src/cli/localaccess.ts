// Finding the local mesh that a command means: by its state folder.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Mesh } from "../platform/mesh.ts";
import { connectMesh } from "../platform/remote.ts";
import { defaultStateDir } from "../platform/state.ts";
import type { Globals } from "./command.ts";
import { list } from "./flag.ts";

/** `-f`, for verbs that take manifests. */
export const file = list("FILE", "Manifest, or folder of manifests; may be repeated", {
  short: "f",
  offers: "file",
});
/** The state folder that the flags and the environment name. */
export function stateDirOf(globals: Globals, env: NodeJS.ProcessEnv): string {
  return globals.stateDir ?? env["LINKERD_STATE_DIR"] ?? defaultStateDir(env);
}

/** The mesh that runs on the state folder; rejects with what to do when none does. */
export async function connectLocal(globals: Globals, env: NodeJS.ProcessEnv): Promise<Mesh> {
  const dir = stateDirOf(globals, env);
  const socket = join(dir, "mesh.sock");
  const none = new Fault(
    "not-found",
    `no mesh is running on ${dir}: start one with "linkerd local up -f MANIFESTS" or "linkerd demo"`,
  );
  if (!existsSync(socket)) throw none;
  const mesh = connectMesh(socket);
  // A socket that nobody serves was left by a mesh that was killed.
  await mesh.apply([]).catch(() => {
    throw none;
  });
  return mesh;
}
