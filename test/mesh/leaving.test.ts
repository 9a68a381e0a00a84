// However a mesh ends, nothing of it stays but its state folder: no process, no listening port, no socket.
// Needs: linux.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectMesh } from "../../src/platform/remote.ts";
import { workload } from "../support/shop.ts";
import { gather, run, start, stop, until } from "./mesh.ts";

const dir = mkdtempSync(join(tmpdir(), "leaving-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const manifest = join(dir, "shop.yaml");
writeFileSync(manifest, workload("web"));

/** The process groups of a mesh: its own children, each with whatever it has started. */
async function groupsOf(stateDir: string): Promise<Set<number>> {
  const { pid } = await connectMesh(join(stateDir, "mesh.sock")).status.next();
  const children = everybody().filter(({ parent }) => parent === pid);
  assert.ok(children.length >= 3, `${children.length} children`);
  return new Set([...children.map((child) => child.group), pid]);
}

function everybody(): { pid: number; parent: number; group: number }[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const [state, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state === "Z"
        ? []
        : [{ pid: Number(name), parent: Number(parent), group: Number(group) }];
    } catch {
      return [];
    }
  });
}

async function isGone(groups: Set<number>, forMs: number): Promise<void> {
  const left = () => everybody().filter(({ pid, group }) => groups.has(pid) || groups.has(group));
  await until(() => left().length === 0, forMs);
}

async function isListening(address: string): Promise<boolean> {
  const [host, port] = address.replace(/^http:\/\//, "").split(":");
  const socket = connect({ host: host!, port: Number(port) });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function whenRunning(child: ChildProcess): Promise<{ stdout: string; stderr: string }> {
  const output = gather(child);
  await until(
    () =>
      /Ctrl-C stops (it|everything)/.test(output.stdout + output.stderr) || child.exitCode !== null,
    40_000,
  );
  assert.equal(child.exitCode, null, output.stderr);
  return output;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
  test(`the demo ends with ${signal} and leaves nothing`, { timeout: 90_000 }, async (t) => {
    const stateDir = join(dir, signal);
    const child = start([
      "demo",
      "--state-dir",
      stateDir,
      ...(signal === "SIGINT" ? [] : ["-f", manifest]),
    ]);
    t.after(() => stop(child, "SIGKILL"));
    const { stdout } = await whenRunning(child);
    const groups = await groupsOf(stateDir);
    const addresses = stdout.match(/http:\/\/[\d.]+:\d+/g)!;
    assert.ok(addresses.length >= 1, stdout);
    const began = performance.now();
    await stop(child, signal);
    await isGone(groups, 10_000);
    t.diagnostic(`all gone after ${Math.round(performance.now() - began)} ms`);
    for (const address of addresses) assert.equal(await isListening(address), false, address);
    if (signal === "SIGKILL") return;
    assert.equal(child.exitCode, signal === "SIGINT" || signal === "SIGTERM" ? 0 : null);
    assert.equal(existsSync(join(stateDir, "mesh.sock")), false);
    const secrets = readdirSync(join(stateDir, "pods"), { recursive: true, withFileTypes: true });
    assert.deepEqual(
      secrets.filter((entry) => entry.isFile()),
      [],
    );
  });
}

test(
  "a second mesh on a state folder is refused; after a SIGKILL the next one starts",
  { timeout: 90_000 },
  async (t) => {
    const words = ["local", "up", "-f", manifest, "--state-dir", join(dir, "second")];
    const first = start(words);
    t.after(() => stop(first, "SIGKILL"));
    await whenRunning(first);
    const groups = await groupsOf(join(dir, "second"));
    for (const more of [[], ["-d"]]) {
      const { code, stderr } = await run([...words, ...more]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /a local mesh runs on .*second already; stop it with `linkerd local down`, or name another --state-dir/,
      );
    }
    await stop(first, "SIGKILL");
    const next = start(words);
    t.after(() => stop(next));
    await whenRunning(next);
    await isGone(groups, 10_000);
  },
);

test("a port that another program has is not taken from it", { timeout: 60_000 }, async (t) => {
  const other = createServer((socket) => socket.end("mine")).listen(28_740, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const stateDir = join(dir, "port");
  const child = start([
    "local",
    "up",
    "-f",
    manifest,
    "--state-dir",
    stateDir,
    "--publish=shop/web=28740",
  ]);
  t.after(() => stop(child));
  const { stdout } = await whenRunning(child);
  const [, address] = /shop\/web: (http:\S+)/.exec(stdout)!;
  assert.notEqual(address, "http://127.0.0.1:28740");
  const rsp = await fetch(address!);
  assert.match(
    await rsp.text(),
    /^web called by ingress/,
    JSON.stringify([rsp.status, ...rsp.headers]),
  );
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  test(`a command that gets no answer ends with ${signal}`, { timeout: 60_000 }, async (t) => {
    const silent = createServer().listen(0, "127.0.0.1");
    t.after(() => silent.close());
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const kubeconfig = join(dir, `${signal}.kubeconfig`);
    const cluster = { name: "c", cluster: { server: `http://127.0.0.1:${port}` } };
    const context = { name: "c", context: { cluster: "c", user: "c" } };
    const users = [{ name: "c", user: {} }];
    writeFileSync(
      kubeconfig,
      JSON.stringify({ clusters: [cluster], users, contexts: [context], "current-context": "c" }),
    );
    const child = start(["viz", "stat", "deploy", "--kubeconfig", kubeconfig]);
    const output = gather(child);
    await once(silent, "connection");
    child.kill(signal);
    assert.deepEqual(await once(child, "close"), [code, null], output.stderr);
    assert.deepEqual(output, { stdout: "", stderr: "" });
  });
