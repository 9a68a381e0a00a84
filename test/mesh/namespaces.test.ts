// A mesh in networks of its own leaves none of them behind: no namespace, no interface, no rule, no process.
// Needs: linux, root, ip, iptables, nsenter, unshare.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { workload } from "../support/shop.ts";
import { gather, start, stop, until } from "./mesh.ts";

const dir = mkdtempSync(join(tmpdir(), "ns-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const manifest = join(dir, "shop.yaml");
writeFileSync(manifest, workload("web"));

/** The network namespaces that some process is in. */
function namespaces(): Set<string> {
  const found = readdirSync("/proc").flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readlinkSync(`/proc/${pid}/ns/net`)] : [];
    } catch {
      return [];
    }
  });
  return new Set(found);
}

/** What the machine's own network has: interfaces, named namespaces, rules, mounts. */
function machine(): string {
  const commands = [
    ["ip", "-o", "link"],
    ["ip", "netns", "list"],
    ["iptables", "-S"],
    ["iptables", "-t", "nat", "-S"],
    ["sh", "-c", `grep -F "${dir}" /proc/self/mounts`],
  ];
  return commands
    .map(([program, ...words]) => spawnSync(program!, words, { encoding: "utf8" }).stdout)
    .join("--\n");
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(
    `${signal} takes the networks of a transparent mesh away`,
    { timeout: 60_000 },
    async (t) => {
      const [before, own] = [machine(), namespaces()];
      const stateDir = join(dir, signal);
      const words = ["local", "up", "-f", manifest, "--transparent", "--state-dir", stateDir];
      const child = start(words);
      t.after(() => stop(child, "SIGKILL"));
      const output = gather(child);
      await until(
        () => /The mesh is running/.test(output.stderr) || child.exitCode !== null,
        40_000,
      );
      assert.equal(child.exitCode, null, output.stderr);
      const made = [...namespaces()].filter((each) => !own.has(each));
      assert.ok(made.length >= 2, `${made.length} namespaces`);
      await stop(child, signal);
      await until(() => made.every((each) => !namespaces().has(each)), 10_000);
      assert.equal(machine(), before);
    },
  );
}
