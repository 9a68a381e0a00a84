// What `/namer_state/<prefix>.json` tells: what a namer's watches know at the moment, by the names that routers use.

import { known } from "../base/watch.ts";
import type { HttpRsp } from "../io/message.ts";
import { printPath } from "../name/path.ts";
import { printAddr } from "../stack/normalize.ts";
import type { PageCall } from "./adminpages.ts";
import { json, text } from "./adminreply.ts";

/** The state of the namer that the path names. */
export function namerState({ path, linkerd }: PageCall): HttpRsp {
  const prefix = `/${path.slice("/namer_state/".length).replace(/\.json$/, "")}`;
  const { mounts } = linkerd.generation.shared;
  const mount = mounts.find((one) => printPath(one.prefix) === `/#${prefix}`);
  if (mount === undefined) return text(404, `no namer has the prefix ${prefix}\n`);
  const start = `${printPath(mount.prefix)}/`;
  const clients: Record<string, unknown> = {};
  for (const { bound } of linkerd.generation.routers) {
    for (const { id, discovery, balancer, changedAt, staleMs } of bound.caches.clients()) {
      if (!id.includes(start)) continue;
      clients[id] = {
        state: discovery.kind,
        error: discovery.kind === "failed" ? discovery.fault.message : undefined,
        stale: discovery.kind === "failed" && known(discovery) !== undefined,
        changed: changedAt === undefined ? undefined : new Date(changedAt).toISOString(),
        staleMs,
        addresses: [...balancer.endpoints.values()].map(({ target }) => printAddr(target)),
      };
    }
  }
  return json({ prefix: printPath(mount.prefix), clients });
}
