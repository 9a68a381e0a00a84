// `npm run build`: what is published. src/ becomes dist/, since Node strips no types under node_modules; the demo goes
// to dist/demo, runnable from there as in a clone; the dashboard goes to dist/web. proto/gen is JavaScript already.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { needNode } from "../bin/node.mjs";

needNode();
process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
fs.rmSync("dist", { recursive: true, force: true });
compile("src", "dist");
compile("demo", "dist/demo");
for (const file of fs.globSync("demo/**/*.{proto,html,yaml,yml,json,md}")) {
  const text = fs.readFileSync(file, "utf8");
  fs.mkdirSync(join("dist", dirname(file)), { recursive: true });
  // Manifests name the programs, which have another ending now.
  fs.writeFileSync(
    join("dist", file),
    file.includes(".y") ? text.replaceAll(/(demo\/[\w/-]+)\.ts\b/g, "$1.js") : text,
  );
}
if (fs.globSync("web/index.html").length > 0)
  node(
    "vite/bin/vite.js",
    "build",
    "web",
    "--outDir",
    "../dist/web",
    "--emptyOutDir",
    "--logLevel",
    "warn",
  );

function compile(from, to) {
  const config = join(to, "tsconfig.json");
  fs.mkdirSync(to, { recursive: true });
  const up = to.replaceAll(/[^/]+/g, "..");
  fs.writeFileSync(
    config,
    JSON.stringify({
      extends: `${up}/tsconfig.json`,
      compilerOptions: { noEmit: false, rootDir: `${up}/${from}`, outDir: "." },
      include: [`${up}/${from}`],
      exclude: [`${up}/${from}/**/*.test.ts`],
    }),
  );
  node("typescript/bin/tsc", "-p", config);
  fs.rmSync(config);
}

function node(program, ...args) {
  const { status } = spawnSync(process.execPath, [join("node_modules", program), ...args], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
