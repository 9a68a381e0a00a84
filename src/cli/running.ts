// A local mesh from its first process to its last, for `local up` and `demo`: control plane, sidecars and viz,
// what is being waited for, and where to look when it runs.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { pause, systemClock } from "../base/clock.ts";
import { combine, constant } from "../base/watch.ts";
import { openIssuer } from "../control/issuer.ts";
import { ownCredentials } from "../control/secure.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { LocalOptions } from "../platform/local.ts";
import { startLocal } from "../platform/local.ts";
import type { Mesh, MeshStatus } from "../platform/mesh.ts";
import type { Pod } from "../platform/kinds.ts";
import { tapIdentity } from "../platform/sidecar.ts";
import type { Viz } from "../viz/start.ts";
import { startViz } from "../viz/start.ts";
import { spin } from "./spinner.ts";
import type { Terminal } from "./terminal.ts";
import { untilStopped } from "./terminal.ts";
import { clientVersion } from "./version.ts";

/** The folder of the program: its sources in a clone, what was built from them elsewhere. */
export const HOME = join(import.meta.dirname, "../..");

const MAIN = ["dist/main.js", "src/main.ts"].map((path) => join(HOME, path));

/** The words that start one of our programs again, in the form (built, or sources) in which this one runs. */
export function programArgv(...words: string[]): string[] {
  const own = MAIN.find((path) => path === process.argv[1]);
  return [process.execPath, own ?? MAIN.find((path) => existsSync(path))!, ...words];
}

const VIZ_PORT = 28_084;
/** Where the dashboard is, unless that is taken; then the next free port. */
export const DASHBOARD_PORT = 50_750;
/** The control plane gathers changes for a moment before it tells sidecars. */
const SETTLE_MS = 250;

export type Running = { readonly mesh: Mesh; readonly status: MeshStatus; readonly viz: Viz };

/** Starts a mesh that closes with the terminal's scope; resolves when all its pods are ready, or the user has stopped it. */
export async function runLocal(
  options: Omit<LocalOptions, "programs" | "env" | "until">,
  terminal: Terminal,
): Promise<Running> {
  const spinner = spin(terminal, "starting the control plane");
  try {
    const programs = { proxy: programArgv("proxy"), controller: programArgv("controller") };
    const mesh = await startLocal({
      ...options,
      programs,
      env: terminal.env,
      until: terminal.scope,
    });
    terminal.scope.defer(() => mesh.close());
    // `local down` stops it from elsewhere.
    void mesh.stopped.then(() => terminal.scope.close());
    const status = await mesh.status.next();
    const { issuer } = await openIssuer(status.stateDir, status.trustDomain, systemClock);
    const tapper = tapIdentity(status);
    const own = await ownCredentials(constant(issuer), tapper, systemClock).next();
    const addr = vizAddr(status);
    const viz = await startViz({
      resources: mesh.resources,
      listen: [addr],
      dashboard: { ip: "127.0.0.1", port: DASHBOARD_PORT },
      clock: systemClock,
      version: clientVersion(terminal.env),
      tapsAs: () => own,
    });
    terminal.scope.defer(() => viz.close());
    for (const address of [`${addr.ip}:${addr.port}`, viz.address.replace("http://", "")])
      mesh.expose(address);
    await ready(mesh, terminal, (what) => spinner.say(what));
    return { mesh, status: await mesh.status.next(), viz };
  } finally {
    spinner.stop();
  }
}

/** Where viz of a local mesh is: on the address of its control plane. */
export function vizAddr({ destination }: MeshStatus): SocketAddr {
  return { ip: destination.slice(0, destination.lastIndexOf(":")), port: VIZ_PORT };
}

type Conditions = readonly { readonly type: string; readonly status: string }[];

/** Whether a pod says that it is ready. */
export function isReady({
  status,
}: {
  readonly status?: { readonly conditions?: Conditions };
}): boolean {
  const conditions = status?.conditions ?? [];
  return conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
}

/** Why a container of a pod waits; undefined when none does. */
export function waitingReason({ status }: Pod): string | undefined {
  const states = (status?.containerStatuses ?? []).map(({ state }) => state?.waiting?.reason);
  return states.find(Boolean);
}

/** Resolves when the control plane and every pod are ready, and every workload has its pods; or when the user stops it. */
export async function ready(
  mesh: Mesh,
  terminal: Terminal,
  say: (what: string) => void,
): Promise<void> {
  const { resources } = mesh;
  const state = combine([
    mesh.status,
    resources.watch("Pod"),
    resources.watch("Deployment"),
    resources.watch("EndpointSlice"),
  ]);
  const isUp = state.next(([status, pods, deployments, slices]) => {
    const wanted = [...deployments.values()].reduce(
      (sum, { spec }) => sum + (spec.replicas ?? 1),
      0,
    );
    const waiting = [...pods.values()].filter((pod) => !isReady(pod)).map(nameAndReason);
    const isMissing = pods.size < wanted;
    if (!status.controllerReady) say("waiting for the control plane");
    else if (waiting.length > 0) say(`waiting for ${waiting.join(", ")}`);
    // Services find a pod a moment after it is ready.
    const isHidden = [...slices.values()]
      .flatMap(({ endpoints }) => endpoints)
      .some(({ conditions }) => conditions.ready === false);
    return status.controllerReady && waiting.length === 0 && !isMissing && !isHidden;
  });
  const settled = isUp.then(() => pause(systemClock, SETTLE_MS));
  await Promise.race([settled, untilStopped(terminal)]);
}

function nameAndReason(pod: Pod): string {
  const reason = waitingReason(pod);
  const isKnown = reason !== undefined && reason !== "ContainerCreating";
  return pod.metadata.name + (isKnown ? ` (${reason})` : "");
}
