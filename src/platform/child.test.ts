// Children leave nothing behind: not when they end, not when they are stopped, not when we are killed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { Child } from "./child.ts";

const env = { PATH: process.env["PATH"]! };

function start(script: string, lines: string[] = []): Child {
  return new Child({ argv: ["sh", "-c", script], env, cwd: "/", line: (l) => lines.push(l) });
}

// A zombie is dead; it only waits for init.
function isAlive(pid: number): boolean {
  const stat = spawnSync("ps", ["-o", "stat=", "-p", String(pid)])
    .stdout.toString()
    .trim();
  return stat !== "" && !stat.startsWith("Z");
}

async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("lines, exit codes and the environment arrive", async () => {
  const lines: string[] = [];
  const exit = await start("echo one; printf two >&2; exit 3", lines).exited;
  assert.deepEqual(exit, { code: 3 });
  assert.deepEqual(lines.sort(), ["one", "two"]);
});

test("a program that is not there says so", async () => {
  const lines: string[] = [];
  const child = new Child({ argv: ["/no/such"], env, cwd: "/", line: (l) => lines.push(l) });
  assert.equal((await child.exited).code, 127);
  assert.match(lines.join(), /no\/such.*not found/);
});

test("a folder that is not there says so", async () => {
  const child = new Child({ argv: ["true"], env, cwd: "/no/such", line: () => {} });
  assert.match((await child.exited).message!, /ENOENT/);
});

test("stop waits for the grace period, then ends the group", async () => {
  const lines: string[] = [];
  const child = start("trap 'echo asked' TERM; sleep 60 & echo $!; wait; wait", lines);
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const exit = await child.stop(200);
  assert.equal(exit.code === 0 || exit.signal === "SIGKILL", true);
  assert.ok(lines.includes("asked"));
  await gone(Number(lines[0]));
});

test("a program's own children end with it", async () => {
  const lines: string[] = [];
  await start("sleep 60 & echo $!", lines).exited;
  await gone(Number(lines[0]));
});

test("children end when their parent is killed", async () => {
  const source = `
    import { Child } from ${JSON.stringify(new URL("./child.ts", import.meta.url).href)};
    const child = new Child({ argv: ["sh", "-c", "echo $$; sleep 60"], env: process.env, cwd: "/",
      line: (l) => console.log(l) });
    await child.exited;`;
  const parent = spawn(process.execPath, ["--input-type=module-typescript", "-e", source]);
  const [pid] = (await once(parent.stdout, "data")) as [Buffer];
  parent.kill("SIGKILL");
  await once(parent, "exit");
  await gone(Number(pid.toString()));
});
