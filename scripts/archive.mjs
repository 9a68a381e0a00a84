// Packs folders as container images, without a builder or a registry: the tar that `docker save` writes, which docker,
// podman, kind, k3s and `ctr images import` load, or an OCI image layout, which registries take. A folder is a layer, and images that share one share it in the tar.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

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
      const text = configOf(config, parts);
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

/** Writes the folder `out` with these images as an OCI image layout, compressed, for skopeo, crane, podman and registries;
 * returns the bytes of each image by its name. */
export function layout(out, images) {
  const blobs = join(out, "blobs/sha256");
  const dir = fs.mkdtempSync(join(tmpdir(), "layout-"));
  fs.rmSync(out, { recursive: true, force: true });
  fs.mkdirSync(blobs, { recursive: true });
  const put = (mediaType, bytes) => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    fs.writeFileSync(join(blobs, digest), bytes);
    return {
      mediaType: `application/vnd.oci.image.${mediaType}`,
      digest: `sha256:${digest}`,
      size: bytes.length,
    };
  };
  const json = (mediaType, value) => put(`${mediaType}.v1+json`, Buffer.from(value));
  try {
    const layers = new Map();
    const layerOf = (folder) => {
      if (!layers.has(folder)) {
        const { file, digest } = pack(folder, dir, `${layers.size}.tar`);
        const bytes = gzipSync(fs.readFileSync(join(dir, file)));
        layers.set(folder, { digest, blob: put("layer.v1.tar+gzip", bytes) });
      }
      return layers.get(folder);
    };
    const sizes = {};
    const manifests = images.map(({ name, layers: folders, config }) => {
      const parts = folders.map(layerOf);
      const manifest = json(
        "manifest",
        JSON.stringify({
          schemaVersion: 2,
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          config: json("config", configOf(config, parts)),
          layers: parts.map(({ blob }) => blob),
        }),
      );
      sizes[name] = parts.reduce((sum, { blob }) => sum + blob.size, manifest.size);
      const annotations = {
        "org.opencontainers.image.ref.name": name,
        "io.containerd.image.name": `docker.io/${name.includes("/") ? name : `library/${name}`}`,
      };
      return { ...manifest, annotations };
    });
    const write = (name, value) => fs.writeFileSync(join(out, name), JSON.stringify(value));
    write("oci-layout", { imageLayoutVersion: "1.0.0" });
    write("index.json", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests,
    });
    return sizes;
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

/** The configuration of an image of these layers, the same in both formats. */
function configOf(config, parts) {
  return JSON.stringify({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: { ...config, Env: [PATH, ...(config.Env ?? [])] },
    rootfs: { type: "layers", diff_ids: parts.map(({ digest }) => `sha256:${digest}`) },
  });
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
