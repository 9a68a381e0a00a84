// What people get wrong, as they meet it: a sentence that says what to do, exit code 1, and nothing left running.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { openIssuer } from "../../src/control/issuer.ts";
import { workload } from "../support/shop.ts";
import { gather, processes, run, start, stop, until } from "./mesh.ts";

const dir = mkdtempSync(join(tmpdir(), "mistakes-"));
after(() => rmSync(dir, { recursive: true, force: true }));

function manifest(name: string, yaml: string): string {
  const path = join(dir, `${name}.yaml`);
  writeFileSync(path, yaml);
  return path;
}

const good = manifest("good", workload("web"));
const locked = join(dir, "locked");
mkdirSync(locked);
writeFileSync(join(dir, "file"), "");
chmodSync(locked, 0o500);

const CASES: Record<string, [words: string[], sentence: RegExp]> = {
  "a value of the wrong type": [
    [
      "local",
      "up",
      "-f",
      manifest("type", workload("web").replace("spec:", "spec:\n  replicas: many")),
    ],
    /one mistake in the manifests; nothing was applied:\n {2}\S+type\.yaml:6:\d+ spec\.replicas is "many"; expected .*number/,
  ],
  "YAML that is none": [
    ["local", "up", "-f", manifest("yaml", "kind: [Deployment\n")],
    /yaml\.yaml:\d+:\d+ Flow sequence/,
  ],
  "a file that is not there": [
    ["local", "up", "-f", join(dir, "nowhere.yaml")],
    /nowhere\.yaml: there is no such file or folder/,
  ],
  "no manifests at all": [["local", "up"], /name manifests with -f FILE or -f FOLDER/],
  "a program that is not installed": [
    [
      "local",
      "up",
      "-f",
      manifest("program", workload("web").replace("[node,", "[no-such-program,")),
    ],
    /Deployment shop\/web: there is no program "no-such-program" for container web; install it, or give its path/,
  ],
  "an image without a command": [
    [
      "local",
      "up",
      "-f",
      manifest("image", workload("web").replace(/command: .*/, "image: nginx:1")),
    ],
    /Deployment shop\/web: container web names only the image nginx:1.*give it a command, such as/,
  ],
  "a service that is not there to publish": [
    ["local", "up", "-f", good, "--publish=shop/wep=28760"],
    /there is no Service shop\/wep to publish/,
  ],
  "a flag that is not there": [
    ["local", "up", "-f", good, "--pubish=x"],
    /there is no flag --pubish.*--help/,
  ],
  "a flag without a sense": [
    ["local", "up", "-f", good, "--publish=web"],
    /"web" is not NAMESPACE\/SERVICE=PORT/,
  ],
  "a command that is not there": [["loca"], /there is no command "loca".*Did you mean "local"\?/],
  "no mesh to talk to": [
    ["viz", "stat", "deploy"],
    /no mesh is running on .*: start one with "linkerd local up/,
  ],
  "a kind that is not there": [
    ["viz", "stat", "deplyo"],
    /"deplyo" is no kind of resource: use one of .*deploy/,
  ],
};

for (const [title, [words, sentence]] of Object.entries(CASES))
  test(title, async () => isRefused([...words, "--state-dir", join(dir, "state")], sentence));

test("a state folder that is a file", async () => {
  const stateDir = join(dir, "file", "state");
  await isRefused(
    ["local", "up", "-f", good, "--state-dir", stateDir],
    /the state folder .* is not a folder; name another one/,
  );
});

test("a state folder of somebody else", async () => {
  // Root may write anywhere but where nobody may.
  const stateDir = process.getuid?.() === 0 ? "/proc/state" : join(locked, "state");
  await isRefused(
    ["local", "up", "-f", good, "--state-dir", stateDir],
    /the state folder .* is not ours to write; name another one/,
  );
});

test("an issuer that is no key, and one that has expired", { timeout: 60_000 }, async (t) => {
  const stateDir = join(dir, "issuer");
  const clock = { ...systemClock, wall: () => Date.now() - 400 * 86_400_000 } as typeof systemClock;
  await openIssuer(stateDir, "cluster.local", clock);
  const expired = readFileSync(join(stateDir, "issuer.pem"), "utf8");
  assert.ok(Date.parse(new X509Certificate(expired).validTo) < Date.now());
  const words = ["local", "up", "-f", good, "--state-dir", stateDir];
  const up = start(words);
  t.after(() => stop(up));
  const output = gather(up);
  await until(() => /The mesh is running/.test(output.stderr) || up.exitCode !== null);
  assert.equal(up.exitCode, null, output.stderr);
  const renewed = readFileSync(join(stateDir, "issuer.pem"), "utf8");
  assert.ok(Date.parse(new X509Certificate(renewed).validTo) > Date.now(), "it was renewed");
  await stop(up);
  writeFileSync(join(stateDir, "issuer.key"), "no key");
  await isRefused(
    words,
    /the control plane does not start: .*issuer\.pem and issuer\.key in \S+ cannot be used .*remove both, and new ones are made/,
  );
});

test("a mesh that is stopped while it starts is gone at once", { timeout: 60_000 }, async () => {
  const stateDir = join(dir, "issuer");
  const up = start(["local", "up", "-f", good, "--state-dir", stateDir]);
  const output = gather(up);
  await until(() => processes(stateDir).some(({ argv }) => argv.includes("controller")));
  await stop(up);
  assert.equal(up.exitCode, 1, output.stderr);
  assert.match(output.stderr, /Error: the mesh was stopped before it had started/);
  await until(() => processes(stateDir).length === 0, 10_000);
});

async function isRefused(words: string[], sentence: RegExp): Promise<void> {
  const { code, stdout, stderr } = await run(words, {}, 50_000);
  assert.equal(stdout, "");
  assert.match(stderr, sentence);
  assert.equal(stderr.split("\n").filter((line) => line.startsWith("Error: ")).length, 1, stderr);
  assert.ok(!/^ +at /m.test(stderr), "no stack");
  assert.equal(code, 1);
  assert.deepEqual(processes(dir), []);
}
