// What a running local mesh offers, to the process that runs it and, over its socket, to any other.

import type { Close, Watch } from "../base/watch.ts";
import type { Kind, Resource } from "./kinds.ts";
import type { LogLine } from "./logs.ts";
import type { Resources } from "./resources.ts";

/** A service that the outside reaches at `address` ("127.0.0.1:8080"). */
export type Published = {
  readonly service: string;
  readonly port: number;
  readonly address: string;
};

/** What the mesh as a whole is and has to say. */
export type MeshStatus = {
  readonly pid: number;
  readonly stateDir: string;
  readonly startedMs: number;
  readonly network: "loopback" | "transparent";
  readonly trustDomain: string;
  /** host:port of the control plane's servers. */
  readonly destination: string;
  readonly policy: string;
  readonly identity: string;
  readonly controllerAdmin: string;
  readonly controllerReady: boolean;
  readonly published: readonly Published[];
  /** Other addresses that the machine shall reach, where the mesh has a network of its own. */
  readonly exposed: readonly string[];
  /** Sentences for the user, such as a manifest that was not applied; the newest last. */
  readonly notices: readonly string[];
};

/** A command to run as a workload with a service in front. */
export type RunRequest = {
  readonly name: string;
  readonly namespace: string;
  readonly port: number;
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly replicas?: number;
};

export type LogQuery = {
  /** "namespace/name". */
  readonly pod: string;
  /** The first container when absent; `linkerd-proxy` is the sidecar. */
  readonly container?: string;
  readonly tail?: number;
};

export interface Mesh {
  readonly resources: Resources;
  readonly status: Watch<MeshStatus>;
  /** Stores resources; resolves to a line for each that changed ("deployment.apps/web created"). */
  apply(resources: readonly Resource[]): Promise<readonly string[]>;
  remove(kind: Kind, key: string): Promise<void>;
  /** Adds a Deployment and a Service; their names are `request.name`. */
  run(request: RunRequest): Promise<readonly string[]>;
  /** Replaces the pods of a workload one by one. */
  restart(kind: Kind, key: string): Promise<void>;
  scale(kind: Kind, key: string, replicas: number): Promise<void>;
  /** Calls `line` with the last lines and then with each new one until closed. */
  logs(query: LogQuery, line: (line: LogLine) => void): Promise<Close>;
  /** The last lines of a container. */
  recent(query: LogQuery): Promise<readonly LogLine[]>;
  /** Ends the mesh with all its processes. */
  stop(): Promise<void>;
}
