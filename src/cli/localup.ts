// The verbs `linkerd local up` and `linkerd local down`: the life of a mesh on this machine.

import { spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pause, systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { ISOLATED, runIsolated } from "../platform/isolation.ts";
import { runsAlready } from "../platform/local.ts";
import type { Mesh } from "../platform/mesh.ts";
import { connectMesh } from "../platform/remote.ts";
import { State } from "../platform/state.ts";
import { readText } from "../viz/scrape.ts";
import { command, type Globals } from "./command.ts";
import { list, oneOf, text, toggle } from "./flag.ts";
import { connectLocal, file, stateDirOf } from "./localaccess.ts";
import { printStatus } from "./localstatus.ts";
import { programArgv, ready, runLocal, vizAddr } from "./running.ts";
import { spin } from "./spinner.ts";
import type { Terminal } from "./terminal.ts";
import { untilStopped } from "./terminal.ts";

const RETRY_MS = 100;
const ASK_MS = 2000;

export const up = command({
  name: "up",
  summary: "Start a mesh and the workloads of manifests",
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
    transparent: toggle(
      "Give each pod a network of its own, in place of loopback addresses (Linux)",
    ),
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
    if (flags.detach) return detach(globals, terminal);
    const stateDir = stateDirOf(globals, terminal.env);
    if (flags.transparent && terminal.env[ISOLATED] === undefined) {
      // The same command again, in a network of its own.
      const argv = programArgv(...process.argv.slice(2));
      const notice = (sentence: string): void => terminal.note(sentence);
      const ended = runIsolated(argv, stateDir, terminal.env, systemClock, notice);
      terminal.scope.defer(async () => void (await Promise.allSettled([ended])));
      return ended;
    }
    const running = await runLocal(
      {
        manifests: flags.file,
        network: flags.transparent ? "transparent" : "loopback",
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

// The same command again, without --detach, as a process of its own. One that runs already would answer in its place.
async function detach(globals: Globals, terminal: Terminal): Promise<number> {
  const state = new State(stateDirOf(globals, terminal.env));
  const isRunning = connectLocal(globals, terminal.env).then(
    () => true,
    () => false,
  );
  if (await isRunning) throw runsAlready(state.dir);
  const log = join(state.dir, "mesh.log");
  const out = openSync(log, "w", 0o600);
  const [program, ...args] = programArgv(...process.argv.slice(2), "--detach=false");
  const child = spawn(program!, args, { detached: true, stdio: ["ignore", out, out] });
  const ended = new Promise<never>((_, reject) => {
    child.on("exit", () => {
      const [, why = `${log} has its log`] =
        /Error: ([^]*)$/.exec(readFileSync(log, "utf8").trimEnd()) ?? [];
      reject(new Fault("unavailable", `the mesh did not start: ${why}`));
    });
  });
  const spinner = spin(terminal, "starting the control plane");
  try {
    const mesh = connectMesh(state.socket);
    // Viz starts when the manifests have been read, and not before.
    await Promise.race([ended, untilAnswers(mesh)]);
    await Promise.race([ended, ready(mesh, terminal, (what) => spinner.say(what))]);
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

async function untilAnswers(mesh: Mesh): Promise<void> {
  const viz = vizAddr(await mesh.status.next());
  for (;;) {
    const answer = await readText(viz, "/api/version", ASK_MS).catch(() => undefined);
    if (answer !== undefined) return;
    await pause(systemClock, RETRY_MS);
  }
}

export const down = command({
  name: "down",
  summary: "Stop the mesh and everything in it",
  run: async ({ globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    const { pid } = await mesh.status.next();
    const spinner = spin(terminal, "stopping the mesh");
    await mesh.stop();
    while (isAlive(pid)) await pause(systemClock, 50);
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
