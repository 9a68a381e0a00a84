// Packs folders as container images, without a builder or a registry: the tar that `docker save` writes, which docker,
// podman, kind, k3s and `ctr images import` load, or an OCI image layout, which registries take. A folder is a layer, and
// images that share one share it in the tar. Programs may have file capabilities there that they have not in the folder.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Writes the tar `out` with these images: `{ name, layers: folders from the lowest up, config: of the OCI image }`;
 * `capabilities` of files by their paths, as `setcap` writes them. */
export function archive(out, images, capabilities = {}) {
  const dir = fs.mkdtempSync(join(tmpdir(), "archive-"));
  try {
    const layers = new Map();
    const layerOf = (folder) => {
      if (!layers.has(folder))
        layers.set(folder, pack(folder, dir, `${layers.size}.tar`, capabilities));
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
export function layout(out, images, capabilities = {}) {
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
        const { file, digest } = pack(folder, dir, `${layers.size}.tar`, capabilities);
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
function pack(folder, dir, file, capabilities) {
  const stable = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  const format = [
    "--format=posix",
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
  ];
  execFileSync("tar", [...stable, ...format, "-C", folder, "-cf", join(dir, file), "."]);
  const bytes = withCapabilities(fs.readFileSync(join(dir, file)), capabilities);
  fs.writeFileSync(join(dir, file), bytes);
  return { file, digest: createHash("sha256").update(bytes).digest("hex") };
}

const BLOCK = 512;

/** The tar with an extended header (POSIX pax) before each file that has capabilities: who unpacks it as root sets them. */
function withCapabilities(tar, capabilities) {
  const parts = [];
  let done = 0;
  for (let at = 0, next; tar[at] > 0; at = next) {
    const text = (from, length) =>
      tar.toString("latin1", at + from, at + from + length).split("\0")[0];
    next = at + BLOCK + blocksOf(Number.parseInt(text(124, 12), 8)) * BLOCK;
    const wanted = capabilities[text(0, 100).replace(/^\./, "")];
    if (wanted === undefined) continue;
    parts.push(tar.subarray(done, at), extendedHeader(tar.subarray(at, at + BLOCK), wanted));
    done = at;
  }
  return Buffer.concat([...parts, tar.subarray(done)]);
}

const blocksOf = (bytes) => Math.ceil(bytes / BLOCK);

function extendedHeader(header, wanted) {
  const rest = Buffer.concat([
    Buffer.from(" SCHILY.xattr.security.capability="),
    printCapabilities(wanted),
    Buffer.from("\n"),
  ]);
  // A record begins with its own length, the digits of which count.
  const length = rest.length + 2;
  const own = Buffer.from(header);
  own.write(length.toString(8).padStart(11, "0"), 124, "latin1");
  own.write("x", 156, "latin1");
  own.fill(" ", 148, 156);
  const sum = own.reduce((total, byte) => total + byte, 0);
  own.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  const body = Buffer.alloc(blocksOf(length) * BLOCK);
  body.set(Buffer.concat([Buffer.from(String(length)), rest]));
  return Buffer.concat([own, body]);
}

const CAPABILITIES = { cap_net_admin: 12, cap_net_raw: 13 };

/** "cap_net_admin,cap_net_raw=ep" as the kernel keeps it (struct vfs_cap_data, revision 2). */
function printCapabilities(text) {
  const [names, sets] = text.split("=");
  const mask = names.split(",").reduce((bits, name) => bits | (1 << CAPABILITIES[name]), 0);
  const words = [0x02000000 | (sets.includes("e") ? 1 : 0), mask, 0, 0, 0];
  return Buffer.from(new Uint32Array(words).buffer);
}
