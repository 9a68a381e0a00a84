// A local mesh as users have one: the command `linkerd local up` on manifests, in a process of its own, with a state
// folder of its own. Tests talk to its services, type commands at it, and kill parts of it.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import type { Pod } from "../../src/platform/kinds.ts";
import type { Mesh } from "../../src/platform/mesh.ts";
import { connectMesh } from "../../src/platform/remote.ts";

export const HOME = resolve(import.meta.dirname, "../..");
const LINKERD = join(HOME, "bin/linkerd.mjs");

export type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type UpMesh = {
  readonly dir: string;
  readonly stateDir: string;
  readonly up: ChildProcess;
  readonly mesh: Mesh;
  /** The address of a published service, "http://127.0.0.1:…". */
  url(service: string): Promise<string>;
  /** Runs a command on this mesh to its end. */
  cli(...words: string[]): Promise<Outcome>;
  /** Ready pods whose names begin with `name`. */
  pods(name: string): Promise<readonly Pod[]>;
};

/** Starts `yaml` and waits until everything is ready; `words` are more flags of `local up`. */
export async function upMesh(t: TestContext, yaml: string, ...words: string[]): Promise<UpMesh> {
  const dir = mkdtempSync(join(tmpdir(), "mesh-"));
  const file = join(dir, "app.yaml");
  const stateDir = join(dir, "state");
  writeFileSync(file, yaml);
  const up = start(["local", "up", "-f", file, "--state-dir", stateDir, ...words]);
  t.after(async () => {
    await stop(up);
    rmSync(dir, { recursive: true, force: true });
  });
  const output = gather(up);
  while (!/The mesh is running/.test(output.stderr + output.stdout)) {
    if (up.exitCode !== null) throw new Error(`it ended: ${output.stderr}`);
    await pause(50);
  }
  const mesh = connectMesh(join(stateDir, "mesh.sock"));
  return {
    dir,
    stateDir,
    up,
    mesh,
    url: async (service) => {
      const { published } = await mesh.status.next();
      return `http://${published.find((each) => each.service === service)!.address}`;
    },
    cli: (...more) => run([...more, "--state-dir", stateDir]),
    pods: async (name) => {
      const pods = await mesh.resources.watch("Pod").next();
      return [...pods.values()].filter(
        (pod) => pod.metadata.name.startsWith(name) && isReady(pod) && !isLeaving(pod),
      );
    },
  };
}

/** Starts the command `linkerd`. */
export function start(words: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [LINKERD, ...words], {
    cwd: HOME,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs the command `linkerd` to its end. */
export async function run(
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
  untilMs = 20_000,
): Promise<Outcome> {
  const child = start(words, env);
  const output = gather(child);
  const timer = setTimeout(() => child.kill("SIGINT"), untilMs);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code: code ?? -1, ...output };
}

/** Ends a command as `kill` does, and waits for its end. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}

/** What a process has printed so far. */
export function gather(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: "", stderr: "" };
  child.stdout!.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  return output;
}

/** Processes whose command line or environment has `text` in it. */
export function processes(text: string): { readonly pid: number; readonly argv: string[] }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => ({ pid: Number(pid), argv: words(pid, "cmdline"), env: words(pid, "environ") }))
    .filter(({ argv, env }) => [...argv, ...env].some((word) => word.includes(text)))
    .map(({ pid, argv }) => ({ pid, argv }));
}

/** The process of a pod's container, or of its sidecar. */
export function processOf(pod: Pod, which: "app" | "sidecar"): number {
  const own = which === "app" ? "HOST=" : "LINKERD_PROXY_INBOUND_ORIGINAL_IP=";
  const ip = pod.status!.podIP!;
  const found = processes(own + ip).filter(({ pid, argv }) => {
    return argv[0] !== "/bin/sh" && words(String(pid), "environ").includes(own + ip);
  });
  if (found.length !== 1) throw new Error(`${found.length} processes are the ${which} of ${ip}`);
  return found[0]!.pid;
}

/** What a process has in memory, in MB. */
export function rssMb(pid: number): number {
  const [, kb] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kb ?? 0) / 1024;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolved) => setTimeout(resolved, ms));
}

/** Waits until `check` holds, asking again and again; fails after `forMs`. */
export async function until(
  check: () => boolean | Promise<boolean>,
  forMs = 20_000,
): Promise<void> {
  for (const end = performance.now() + forMs; performance.now() < end; await pause(25)) {
    if (await check()) return;
  }
  throw new Error(`it did not come to be: ${check.toString()}`);
}

function isReady({ status }: Pod): boolean {
  return status?.conditions.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}

function isLeaving({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function words(pid: string, file: "cmdline" | "environ"): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0");
  } catch {
    return [];
  }
}
