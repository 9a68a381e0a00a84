// Serves a local mesh on its socket: the other end of remote.ts.

import type { Clock } from "../base/clock.ts";
import type { Close } from "../base/watch.ts";
import type { Kind, Resource } from "./kinds.ts";
import { kinds } from "./kinds.ts";
import type { LogQuery, Mesh, RunRequest } from "./mesh.ts";
import type { ResourceLine } from "./remote.ts";
import type { ResourceMap } from "./resources.ts";
import type { Lines } from "./socket.ts";
import { serveSocket } from "./socket.ts";
import type { Change, Store } from "./store.ts";

const COALESCE_MS = 10;

type Named = { readonly kind: Kind; readonly key: string };

/** Serves `mesh`, whose resources are those of `store`, until closed. */
export function serveMesh(path: string, mesh: Mesh, store: Store, clock: Clock): Promise<Close> {
  return serveSocket(path, {
    calls: {
      ping: async () => "pong",
      apply: ({ resources }: { resources: Resource[] }) => mesh.apply(resources),
      remove: ({ kind, key }: Named) => mesh.remove(kind, key),
      run: (request: RunRequest) => mesh.run(request),
      restart: ({ kind, key }: Named) => mesh.restart(kind, key),
      scale: ({ kind, key, replicas }: Named & { replicas: number }) =>
        mesh.scale(kind, key, replicas),
      recent: (query: LogQuery) => mesh.recent(query),
      stop: () => mesh.stop(),
      reviewToken: ({ token, audience }: { token: string; audience: string }) =>
        mesh.resources.reviewToken(token, audience),
      writeStatus: ({ kind, key, status }: Named & { status: unknown }) =>
        mesh.resources.writeStatus(kind, key, status),
    },
    streams: {
      resources: (_, lines) => streamResources(store, lines, clock),
      status: (_, lines) => {
        lines.onClose(mesh.status.each((status) => void lines.send(status)));
      },
      logs: async (query: LogQuery, lines) => {
        lines.onClose(await mesh.logs(query, (line) => void lines.send(line)));
      },
    },
  });
}

// Sends what differs from what this reader was sent last; a slow reader gets fewer and larger lines.
function streamResources(store: Store, lines: Lines, clock: Clock): void {
  const sent = new Map<Kind, ResourceMap<Kind>>();
  let due = false;
  let blocked = false;
  const flush = (): void => {
    due = false;
    if (blocked) return;
    const snapshot = sent.size === 0;
    const changes = kinds.flatMap((kind) => {
      const now = store.all(kind) as ResourceMap<Kind>;
      const before = sent.get(kind) ?? new Map();
      sent.set(kind, now);
      return difference(kind, before, now);
    });
    if (changes.length === 0 && !snapshot) return;
    const line: ResourceLine = { snapshot, changes };
    blocked = !lines.send(line);
  };
  const schedule = (): void => {
    if (due || sent.size === 0) return;
    due = true;
    clock.after(COALESCE_MS, flush);
  };
  const closes = kinds.map((kind) => store.watch(kind).each(schedule));
  lines.onDrain(() => {
    blocked = false;
    schedule();
  });
  lines.onClose(() => closes.forEach((close) => close()));
  flush();
}

function difference(kind: Kind, before: ResourceMap<Kind>, now: ResourceMap<Kind>): Change[] {
  if (before === now) return [];
  const changes: Change[] = [];
  for (const [key, resource] of now) {
    if (before.get(key) !== resource) changes.push({ kind, key, resource });
  }
  for (const key of before.keys()) if (!now.has(key)) changes.push({ kind, key });
  return changes;
}
