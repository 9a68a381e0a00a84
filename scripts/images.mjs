// `node scripts/images.mjs --oci FOLDER` writes the images into an OCI image layout, and their sizes.
// `node scripts/images.mjs OUT.tar`: the images of the mesh and of the demo, from this machine's Node and iptables, as a
// tar to load (scripts/archive.mjs says into what); with LINKERD2_PROXY_BIN, the path of a stock proxy, also one in which
// that is the sidecar; with PROMETHEUS_BIN, the path of a Prometheus, also the one that viz installs. `node scripts/images.mjs FOLDER [BASE]`: the file system of the mesh's
// images in FOLDER, on top of a copy of the folder BASE, for builders, who set file capabilities; images/Dockerfile does.
// Proxy and controller are one tree with two entry points: the controller adds nothing that a proxy would load.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { isBuilt } from "../bin/built.mjs";
import { findNode, needNode } from "../bin/node.mjs";
import { archive, layout } from "./archive.mjs";

needNode();
const home = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(fs.readFileSync(join(home, "package.json"), "utf8"));
const NODE = "/usr/local/bin/node";
const STOCK_START = "test/kubernetes/apps/stockproxy.ts";

const { PROXY_ENV } = await import("../src/platform/sidecar.ts");

/** A copy of the dynamic loader, which starts Node for proxy-init. It has the capabilities in place of Node itself, since
 * those would be every sidecar's, whose environment the kernel would then distrust (AT_SECURE). */
const LOADER = "/usr/lib/linkerd/ld-net-admin";

/** File capabilities, so that proxy-init and the iptables that it starts need not be root. */
const capabilities = {
  [LOADER]: "cap_net_admin,cap_net_raw=p",
  "/usr/sbin/xtables-nft-multi": "cap_net_admin,cap_net_raw=ep",
  "/usr/sbin/xtables-legacy-multi": "cap_net_admin,cap_net_raw=ep",
};

/** Programs by the names that images and the injector call: what starts them, and our word for them. */
const programs = {
  "linkerd2-proxy-init": { start: [LOADER, NODE], word: "proxy-init" },
  "linkerd2-proxy-identity": { start: [NODE], word: "proxy" },
  "linkerd-await": { start: [NODE], word: "await" },
  "linkerd2-network-validator": { start: [NODE], word: "network-validator" },
};

/** What the debug image has beside the mesh's, where this machine has it: the first is what it is for. */
const tools = ["tcpdump", "sh", "ip", "ss", "curl", "conntrack"];

const isLayout = process.argv[2] === "--oci";
const [out, base] = process.argv.slice(isLayout ? 3 : 2);
if (!out) throw new Error("name the tar to write, or the folder to fill");
if (!isBuilt(home)) throw new Error("what is built is older than the sources: run `npm run build`");
if (isLayout || out.endsWith(".tar")) writeImages();
else {
  fs.rmSync(out, { recursive: true, force: true });
  fs.mkdirSync(out, { recursive: true });
  if (base) execFileSync("cp", ["-a", `${base}/.`, out]);
  fillSystem(out);
  fillMesh(out);
}
console.log(`wrote ${out}`);

function writeImages() {
  const dir = fs.mkdtempSync(join(tmpdir(), "images-"));
  const names = ["system", "mesh", "demo", "stock", "debug", "metrics"];
  const [system, mesh, demo, stock, debug, metrics] = names.map((name) => join(dir, name));
  const { LINKERD2_PROXY_BIN: stockProxy, PROMETHEUS_BIN: prometheus } = process.env;
  try {
    fillSystem(system);
    fillMesh(mesh);
    fillDemo(demo);
    if (stockProxy) fillStock(stock, stockProxy);
    const hasDebug = fillDebug(debug);
    if (!hasDebug) console.log("left out linkerd-ts/debug, since this machine has no tcpdump");
    if (prometheus) copyProgram(metrics, prometheus, "/bin/prometheus");
    const main = [NODE, "/app/dist/main.js"];
    const ours = (name, User, Entrypoint, env = {}) => ({
      name: `linkerd-ts/${name}:ts-${version}`,
      layers: [system, mesh],
      config: {
        User,
        Entrypoint,
        Env: Object.entries({ NODE_ENV: "production", ...env }).map((pair) => pair.join("=")),
      },
    });
    const images = [
      ours("proxy", "2102", ["/usr/lib/linkerd/linkerd2-proxy-identity"], PROXY_ENV),
      ours("controller", "2103", main),
      ours("cni-plugin", "0", main),
      ...(hasDebug
        ? [
            {
              name: `linkerd-ts/debug:ts-${version}`,
              layers: [system, debug],
              config: { User: "0", Entrypoint: ["tcpdump", "-i", "any", "-nn", "-l"] },
            },
          ]
        : []),
      { name: "emojivoto:1", layers: [system, demo], config: { WorkingDir: "/app" } },
      ...(stockProxy
        ? [
            {
              name: `linkerd-ts/linkerd2-proxy:ts-${version}`,
              layers: [system, mesh, stock],
              config: { User: "2102", Entrypoint: [NODE, `/stock/${STOCK_START}`] },
            },
          ]
        : []),
      ...(prometheus
        ? [
            {
              name: prometheusImage(),
              layers: [metrics],
              config: { User: "65534", Entrypoint: ["/bin/prometheus"] },
            },
          ]
        : []),
    ];
    if (!isLayout) return archive(out, images, capabilities);
    for (const [name, bytes] of Object.entries(layout(out, images, capabilities)))
      console.log(`${name} ${(bytes / 1e6).toFixed(1)} MB compressed`);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

/** What the images need of a distribution: Node, and iptables where this machine has it (the init container's). */
function fillSystem(root) {
  copyProgram(root, findNode(), NODE);
  for (const path of fs.globSync("/usr/sbin/{ip,ip6,x}tables*")) {
    const isLink = fs.lstatSync(path).isSymbolicLink();
    // Links lead to one of two programs, by way of the alternatives of Debian or not.
    if (isLink) link(root, fs.realpathSync(path), path);
    else if (path.endsWith("-multi")) copyProgram(root, path, path);
  }
  // The extensions of iptables, such as REDIRECT, are libraries that it loads.
  for (const path of fs.globSync("/usr/lib/{*/,}xtables")) copy(path, join(root, path));
  fs.mkdirSync(join(root, "tmp"), { recursive: true, mode: 0o1777 });
}

/** What was built, with the one library that cannot be bundled. */
function fillMesh(root) {
  const app = join(root, "app");
  for (const path of ["package.json", "charts", "dist/main.js", "dist/chunks", "dist/web"])
    if (fs.existsSync(join(home, path))) copy(join(home, path), join(app, path));
  copyPackages(app, ["koffi"]);
  const [loader] = execFileSync("ldd", [findNode()])
    .toString()
    .match(/\/\S*\/ld-\S+/);
  copy(loader, join(root, LOADER));
  for (const [name, { start, word }] of Object.entries(programs)) {
    const path = join(root, "usr/lib/linkerd", name);
    const text = `#!${start.join(" ")}\nprocess.argv.splice(2, 0, "${word}");\nimport("/app/dist/main.js");\n`;
    fs.writeFileSync(path, text, { mode: 0o755 });
  }
}

function fillDemo(root) {
  const app = join(root, "app");
  copy(join(home, "demo"), join(app, "demo"));
  copy(join(home, "package.json"), join(app, "package.json"));
  copyPackages(app, ["@grpc/grpc-js", "@grpc/proto-loader"]);
}

/** Tools to look at a pod's network, and the users that they ask for; false without the first of them. */
function fillDebug(root) {
  const places = (process.env.PATH ?? "").split(delimiter);
  const find = (name) =>
    places.map((place) => join(place, name)).find((path) => fs.existsSync(path));
  if (!find(tools[0])) return false;
  for (const name of tools) {
    const path = find(name);
    if (path) copyProgram(root, path, `/usr/bin/${name}`);
  }
  link(root, "/usr/bin/sh", "/bin/sh");
  // Who captures gives up being root.
  fs.mkdirSync(join(root, "etc"), { recursive: true });
  fs.writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/:\ntcpdump:x:65533:65533::/:\n");
  fs.writeFileSync(join(root, "etc/group"), "root:x:0:\ntcpdump:x:65533:\n");
  return true;
}

function fillStock(root, proxy) {
  copyProgram(root, proxy, "/usr/lib/linkerd/linkerd2-proxy");
  for (const path of [STOCK_START, "src/proxy/csr.ts", "package.json"])
    copy(join(home, path), join(root, "stock", path));
}

/** The image that the chart of viz asks for. */
function prometheusImage() {
  const values = fs.readFileSync(join(home, "charts/linkerd-viz/values.yaml"), "utf8");
  const { registry, name, tag } = parse(values).prometheus.image;
  return `${registry}/${name}:${tag}`;
}

/** Packages with all that they depend on. */
function copyPackages(app, names) {
  const seen = new Set(names);
  for (const name of seen) {
    const from = join(home, "node_modules", name);
    copy(from, join(app, "node_modules", name));
    const { dependencies, optionalDependencies } = JSON.parse(
      fs.readFileSync(join(from, "package.json"), "utf8"),
    );
    for (const wanted of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (fs.existsSync(join(home, "node_modules", wanted))) seen.add(wanted);
  }
}

function copy(from, to) {
  fs.mkdirSync(dirname(to), { recursive: true });
  execFileSync("cp", ["-aL", from, to]);
}

function link(root, target, path) {
  fs.mkdirSync(dirname(join(root, path)), { recursive: true });
  fs.symlinkSync(target, join(root, path));
}

// A program and the libraries that it is linked with.
function copyProgram(root, from, to) {
  const libraries = execFileSync("ldd", [from]).toString().match(/\/\S+/g) ?? [];
  for (const [path, target] of [[from, to], ...libraries.map((library) => [library, library])])
    if (!fs.existsSync(join(root, target))) copy(fs.realpathSync(path), join(root, target));
}
