// `node scripts/images.mjs FOLDER [BASE]`: the file system of the images, in FOLDER, on top of a copy of the folder BASE.
// Proxy and controller are one tree with two entry points: the controller adds nothing that a proxy would load.
// The Dockerfile beside this in images/ does the same on a machine with a builder.

import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findNode, needNode } from "../bin/node.mjs";

needNode();
const home = dirname(dirname(fileURLToPath(import.meta.url)));
const [folder, base] = process.argv.slice(2);
if (!folder) throw new Error("name the folder to fill");

/** What runs needs of node_modules; everything else is for those who build. */
const packages = [
  "@bufbuild/protobuf",
  "@koromix",
  "@peculiar",
  "asn1js",
  "bytestreamjs",
  "koffi",
  "pvtsutils",
  "pvutils",
  "reflect-metadata",
  "tslib",
  "tsyringe",
  "yaml",
];

/** Programs by the names that the injector calls, and the words that they start ours with. */
const programs = {
  "linkerd2-proxy-init": ["proxy-init"],
  "linkerd2-proxy-identity": ["proxy"],
  "linkerd-await": ["await"],
  "linkerd2-network-validator": ["network-validator"],
};

fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder, { recursive: true });
if (base) execFileSync("cp", ["-a", `${base}/.`, folder]);
const app = join(folder, "app");
compile(join(app, "dist"));
copy("package.json", app);
copy("proto/gen", app);
copy("charts", app);
if (fs.existsSync(join(home, "dist/web"))) copy("dist/web", app);
for (const name of packages)
  if (fs.existsSync(join(home, "node_modules", name))) copy(`node_modules/${name}`, app);
for (const dir of ["src", "vendor", "lib"])
  fs.rmSync(join(app, "node_modules/koffi", dir, "build"), { recursive: true, force: true });
copyProgram(findNode(), "/usr/local/bin/node");
for (const [name, words] of Object.entries(programs)) {
  const path = join(folder, "usr/lib/linkerd", name);
  fs.mkdirSync(dirname(path), { recursive: true });
  const argv = JSON.stringify(words);
  fs.writeFileSync(
    path,
    `#!/usr/local/bin/node\nprocess.argv.splice(2, 0, ...${argv});\nimport("/app/dist/main.js");\n`,
    { mode: 0o755 },
  );
}
console.log(`filled ${folder}`);

function compile(out) {
  const config = join(out, "tsconfig.json");
  fs.mkdirSync(out, { recursive: true });
  fs.writeFileSync(
    config,
    JSON.stringify({
      extends: join(home, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        rootDir: join(home, "src"),
        outDir: ".",
        noCheck: true,
        typeRoots: [join(home, "node_modules/@types")],
      },
      include: [join(home, "src")],
      exclude: [join(home, "src/**/*.test.ts")],
    }),
  );
  const { status } = spawnSync(
    process.execPath,
    [join(home, "node_modules/typescript/bin/tsc"), "-p", config],
    { stdio: "inherit" },
  );
  fs.rmSync(config);
  if (status !== 0) process.exit(status ?? 1);
}

function copy(path, to) {
  fs.mkdirSync(dirname(join(to, path)), { recursive: true });
  execFileSync("cp", ["-aL", join(home, path), join(to, path)]);
}

// A program and the libraries that it is linked with.
function copyProgram(path, to) {
  fs.mkdirSync(dirname(join(folder, to)), { recursive: true });
  fs.copyFileSync(path, join(folder, to));
  const libraries = execFileSync("ldd", [path]).toString().match(/\/\S+/g) ?? [];
  for (const library of libraries) {
    if (fs.existsSync(join(folder, library))) continue;
    fs.mkdirSync(dirname(join(folder, library)), { recursive: true });
    fs.copyFileSync(library, join(folder, library));
  }
}
