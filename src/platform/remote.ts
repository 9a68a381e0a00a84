// A local mesh that runs in another process, through its socket: the same interface. Its resources are a
// copy that follows the original; while the mesh is away the copy keeps what it last knew.

import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import type { Close } from "../base/watch.ts";
import { source } from "../base/watch.ts";
import type { Kind } from "./kinds.ts";
import { kinds } from "./kinds.ts";
import type { LogLine } from "./logs.ts";
import type { Mesh, MeshStatus } from "./mesh.ts";
import type { Account, Resources } from "./resources.ts";
import { callSocket, streamSocket } from "./socket.ts";
import type { Change } from "./store.ts";
import { Store } from "./store.ts";

/** A line of the stream of resources: all there are, or what has changed since. */
export type ResourceLine = { readonly snapshot: boolean; readonly changes: readonly Change[] };

const RECONNECT_MS = 200;

/** The mesh that serves the socket at `path`; its watches connect when they are observed. */
export function connectMesh(path: string, clock: Clock = systemClock): Mesh {
  const call = <T>(name: string, body?: unknown): Promise<T> => callSocket<T>(path, name, body);
  return {
    resources: remoteResources(path, clock),
    status: source<MeshStatus>((set) =>
      follow(path, "status", clock, (value) => {
        set({ kind: "ok", value: value as MeshStatus });
      }),
    ),
    apply: (resources) => call("apply", { resources }),
    remove: (kind, key) => call("remove", { kind, key }),
    run: (request) => call("run", request),
    restart: (kind, key) => call("restart", { kind, key }),
    scale: (kind, key, replicas) => call("scale", { kind, key, replicas }),
    logs: (query, line) =>
      streamSocket(
        path,
        "logs",
        query,
        (each) => line(each as LogLine),
        () => {},
      ),
    recent: (query) => call("recent", query),
    stop: () => call("stop"),
  };
}

/** The resources of the mesh behind a socket; one connection serves all kinds, while any is observed. */
export function remoteResources(path: string, clock: Clock): Resources {
  const store = new Store();
  let known = false;
  const all = source<Store>((set) =>
    follow(path, "resources", clock, (line) => {
      const { snapshot, changes } = line as ResourceLine;
      store.apply(snapshot ? [...absences(store, changes), ...changes] : changes);
      if (!known || snapshot) set({ kind: "ok", value: store });
      known = true;
    }),
  );
  return {
    watch: (kind) => all.distinct().flatMap((copy) => copy.watch(kind)),
    reviewToken: (token, audience) => callSocket<Account>(path, "reviewToken", { token, audience }),
    writeStatus: (kind, key, status) => callSocket(path, "writeStatus", { kind, key, status }),
  };
}

// What we hold and a snapshot does not.
function absences(store: Store, changes: readonly Change[]): Change[] {
  const present = new Set(changes.map(({ kind, key }) => `${kind} ${key}`));
  return kinds.flatMap((kind: Kind) =>
    [...store.all(kind).keys()]
      .filter((key) => !present.has(`${kind} ${key}`))
      .map((key) => ({ kind, key })),
  );
}

// Reads a stream, and starts it again when it ends.
function follow(path: string, name: string, clock: Clock, line: (line: unknown) => void): Close {
  let closed = false;
  let close: Close = () => {};
  const again = (): void => {
    if (!closed) clock.after(RECONNECT_MS, connect);
  };
  const connect = (): void => {
    if (closed) return;
    void streamSocket(path, name, {}, (each) => void (closed || line(each)), again).then((stop) => {
      if (closed) stop();
      else close = stop;
    }, again);
  };
  connect();
  return () => {
    closed = true;
    close();
  };
}
