// Packs folders as container images, without a builder or a registry: the tar that `docker save` writes, which docker,
// podman, kind, k3s and `ctr images import` load. A folder is a layer, and images that share one share it in the tar.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Writes the tar `out` with these images: `{ name, layers: folders from the lowest up, config: of the OCI image }`. */
export function archive(out, images) {
  const dir = fs.mkdtempSync(join(tmpdir(), "archive-"));
  try {
    const layers = new Map();
    const layerOf = (folder) => {
      if (!layers.has(folder)) layers.set(folder, pack(folder, dir, `${layers.size}.tar`));
      return layers.get(folder);
    };
    const manifest = images.map(({ name, layers: folders, config }) => {
      const parts = folders.map(layerOf);
      const text = JSON.stringify({
        architecture: ARCHITECTURES[process.arch] ?? process.arch,
        os: "linux",
        created: "1970-01-01T00:00:00Z",
        config: { ...config, Env: [PATH, ...(config.Env ?? [])] },
        rootfs: { type: "layers", diff_ids: parts.map(({ digest }) => `sha256:${digest}`) },
      });
      const file = `${createHash("sha256").update(text).digest("hex")}.json`;
      fs.writeFileSync(join(dir, file), text);
      return { Config: file, RepoTags: [name], Layers: parts.map((part) => part.file) };
    });
    fs.writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
    execFileSync("tar", ["-C", dir, "-cf", out, ...fs.readdirSync(dir).sort()]);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

// The same files give the same bytes, so that what has not changed is not loaded again.
function pack(folder, dir, file) {
  const stable = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  execFileSync("tar", [...stable, "-C", folder, "-cf", join(dir, file), "."]);
  const digest = createHash("sha256")
    .update(fs.readFileSync(join(dir, file)))
    .digest("hex");
  return { file, digest };
}
