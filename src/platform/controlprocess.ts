// The control plane of a local mesh: a process of its own that reads resources from the mesh's socket. It is
// restarted like a container, and pods wait for its first readiness.

import { Fault } from "../base/fault.ts";
import { Var } from "../base/watch.ts";
import { Container } from "./container.ts";
import type { ContainerStatus, Container as Spec } from "./kinds.ts";
import { Log } from "./logs.ts";
import type { PodOptions } from "./pod.ts";
import { CONTROL_NAMESPACE, httpProbe } from "./sidecar.ts";

/** Where its servers listen, host:port each. */
export type ControlAddresses = {
  readonly destination: string;
  readonly policy: string;
  readonly identity: string;
  readonly admin: string;
};

export const CONTROLLER = "linkerd-controller";

// A port may be held for some seconds by the mesh that ran before.
const TRIES = 4;

export class Control {
  /** Whether it answers; false while it restarts. */
  readonly ready = new Var(false);
  /** Resolves when it answers for the first time; rejects when it ends again and again instead, or is closed. */
  readonly started: Promise<void>;
  readonly container: Container;
  readonly #giveUp: (fault: Fault) => void;

  /** With `tls`, it proves itself to who calls from elsewhere than loopback. */
  constructor(
    argv: readonly string[],
    options: PodOptions,
    addresses: ControlAddresses,
    tls: boolean,
  ) {
    const { clock, state, cwd, sidecar, env } = options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    this.started = promise;
    this.#giveUp = reject;
    const [ip = "", port] = addresses.admin.split(":");
    const logFile = state.log(CONTROL_NAMESPACE, CONTROLLER, CONTROLLER);
    const plan = {
      spec: spec(Number(port)),
      argv,
      cwd,
      ip,
      restart: "Always" as const,
      log: new Log(logFile),
      env: {
        PATH: env["PATH"] ?? "",
        LINKERD_LOCAL_SOCKET: state.socket,
        LINKERD_LOCAL_STATE_DIR: state.dir,
        LINKERD_CONTROLLER_DESTINATION_ADDR: addresses.destination,
        LINKERD_CONTROLLER_POLICY_ADDR: addresses.policy,
        LINKERD_CONTROLLER_IDENTITY_ADDR: addresses.identity,
        LINKERD_CONTROLLER_ADMIN_ADDR: addresses.admin,
        LINKERD_CONTROLLER_TLS: String(tls),
        LINKERD_CONTROLLER_TRUST_DOMAIN: sidecar.trustDomain,
        LINKERD_CONTROLLER_CLUSTER_NETWORKS: sidecar.clusterNetworks,
      },
    };
    this.container = new Container(plan, clock, () => {
      const { ready, status } = this.container;
      if (this.ready.value !== ready) this.ready.set(ready);
      if (ready) resolve();
      else if (status.restartCount >= TRIES) reject(failed(status, logFile));
    });
    this.container.start();
  }

  close(): Promise<void> {
    this.#giveUp(new Fault("unavailable", "the mesh was stopped before it had started"));
    return this.container.stop(5000);
  }
}

function failed({ lastState }: ContainerStatus, logFile: string): Fault {
  const why = lastState?.terminated?.message ?? "it ended";
  return new Fault("unavailable", `the control plane does not start: ${why} (${logFile} has more)`);
}

function spec(port: number): Spec {
  return {
    name: CONTROLLER,
    image: "",
    env: [],
    envFrom: [],
    ports: [],
    readinessProbe: httpProbe("/ready", port),
  };
}
