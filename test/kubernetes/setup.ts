// What all tests of this folder share: the images are packed once and loaded into the cluster before the first, and the
// mesh that they left behind is taken away after the last. LINKERD_LOAD is the command that loads a tar of images,
// such as `kind load image-archive`; without it the cluster must have the images already.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOME, kubectl } from "./cluster.ts";
import { removeMesh } from "./mesh.ts";

/** Runs once before all files; says at once when there is no cluster to test on. */
export async function globalSetup(): Promise<void> {
  if (!process.env["KUBECONFIG"]) return;
  await kubectl("get nodes");
  const load = process.env["LINKERD_LOAD"];
  if (load) loadImages(load.split(" "));
}

/** Runs once after all files. */
export async function globalTeardown(): Promise<void> {
  if (process.env["KUBECONFIG"]) await removeMesh();
}

function loadImages([program = "", ...words]: readonly string[]): void {
  const dir = mkdtempSync(join(tmpdir(), "images-"));
  try {
    const tar = join(dir, "images.tar");
    execFileSync(process.execPath, [join(HOME, "scripts/images.mjs"), tar]);
    execFileSync(program, [...words, tar], { stdio: "ignore" });
  } finally {
    rmSync(dir, { recursive: true });
  }
}
