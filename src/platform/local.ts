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
import type { ControlAddresses } from "./controlprocess.ts";
import { Control } from "./controlprocess.ts";
import { Edge } from "./edge.ts";
import type { Env } from "./state.ts";
import { ISOLATED } from "./isolation.ts";
import { LocalMesh } from "./localmesh.ts";
import { Loopback } from "./loopback.ts";
import { readManifests } from "./manifests.ts";
import { watchManifests } from "./manifestwatch.ts";
import type { Network } from "./network.ts";
import { preflight } from "./preflight.ts";
import { serveMesh } from "./supervisor.ts";
import { defaultStateDir, State } from "./state.ts";
import { Store } from "./store.ts";
import { Tokens } from "./tokens.ts";
import { MESH_IP, Transparent, TRANSPARENT_NETWORKS } from "./transparent.ts";
import { Workloads } from "./workloads.ts";

/** Servers of the local control plane, on an address of its own. */
const CONTROL_PORTS = { destination: 28086, policy: 28090, identity: 28080, admin: 28099 };

export type LocalOptions = {
  /** The environment of this process: what programs of the mesh may need of it is passed on. */
  readonly env: Env;
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
  /** Default `loopback`; `transparent` only inside what `runIsolated` started. */
  readonly network?: "loopback" | "transparent";
  /** When this closes while the mesh starts, it does not start. */
  readonly until?: Scope;
  /** Services to publish on a port of 127.0.0.1, by "namespace/name". */
  readonly publish?: Readonly<Record<string, number>>;
};

/** Starts a local mesh. Rejects when another runs on the same state folder, and when manifests have mistakes. */
export async function startLocal(options: LocalOptions): Promise<LocalMesh> {
  const clock = systemClock;
  const manifests = options.manifests.map((path) => resolve(path));
  const first = await readManifests(manifests);
  const { env, publish = {} } = options;
  preflight(first.resources, { env, cwd: resolve(options.cwd ?? "."), publish });
  const state = new State(resolve(options.stateDir ?? defaultStateDir(options.env)));
  const scope = new Scope();
  const forget = options.until?.defer(() => scope.close());
  try {
    const store = new Store();
    const place = await openPlace(options, store, state, scope);
    const pods = podParts(options, place, store, state);
    const { programs } = options;
    const inject = programs ? (options.inject ?? "opt-out") : "never";
    const own = addressesAt(place.ip);
    const local = new LocalMesh(
      pods,
      (changed) => new Workloads({ ...pods, random: systemRandom, inject }, changed),
      new Edge({ ...pods, meshed: programs !== undefined, publish: options.publish ?? {} }),
      scope,
      {
        ...own,
        pid: process.pid,
        stateDir: state.dir,
        startedMs: clock.wall(),
        network: options.network ?? "loopback",
        trustDomain: pods.sidecar.trustDomain,
        controllerAdmin: own.admin,
      },
    );
    // Whoever serves the socket owns the folder.
    scope.defer(await serveMesh(state.socket, local, store, clock).catch(refuse(state.dir)));
    state.clean();
    if (programs) {
      const listens = { ...addressesAt(place.controlListensIp), admin: own.admin };
      const control = new Control(programs.controller, pods, listens, place.tls);
      scope.defer(() => control.close());
      local.follow(control);
    }
    const follows = options.watch ?? true;
    await local.start(follows ? watchManifests(manifests, clock) : constant(first));
    return local;
  } catch (error) {
    await scope.close();
    throw error;
  } finally {
    forget?.();
  }
}

/** What pods and their sidecars are made of. */
function podParts(options: LocalOptions, place: Place, store: Store, state: State) {
  const clock = systemClock;
  return {
    clock,
    store,
    state,
    tokens: new Tokens(
      state.keep("token.key", () => randomBytes(32)),
      clock,
    ),
    network: place.network,
    cwd: resolve(options.cwd ?? "."),
    env: options.env,
    sidecar: {
      ...addressesAt(place.sidecarsCallIp),
      argv: options.programs?.proxy ?? [],
      trustDomain: options.trustDomain ?? "cluster.local",
      clusterNetworks: place.clusterNetworks,
      anchors: () => readFileSync(state.anchors, "utf8"),
      anchorsFile: state.anchors,
    },
  };
}

/** Where the mesh lives: its network, and where its control plane is found in it. */
type Place = {
  readonly network: Network;
  readonly clusterNetworks: string;
  /** The control plane for this machine, for sidecars, and where it listens for both. */
  readonly ip: string;
  readonly sidecarsCallIp: string;
  readonly controlListensIp: string;
  /** Whether the control plane must prove itself to sidecars: it need not on loopback. */
  readonly tls: boolean;
};

async function openPlace(
  { network, env }: LocalOptions,
  store: Store,
  state: State,
  scope: Scope,
): Promise<Place> {
  if (network !== "transparent") {
    const mesh = await claimMesh();
    scope.defer(mesh.close);
    const ip = controlIp(mesh.number);
    return {
      network: new Loopback(store, mesh.number),
      clusterNetworks: LOCAL_NETWORKS,
      ip,
      sidecarsCallIp: ip,
      controlListensIp: ip,
      tls: false,
    };
  }
  const number = env[ISOLATED];
  if (number === undefined) {
    throw new Fault("bad-input", "a transparent mesh has to be started by runIsolated");
  }
  return {
    network: await Transparent.open({ store, state, env, clock: systemClock }, scope),
    clusterNetworks: TRANSPARENT_NETWORKS,
    ip: controlIp(Number(number)),
    sidecarsCallIp: MESH_IP,
    controlListensIp: "0.0.0.0",
    tls: true,
  };
}

function addressesAt(ip: string): ControlAddresses {
  const { destination, policy, identity, admin } = CONTROL_PORTS;
  return {
    destination: `${ip}:${destination}`,
    policy: `${ip}:${policy}`,
    identity: `${ip}:${identity}`,
    admin: `${ip}:${admin}`,
  };
}

function refuse(dir: string): (error: unknown) => never {
  return (error) => {
    const fault = Fault.from(error);
    throw fault.code === "in-use" ? runsAlready(dir) : fault;
  };
}

/** The fault for a second mesh on a state folder. */
export const runsAlready = (dir: string): Fault =>
  new Fault(
    "in-use",
    `a local mesh runs on ${dir} already; stop it with \`linkerd local down\`, or name another --state-dir`,
  );
