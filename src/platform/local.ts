// A mesh on one machine, without Kubernetes: kubelet, scheduler, endpoint controller and API server of a few
// processes. It reads the same manifests, runs each container's command as a process, puts a sidecar in
// front of it, and serves its resources to the control plane on a socket.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { systemRandom } from "../base/random.ts";
import { Scope } from "../base/scope.ts";
import { constant } from "../base/watch.ts";
import { claimMesh, controlIp, LOCAL_NETWORKS } from "./addresses.ts";
import { Control } from "./controlprocess.ts";
import { Edge } from "./edge.ts";
import { LocalMesh } from "./localmesh.ts";
import { Loopback } from "./loopback.ts";
import { readManifests } from "./manifests.ts";
import { watchManifests } from "./manifestwatch.ts";
import { serveMesh } from "./supervisor.ts";
import { defaultStateDir, State } from "./state.ts";
import { Store } from "./store.ts";
import { Tokens } from "./tokens.ts";
import { Workloads } from "./workloads.ts";

/** Servers of the local control plane, on an address of its own. */
export const CONTROL_PORTS = { destination: 28086, policy: 28090, identity: 28080, admin: 28099 };

export type LocalOptions = {
  /** Files and folders with manifests. */
  readonly manifests: readonly string[];
  /** Whether changes of them are followed; default true. */
  readonly watch?: boolean;
  /** Command lines of the proxy and of the controller; without them, pods run without sidecars. */
  readonly programs?: { readonly proxy: readonly string[]; readonly controller: readonly string[] };
  /** Default: $XDG_STATE_HOME/linkerd/local. */
  readonly stateDir?: string;
  /** The folder in which containers run; default: that of this process. */
  readonly cwd?: string;
  /** Whether pods get a sidecar when neither they nor their namespace say; default `opt-out`: they do. */
  readonly inject?: "opt-in" | "opt-out";
  readonly trustDomain?: string;
  /** Services to publish on a port of 127.0.0.1, by "namespace/name". */
  readonly publish?: Readonly<Record<string, number>>;
};

/** Starts a local mesh. Rejects when another runs on the same state folder, and when manifests have mistakes. */
export async function startLocal(options: LocalOptions): Promise<LocalMesh> {
  const clock = systemClock;
  const manifests = options.manifests.map((path) => resolve(path));
  const first = await readManifests(manifests);
  const state = new State(resolve(options.stateDir ?? defaultStateDir()));
  const scope = new Scope();
  try {
    const mesh = await claimMesh();
    scope.defer(mesh.close);
    const cwd = resolve(options.cwd ?? ".");
    const store = new Store();
    const key = state.keep("token.key", () => randomBytes(32));
    const ip = controlIp(mesh.number);
    const addresses = {
      destination: `${ip}:${CONTROL_PORTS.destination}`,
      policy: `${ip}:${CONTROL_PORTS.policy}`,
      identity: `${ip}:${CONTROL_PORTS.identity}`,
      admin: `${ip}:${CONTROL_PORTS.admin}`,
    };
    const trustDomain = options.trustDomain ?? "cluster.local";
    const pods = {
      clock,
      store,
      state,
      tokens: new Tokens(key, clock),
      network: new Loopback(store, mesh.number),
      cwd,
      sidecar: {
        ...addresses,
        argv: options.programs?.proxy ?? [],
        trustDomain,
        clusterNetworks: LOCAL_NETWORKS,
        anchors: () => readFileSync(state.anchors, "utf8"),
        anchorsFile: state.anchors,
      },
    };
    const meshed = options.programs !== undefined;
    const local = new LocalMesh(
      pods,
      (changed) =>
        new Workloads(
          {
            ...pods,
            random: systemRandom,
            inject: !meshed ? "never" : (options.inject ?? "opt-out"),
          },
          changed,
        ),
      new Edge({ ...pods, meshed, publish: options.publish ?? {} }),
      scope,
      {
        pid: process.pid,
        stateDir: state.dir,
        startedMs: clock.wall(),
        network: "loopback",
        trustDomain,
        ...addresses,
        controllerAdmin: addresses.admin,
      },
    );
    // Whoever serves the socket owns the folder.
    scope.defer(await serveMesh(state.socket, local, store, clock).catch(refuse(state.dir)));
    state.clean();
    if (options.programs) {
      const control = new Control(options.programs.controller, pods, addresses);
      scope.defer(() => control.close());
      local.follow(control);
    }
    const follows = options.watch ?? true;
    await local.start(follows ? watchManifests(manifests, clock) : constant(first));
    return local;
  } catch (error) {
    await scope.close();
    throw error;
  }
}

function refuse(dir: string): (error: unknown) => never {
  return (error) => {
    const fault = Fault.from(error);
    if (fault.code !== "in-use") throw fault;
    throw new Fault(
      "in-use",
      `a local mesh runs on ${dir} already; stop it with \`linkerd local down\`, or name another --state-dir`,
      { cause: error },
    );
  };
}
