// The verbs of `linkerd local`: a mesh on this machine, from the manifests that a cluster would get.

import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Kind } from "../platform/kinds.ts";
import { KINDS as PLATFORM_KINDS } from "../platform/kinds.ts";
import { readManifests } from "../platform/manifests.ts";
import type { Mesh } from "../platform/mesh.ts";
import { connectMesh } from "../platform/remote.ts";
import { defaultStateDir, State } from "../platform/state.ts";
import { parseResource } from "../viz/kinds.ts";
import type { Globals } from "./command.ts";
import { command } from "./command.ts";
import { count, list, oneOf, optional, text, toggle } from "./flag.ts";
import { printStatus } from "./localstatus.ts";
import { programArgv, ready, runLocal } from "./running.ts";
import { spin } from "./spinner.ts";
import type { Terminal } from "./terminal.ts";
import { untilStopped } from "./terminal.ts";

const file = list("FILE", "Manifest, or folder of manifests; may be repeated", {
  short: "f",
  offers: "file",
});
const namespace = text("NAME", "default", "Namespace", { short: "n", offers: "namespace" });

/** The state folder that the flags and the environment name. */
export function stateDirOf(globals: Globals, env: NodeJS.ProcessEnv): string {
  return globals.stateDir ?? env["LINKERD_STATE_DIR"] ?? defaultStateDir(env);
}

/** The mesh that runs on the state folder; rejects with what to do when none does. */
export async function connectLocal(globals: Globals, env: NodeJS.ProcessEnv): Promise<Mesh> {
  const dir = stateDirOf(globals, env);
  const socket = join(dir, "mesh.sock");
  const none = new Fault(
    "not-found",
    `no mesh is running on ${dir}: start one with "linkerd local up -f MANIFESTS" or "linkerd demo"`,
  );
  if (!existsSync(socket)) throw none;
  const mesh = connectMesh(socket);
  // A socket that nobody serves was left by a mesh that was killed.
  await mesh.apply([]).catch(() => {
    throw none;
  });
  return mesh;
}

const up = command({
  name: "up",
  summary: "Start a mesh and the workloads of manifests",
  usage: "[flags]",
  details: `Each container's command runs as a process, with a sidecar in front. Files are watched: what changes in
them changes in the mesh. Ctrl-C stops everything.`,
  examples: [
    ["Everything in a folder", "local up -f my-manifests/"],
    ["In the background", "local up -f app.yaml --detach"],
    ["With a service on a port of this machine", "local up -f app.yaml --publish shop/web=8080"],
  ],
  flags: {
    file,
    watch: toggle("Follow changes of the files", { initial: true }),
    detach: toggle("Return when everything is ready, and leave the mesh running", { short: "d" }),
    transparent: toggle("Redirect with network namespaces in place of loopback addresses"),
    inject: oneOf(
      ["opt-out", "opt-in"],
      "Whether pods get a sidecar unless they say no, or only if they say yes",
    ),
    publish: list("NS/SVC=PORT", "Publish a service on a port of 127.0.0.1; may be repeated"),
    trustDomain: text("DOMAIN", "cluster.local", "Trust domain of identities"),
  },
  run: async ({ flags, globals, terminal }) => {
    if (flags.file.length === 0)
      throw new Fault("bad-input", "name manifests with -f FILE or -f FOLDER");
    if (flags.transparent) {
      throw new Fault(
        "not-implemented",
        "--transparent is not available yet: leave it out to use loopback addresses",
      );
    }
    const stateDir = stateDirOf(globals, terminal.env);
    if (flags.detach) return detach(stateDir, terminal);
    const running = await runLocal(
      {
        manifests: flags.file,
        watch: flags.watch,
        stateDir,
        inject: flags.inject,
        trustDomain: flags.trustDomain,
        publish: Object.fromEntries(flags.publish.map(parsePublish)),
      },
      terminal,
    );
    if (terminal.scope.closed) return 0;
    for (const { service, address } of running.status.published)
      terminal.print(`${service}: http://${address}\n`);
    terminal.print(`Dashboard: ${running.viz.address}\n`);
    terminal.note('The mesh is running. "linkerd local status" shows it; Ctrl-C stops it.');
    await followNotices(running.mesh, terminal);
    return 0;
  },
});

/** "shop/web=8080" */
function parsePublish(value: string): [string, number] {
  const [, service, port] = /^([\w.-]+\/[\w.-]+)=(\d+)$/.exec(value) ?? [];
  if (!service) throw new Fault("bad-input", `--publish: "${value}" is not NAMESPACE/SERVICE=PORT`);
  return [service, Number(port)];
}

async function followNotices(mesh: Mesh, terminal: Terminal): Promise<void> {
  let seen = 0;
  const close = mesh.status.each(({ notices }) => {
    for (const notice of notices.slice(Math.min(seen, notices.length))) terminal.note(notice);
    seen = notices.length;
  });
  await untilStopped(terminal);
  close();
}

// The same command again, without --detach, as a process of its own.
async function detach(stateDir: string, terminal: Terminal): Promise<number> {
  const state = new State(stateDir);
  const log = join(state.dir, "mesh.log");
  const out = openSync(log, "w", 0o600);
  const words = process.argv.slice(2).filter((word) => !/^(-d|--detach(=true)?)$/.test(word));
  const [program, ...args] = programArgv(...words);
  const child = spawn(program!, args, { detached: true, stdio: ["ignore", out, out] });
  const ended = new Promise<never>((_, reject) => {
    child.on("exit", () =>
      reject(new Fault("unavailable", `the mesh did not start; ${log} says why`)),
    );
  });
  const spinner = spin(terminal, "starting the control plane");
  try {
    const mesh = connectMesh(state.socket);
    await Promise.race([ended, ready(mesh, terminal, spinner.say)]);
    if (terminal.scope.closed) {
      child.kill();
      return 1;
    }
    spinner.stop();
    terminal.print(await printStatus(mesh, terminal));
    return 0;
  } finally {
    spinner.stop();
    child.unref();
  }
}

const down = command({
  name: "down",
  summary: "Stop the mesh and everything in it",
  run: async ({ globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    const { pid } = await mesh.status.next();
    const spinner = spin(terminal, "stopping the mesh");
    await mesh.stop();
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 50));
    spinner.stop();
    terminal.print("The mesh has stopped.\n");
  },
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const status = command({
  name: "status",
  summary: "Show the mesh, its pods and what is published",
  flags: { output: oneOf(["table", "json"], "Format of the output", { short: "o" }) },
  run: async ({ flags, globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    if (flags.output === "table") terminal.print(await printStatus(mesh, terminal));
    else terminal.print(`${JSON.stringify(await mesh.status.next(), null, 2)}\n`);
  },
});

const logs = command({
  name: "logs",
  summary: "Print what a container prints",
  usage: "[flags] POD|TYPE/NAME",
  examples: [
    ["A workload", "local logs deploy/web -n emojivoto -f"],
    ["Its sidecar", "local logs deploy/web -n emojivoto -c linkerd-proxy"],
    ["The control plane", "local logs linkerd-controller -n linkerd"],
  ],
  args: [1, 1],
  offers: "resource",
  flags: {
    namespace,
    container: optional(
      "NAME",
      "Container; the first one unless given, linkerd-proxy for the sidecar",
      { short: "c" },
    ),
    follow: toggle("Go on until Ctrl-C", { short: "f" }),
    tail: count("N", 100, "Lines of the past"),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    const pod = `${flags.namespace}/${await podNamed(mesh, flags.namespace, args[0]!)}`;
    const container = flags.container === undefined ? {} : { container: flags.container };
    const query = { pod, ...container, tail: flags.tail };
    const print = ({ line }: { line: string }): void => terminal.print(`${line}\n`);
    if (!flags.follow) {
      (await mesh.recent(query)).forEach(print);
      return;
    }
    terminal.scope.defer(await mesh.logs(query, print));
    await untilStopped(terminal);
  },
});

async function podNamed(mesh: Mesh, ns: string, word: string): Promise<string> {
  if (!word.includes("/")) return word;
  const { kind, name } = parseResource(word);
  if (kind === "pod") return name;
  const pods = await mesh.resources.watch("Pod").next();
  const found = [...pods.values()].find(
    ({ metadata: { namespace, ownerReferences } }) =>
      namespace === ns &&
      ownerReferences.some((owner) => owner.kind.toLowerCase() === kind && owner.name === name),
  );
  if (!found) throw new Fault("not-found", `there is no pod of ${word} in ${ns}`);
  return found.metadata.name;
}

const run = command({
  name: "run",
  summary: "Add a command to the mesh, as a workload with a service",
  usage: "[flags] -- COMMAND…",
  examples: [
    [
      "A cache that others call cache.default:6379",
      "local run --service cache --port 6379 -- redis-server --port 6379",
    ],
  ],
  args: [1, 1000],
  flags: {
    namespace,
    service: optional("NAME", "Name of the workload and its service"),
    port: count("PORT", 0, "Port that the command listens on; it also gets it as PORT"),
    replicas: count("N", 1, "How many of it"),
    env: list("NAME=VALUE", "Environment variable; may be repeated"),
  },
  run: async ({ args, flags, globals, terminal }) => {
    if (flags.service === undefined || flags.port === 0) {
      throw new Fault("bad-input", "name the service and its port: --service NAME --port PORT");
    }
    const mesh = await connectLocal(globals, terminal.env);
    const lines = await mesh.run({
      name: flags.service,
      namespace: flags.namespace,
      port: flags.port,
      argv: args,
      cwd: process.cwd(),
      replicas: flags.replicas,
      env: Object.fromEntries(
        flags.env.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]),
      ),
    });
    terminal.print(`${lines.join("\n")}\n`);
  },
});

const apply = command({
  name: "apply",
  summary: "Store the resources of manifests in the mesh",
  usage: "-f FILE",
  examples: [["A policy", "local apply -f deny-all.yaml"]],
  flags: { file },
  run: async ({ flags, globals, terminal }) => {
    if (flags.file.length === 0)
      throw new Fault("bad-input", "name manifests with -f FILE or -f FOLDER");
    const { resources, skipped } = await readManifests(flags.file);
    const mesh = await connectLocal(globals, terminal.env);
    terminal.print(`${(await mesh.apply(resources)).join("\n")}\n`);
    if (skipped.length > 0)
      terminal.note(`left aside, since the local mesh has no use for them: ${skipped.join(", ")}`);
  },
});

const scale = command({
  name: "scale",
  summary: "Change how many pods a workload has",
  usage: "TYPE/NAME --replicas N",
  args: [1, 1],
  offers: "resource",
  flags: { namespace, replicas: count("N", 1, "How many") },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    const [kind, key] = workloadNamed(args[0]!, flags.namespace);
    await mesh.scale(kind, key, flags.replicas);
    terminal.print(`${args[0]} scaled\n`);
  },
});

const restart = command({
  name: "restart",
  summary: "Replace the pods of a workload one by one",
  usage: "TYPE/NAME",
  args: [1, 1],
  offers: "resource",
  flags: { namespace },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    await mesh.restart(...workloadNamed(args[0]!, flags.namespace));
    terminal.print(`${args[0]} restarted\n`);
  },
});

function workloadNamed(word: string, ns: string): [Kind, string] {
  const { kind, name } = parseResource(word.includes("/") ? word : `deploy/${word}`);
  const found = (Object.keys(PLATFORM_KINDS) as Kind[]).find((each) => each.toLowerCase() === kind);
  if (!found) throw new Fault("bad-input", `the local mesh runs no ${kind}`);
  return [found, `${ns}/${name}`];
}

export const local = command({
  name: "local",
  summary: "A mesh on this machine, without Kubernetes",
  commands: [up, down, status, logs, run, apply, scale, restart],
});
