// The two scripts that have to run in whatever Node a machine has: the command `linkerd`, which hands over to Node 26,
// and bin/ready.mjs, which makes a clone ready. Both in packages made up for the purpose.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";

const home = join(import.meta.dirname, "..");
const scratch = mkdtempSync(join(tmpdir(), "launch-"));
after(() => rmSync(scratch, { recursive: true }));

const program = `
  if (process.argv[2] === "wait") setInterval(() => {}, 1_000);
  process.on("SIGTERM", () => process.exit(5));
  console.log(Number.parseInt(process.versions.node) >= 26, ...process.argv.slice(2));
  if (process.argv[2] === "exit") process.exit(7);
`;

/** A package with our bin/ and what is given. */
function folder(name: string, files: Record<string, string>): string {
  const path = join(scratch, name);
  cpSync(join(home, "bin"), join(path, "bin"), { recursive: true });
  for (const [file, text] of Object.entries({ "package.json": '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), text);
  }
  return path;
}

// The Node of the machine, which a user's shell would find, is older than ours on most.
const path = (process.env["PATH"] ?? "").split(":").filter((one) => !one.includes("node_modules"));
const older = path
  .map((one) => join(one, "node"))
  .find((one) => existsSync(one) && major(one) < 26);

function major(node: string): number {
  return Number.parseInt(
    spawnSync(node, ["-p", "process.versions.node"], { encoding: "utf8" }).stdout,
    10,
  );
}

for (const [title, node] of [
  ["in Node 26", process.execPath],
  ["from an older Node", older],
] as const)
  suite(
    `linkerd, started ${title}`,
    { skip: node ? false : "there is no older Node in PATH" },
    () => {
      const built = folder(`built-${title.replaceAll(" ", "-")}`, { "dist/main.js": program });
      symlinkSync(join(home, "node_modules"), join(built, "node_modules"));
      const env = {
        ...process.env,
        XDG_CACHE_HOME: join(scratch, "cache"),
        NODE_COMPILE_CACHE: "",
      };
      const linkerd = (...args: string[]) =>
        spawnSync(node!, [join(built, "bin/linkerd.mjs"), ...args], { encoding: "utf8", env });

      test("runs the program with its arguments and keeps its exit code", () => {
        const { status, stdout, stderr } = linkerd("exit", "a b", "--c");
        assert.equal(stdout, "true exit a b --c\n");
        assert.equal(stderr, "");
        assert.equal(status, 7);
      });

      test("hands on signals", async () => {
        const child = spawn(node!, [join(built, "bin/linkerd.mjs"), "wait"], {
          env,
          stdio: ["ignore", "pipe", "inherit"],
        });
        await once(child.stdout, "data");
        child.kill("SIGTERM");
        assert.deepEqual(await once(child, "exit"), [5, null]);
      });

      test("ends when whoever started it is killed", async () => {
        const shell = `"${node}" "${join(built, "bin/linkerd.mjs")}" wait & read -r _`;
        const asNpm = { ...env, npm_lifecycle_event: "demo" };
        const stdio = ["pipe", "pipe", "ignore"] as const;
        const parent = spawn("/bin/sh", ["-c", shell], { env: asNpm, stdio: [...stdio] });
        await once(parent.stdout!, "data");
        parent.kill("SIGKILL");
        // The pipe ends when the last process that could write to it has ended.
        await once(parent.stdout!, "close");
      });

      test("ends when the Node that handed over is killed", async () => {
        const child = spawn(node!, [join(built, "bin/linkerd.mjs"), "wait"], { env });
        await once(child.stdout, "data");
        child.kill("SIGKILL");
        await once(child.stdout, "close");
      });

      test("prefers a source that is newer than what was built, and says what to do when there is nothing to run", () => {
        mkdirSync(join(built, "src"));
        writeFileSync(
          join(built, "src/main.ts"),
          'const source: string = "source"; console.log(source);',
        );
        assert.equal(linkerd().stdout, "source\n");
        rmSync(join(built, "src"), { recursive: true });
        rmSync(join(built, "dist"), { recursive: true });
        const { status, stderr } = linkerd();
        assert.equal(status, 1);
        assert.match(stderr, /^linkerd is not complete, .* run `npm run build` in .*\n$/);
      });
    },
  );

test(
  "linkerd says what to do without a Node to run in",
  { skip: older ? false : "there is no older Node in PATH" },
  () => {
    const alone = folder("alone", { "dist/main.js": program });
    const { status, stderr } = spawnSync(older!, [join(alone, "bin/linkerd.mjs")], {
      encoding: "utf8",
    });
    assert.equal(status, 1);
    assert.match(stderr, /^linkerd needs Node 26 or later and found only .*\n$/);
  },
);

test("ready installs what the lock asks for, once", () => {
  const clone = folder("clone", {
    "package.json":
      '{ "name": "clone", "version": "1.0.0", "dependencies": { "dep": "file:dep" } }',
    "package-lock.json": JSON.stringify({
      name: "clone",
      version: "1.0.0",
      lockfileVersion: 3,
      packages: {
        "": { name: "clone", version: "1.0.0", dependencies: { dep: "file:dep" } },
        dep: { version: "1.0.0" },
        "node_modules/dep": { resolved: "dep", link: true },
      },
    }),
    "dep/package.json": '{ "name": "dep", "version": "1.0.0" }',
  });
  const ready = () =>
    spawnSync(process.execPath, [join(clone, "bin/ready.mjs")], { encoding: "utf8" });
  const first = ready();
  assert.match(first.stderr, /^Installing what package-lock.json asks for …\n/);
  assert.equal(first.status, 0, first.stderr);
  assert.ok(existsSync(join(clone, "node_modules/dep/package.json")));
  const { status, stdout, stderr } = ready();
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "", stderr: "" });
});
