// Runs the mesh's own process in a network of its own, where it may make bridges and rules: as root, or as
// anybody where the kernel lets users have namespaces. This side stays in the machine's network, lets the
// outside in at the published addresses, and the inside out.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Close } from "../base/watch.ts";
import { claimMesh } from "./addresses.ts";
import { killGroup, WATCHED } from "./child.ts";
import type { Env } from "./state.ts";
import { connectMesh } from "./remote.ts";
import { relayTo, serveRelay } from "./relay.ts";
import { State } from "./state.ts";

/** Set inside: the number of the mesh, which only the machine's own network can claim. */
export const ISOLATED = "LINKERD_LOCAL_ISOLATED";

/** The address at which pods reach the machine itself. */
export const MACHINE_IP = "10.244.255.254";

const TOOLS = ["unshare", "nsenter", "ip", "iptables", "mount"];

/** Sockets in the state folder: into the mesh's network, and out of it. */
export const insideSocket = (stateDir: string): string => join(stateDir, "inside.sock");
export const outsideSocket = (stateDir: string): string => join(stateDir, "outside.sock");

/**
 * Runs `argv` isolated until it ends; resolves to its exit code. Rejects when this machine cannot. `notice` gets
 * sentences for the user.
 */
export async function runIsolated(
  argv: readonly string[],
  stateDir: string,
  env: Env,
  clock: Clock,
  notice: (sentence: string) => void,
): Promise<number> {
  requireTools(env);
  const state = new State(stateDir);
  const mesh = await claimMesh();
  const translate = (ip: string): string => (ip === MACHINE_IP ? "127.0.0.1" : ip);
  const closeOut = await serveRelay(outsideSocket(state.dir), { translate });
  const relays = new Relays(insideSocket(state.dir), notice);
  const status = connectMesh(state.socket, clock).status.each(({ published, exposed }) => {
    relays.set([...published.map(({ address }) => address), ...exposed]);
  });
  try {
    return await enter(argv, { ...env, [ISOLATED]: String(mesh.number) });
  } finally {
    status();
    relays.set([]);
    closeOut();
    mesh.close();
  }
}

function enter(argv: readonly string[], env: Env): Promise<number> {
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const unshare = ["unshare", ...user, "--net", "--mount", "--", ...argv];
  const child = spawn("/bin/sh", ["-c", WATCHED, "sh", ...unshare], {
    detached: true,
    stdio: ["inherit", "inherit", "inherit", "pipe"],
    env,
  });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", pass).on("SIGTERM", pass);
  return new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
  }).finally(() => {
    process.off("SIGINT", pass).off("SIGTERM", pass);
    // The watcher has nothing left to watch.
    killGroup(child.pid);
    child.stdio[3]?.destroy();
  });
}

// Listeners of the machine's network for addresses inside, kept in line with what is published.
class Relays {
  readonly #socket: string;
  readonly #notice: (sentence: string) => void;
  readonly #open = new Map<string, Promise<Close>>();

  constructor(socket: string, notice: (sentence: string) => void) {
    this.#socket = socket;
    this.#notice = notice;
  }

  set(addresses: readonly string[]): void {
    for (const [address, close] of this.#open) {
      if (addresses.includes(address)) continue;
      this.#open.delete(address);
      void close.then((stop) => stop());
    }
    for (const address of addresses) {
      if (this.#open.has(address)) continue;
      const at = address.lastIndexOf(":");
      const [host, port] = [address.slice(0, at), Number(address.slice(at + 1))];
      this.#open.set(
        address,
        relayTo(this.#socket, host, port, address).catch((error: unknown) => {
          this.#notice(`${address} cannot be had on this machine: ${Fault.from(error).message}`);
          return () => {};
        }),
      );
    }
  }
}

function requireTools(env: Env): void {
  if (process.platform !== "linux") {
    throw new Fault(
      "not-implemented",
      "--transparent needs Linux; leave it out to use loopback addresses",
    );
  }
  const folders = [...(env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  const missing = TOOLS.filter((tool) => !folders.some((folder) => isRunnable(join(folder, tool))));
  if (missing.length === 0) return;
  throw new Fault(
    "not-found",
    `--transparent needs ${missing.join(", ")}; install the packages iproute2, iptables and util-linux`,
  );
}

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
