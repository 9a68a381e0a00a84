// What this cluster sees of others that it is linked to: as much as endpoints follow from, read with the credentials of
// the Link, and as the control plane there is set up.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { type Close, source, type Watch } from "../base/watch.ts";
import type { Kind } from "../platform/kinds.ts";
import { kubeResources, watchRow } from "../platform/kube.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import type { KubeAccess } from "../platform/kubeconfig.ts";
import { fetchInstallation } from "./installation.ts";
import { settingsOf } from "./kubeprocess.ts";
import { type Link, LINK } from "./link.ts";
import { watchAccess } from "./linkaccess.ts";
import { watchWorld, type World } from "./world.ts";

/** What endpoints follow from, and what a cluster may keep to itself of that. */
const READ: readonly Kind[] = ["Service", "EndpointSlice", "Pod"];
const DISPENSABLE: readonly Kind[] = [
  "Namespace",
  "Node",
  "ReplicaSet",
  "Job",
  "ExternalWorkload",
  "Server",
];
const RETRY_MS = 10_000;
const logger = log.logger("remotes");

/** The worlds of linked clusters, by the names of their Links. */
export function remoteWorlds(api: KubeApi, clock: Clock): (cluster: string) => Watch<World> {
  const links = watchRow<Link>(api, LINK, { clock });
  return (cluster) =>
    links
      .map((all) => {
        const link = [...all.values()].find(({ metadata }) => metadata.name === cluster);
        if (link) return link;
        throw new Fault("not-found", `services refer to ${cluster}, which is not linked`);
      })
      .distinct((a, b) => a.metadata.generation === b.metadata.generation)
      .flatMap(({ metadata, spec }) =>
        watchAccess(api, metadata.namespace, spec.clusterCredentialsSecret, clock).flatMap(
          (access) => remoteWorld(access, spec.targetClusterLinkerdNamespace, clock),
        ),
      );
}

// As the control plane there sees it, whose installation says how.
function remoteWorld(access: KubeAccess, namespace: string, clock: Clock): Watch<World> {
  return source((set) => {
    const api = new KubeApi(access);
    let isOpen = true;
    let close: Close = () => {};
    const start = async (): Promise<void> => {
      try {
        const settings = settingsOf(await fetchInstallation(api, namespace));
        if (!isOpen) return;
        const kinds = [...READ, ...DISPENSABLE];
        const resources = kubeResources(api, { clock, kinds, dispensable: DISPENSABLE });
        close = watchWorld(resources, settings, clock).observe(set);
      } catch (error) {
        if (!isOpen) return;
        const fault = Fault.from(error);
        logger.warn("another cluster cannot be read", { error: fault });
        set({ kind: "failed", fault });
        const timer = clock.after(RETRY_MS, () => void start());
        close = () => timer.cancel();
      }
    };
    void start();
    return () => {
      isOpen = false;
      close();
      api.close();
    };
  });
}
