// Who made a pod in the end: the Deployment of its ReplicaSet, the CronJob of its Job. The API server is asked, since
// what has just been made is in nobody's cache yet.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { RawObject } from "./manifest.ts";

export type Owner = NonNullable<NonNullable<RawObject["metadata"]>["ownerReferences"]>[number];

/** The kinds that others make, by where their objects are. */
const MADE: Readonly<Record<string, string>> = {
  ReplicaSet: "/apis/apps/v1/namespaces/NS/replicasets",
  Job: "/apis/batch/v1/namespaces/NS/jobs",
};
const MOST = 1000;
/** An admission waits no longer. */
const TIMEOUT_MS = 2000;

/** Looks owners up and remembers them; the owner itself where it has none, or cannot be asked for. */
export function findOwners(api: KubeApi): (namespace: string, owner: Owner) => Promise<Owner> {
  const known = new Map<string, Owner>();
  return async (namespace, owner) => {
    const path = Object.hasOwn(MADE, owner.kind) ? MADE[owner.kind] : undefined;
    if (path === undefined) return owner;
    const key = `${namespace}/${owner.kind}/${owner.name}/${owner.uid}`;
    const before = known.get(key);
    if (before) return before;
    try {
      const made = await api.request<RawObject>(`${path.replace("NS", namespace)}/${owner.name}`, {
        timeoutMs: TIMEOUT_MS,
      });
      const root = made.metadata?.ownerReferences?.[0] ?? owner;
      if (known.size >= MOST) known.clear();
      known.set(key, root);
      return root;
    } catch (error) {
      log
        .logger("injector")
        .warn("an owner cannot be looked up", { owner: key, error: Fault.from(error) });
      return owner;
    }
  };
}
