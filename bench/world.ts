// Where a benchmark runs. As root: network, process and mount namespaces of its own, in which iptables sends what is
// meant for a service to the proxy, by the rules that Linkerd has in a pod; when they end, the kernel ends everything
// that was started in them. Otherwise: the machine's loopback, where a proxy is called at its own port.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

/** The users that proxies run as, by which the rules know them: in front of the client, and of the server. */
export const CLIENT_PROXY = 2102;
export const SERVER_PROXY = 2103;

/** Where a client-side proxy accepts, and where a server-side one does. */
export const OUTBOUND_PORT = 4140;
export const INBOUND_PORT = 4143;

export type World = {
  /** Whether connections to the service reach the proxy by themselves. */
  readonly redirects: boolean;
  /** A folder for configuration and certificates; removed at the end. */
  readonly folder: string;
  /** Where proxies and the control plane listen. */
  readonly local: string;
  /** Where backends listen: everywhere, if nobody else is there. */
  readonly backend: string;
  /** A workload without and one with a proxy of its own. */
  readonly plain: string;
  readonly meshed: string;
  /** The services in front of them, and one with many endpoints. */
  readonly services: { readonly plain: string; readonly meshed: string; readonly many: string };
  /** The processors of proxies, and of load and backends. */
  readonly proxyCpus: string;
  readonly loadCpus: string;
  readonly cores: number;
};

const INSIDE = "LINKERD_BENCH_FOLDER";

/** Runs `body` in a world with `cores` processors for the proxy; exits with 1 when it fails. */
export async function within(cores: number, body: (world: World) => Promise<void>): Promise<void> {
  const inside = process.env[INSIDE];
  if (inside === undefined && process.getuid?.() === 0) return reexec();
  const folder = inside ?? makeFolder();
  let code = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(130));
  if (inside === undefined)
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  else layNetwork();
  try {
    await body(worldAt(folder, inside !== undefined, cores));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    code = 1;
  }
  process.exit(code);
}

/** The same program again in namespaces of its own, which end with it whatever happens. */
async function reexec(): Promise<void> {
  const folder = makeFolder();
  const child = spawn(
    "unshare",
    [
      "--net",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
      process.execPath,
      ...process.execArgv,
      ...process.argv.slice(1),
    ],
    { stdio: "inherit", env: { ...process.env, [INSIDE]: folder } },
  );
  // unshare does not hear SIGTERM while it waits; its death takes the namespaces with it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => child.kill("SIGKILL"));
  const [code] = (await once(child, "exit")) as [number | null];
  rmSync(folder, { recursive: true, force: true });
  process.exit(code ?? 130);
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-bench-"));
  chmodSync(folder, 0o777);
  return folder;
}

/** The same world with `cores` processors for the proxy. */
export function withCores(world: World, cores: number): World {
  return { ...world, ...processors(cores) };
}

function processors(cores: number): Pick<World, "proxyCpus" | "loadCpus" | "cores"> {
  const all = cpus().map((_, index) => index);
  // With as many cores for the proxy as there are, load shares them; the figures then say less.
  const rest = all.slice(cores);
  return {
    proxyCpus: all.slice(0, cores).join(),
    loadCpus: (rest.length > 0 ? rest : all).join(),
    cores,
  };
}

function worldAt(folder: string, redirects: boolean, cores: number): World {
  const net = redirects ? "10.77" : "127.77";
  return {
    ...processors(cores),
    redirects,
    folder,
    local: redirects ? "127.0.0.1" : `${net}.0.1`,
    backend: redirects ? "0.0.0.0" : `${net}.1.1`,
    plain: `${net}.1.1`,
    meshed: `${net}.1.2`,
    services: { plain: `${net}.96.1`, meshed: `${net}.96.2`, many: `${net}.96.3` },
  };
}

/** The n-th of many addresses of this machine, for services with many endpoints. */
export function addressOf(world: World, n: number): string {
  return `${world.plain.replace(/\.1\.1$/, "")}.${2 + (n >> 8)}.${n & 255}`;
}

function layNetwork(): void {
  const run = (command: string): unknown => execFileSync("sh", ["-c", command], { stdio: "pipe" });
  run("ip link set lo up && ip address add 10.77.0.1/16 dev lo");
  for (const rule of [
    "-N LINKERD",
    // What the proxies themselves send goes where it is meant to, except from the one to the other.
    `-A LINKERD -m owner --uid-owner ${SERVER_PROXY} -j RETURN`,
    `-A LINKERD -m owner --uid-owner ${CLIENT_PROXY} -d 10.77.1.2 -p tcp -j REDIRECT --to-port ${INBOUND_PORT}`,
    `-A LINKERD -m owner --uid-owner ${CLIENT_PROXY} -j RETURN`,
    `-A LINKERD -d 10.77.96.0/24 -p tcp -j REDIRECT --to-port ${OUTBOUND_PORT}`,
    "-A OUTPUT -p tcp -j LINKERD",
  ])
    run(`iptables -w -t nat ${rule}`);
}
