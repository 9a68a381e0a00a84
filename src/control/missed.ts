// Pods that ask for a proxy and have none: made while the injector could not be reached and the API server was told to
// let them in, or before somebody asked. The injector looks for them when it starts and every few minutes, and tells
// their owners; where an installation wants it, it evicts them, one of an owner at a time.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { Close, Watch } from "../base/watch.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { selects } from "../platform/kinds.ts";
import type { ResourceMap } from "../platform/resources.ts";
import { evict } from "./evict.ts";
import { inject } from "./inject.ts";
import type { Installation } from "./injectproxy.ts";
import type { RawObject, Strings } from "./manifest.ts";
import { type InjectorParts, ownerEvent } from "./webhooks.ts";

const EVERY_MS = 300_000;
/** Until the API server asks us: a pod in the place of one that was missed would be missed as well. */
const FIRST_MS = 10_000;
/** Until the owner has made another pod of the one that was evicted. */
const NEXT_MS = 60_000;
const PAGE = 500;
const UNMESHED = [
  "!linkerd.io/control-plane-ns",
  "!linkerd.io/control-plane-component",
  "!linkerd.io/cni-resource",
].join();
const UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed";
/** Owners that make another pod for one that is gone, and lose nothing by it. */
const RENEWING = ["ReplicaSet", "DaemonSet", "StatefulSet"];

type Named = { readonly name: string; readonly namespace: string; readonly uid: string };
type Marks = { readonly labels: Strings; readonly annotations: Strings };

/** The pods that would be injected were they made now; `namespace` says how a namespace is marked. */
export async function missedPods(
  api: KubeApi,
  installation: Installation,
  namespace: (name: string) => Partial<Marks> | undefined,
): Promise<RawObject[]> {
  const { namespaceSelector, objectSelector } = installation.values.proxyInjector;
  const found: RawObject[] = [];
  let token = "";
  do {
    const query = new URLSearchParams({
      labelSelector: UNMESHED,
      fieldSelector: UNFINISHED,
      limit: String(PAGE),
      ...(token !== "" && { continue: token }),
    });
    type Page = { items: RawObject[]; metadata: { continue?: string } };
    const page = await api.request<Page>(`/api/v1/pods?${query.toString()}`);
    token = page.metadata.continue ?? "";
    for (const pod of page.items) {
      const ns = pod.metadata!.namespace!;
      const { labels = {}, annotations = {} } = namespace(ns) ?? {};
      // Others the API server shows to no injector.
      if (!selects(namespaceSelector, labels)) continue;
      if (!selects(objectSelector, pod.metadata!.labels ?? {})) continue;
      if ((pod.metadata as { deletionTimestamp?: string }).deletionTimestamp) continue;
      const object = { ...pod, apiVersion: "v1", kind: "Pod" };
      if (inject(object, installation, annotations).skipped.length === 0) found.push(object);
    }
  } while (token !== "");
  return found;
}

/** Tells owners of such pods, and evicts them if the installation says so, while we are the leader and until closed. */
export function tellMissed(
  api: KubeApi,
  parts: InjectorParts & { readonly namespaces: () => ResourceMap<"Namespace"> },
  isLeader: Watch<boolean>,
  clock: Clock,
): Close {
  const logger = log.logger("injector");
  const missed = parts.registry
    .counter("proxy_inject_missed_total", "Pods that ask for a proxy and have none")
    .with({});
  const told = new Set<string>();
  const look = async (): Promise<number> => {
    const installation = parts.installation();
    const pods = await missedPods(api, installation, (ns) => parts.namespaces().get(ns)?.metadata);
    const owners = new Set<string>();
    let evicted = 0;
    for (const { metadata } of pods) {
      const { name, namespace, uid } = metadata as Required<Named>;
      const [made] = metadata?.ownerReferences ?? [];
      if (!made) continue;
      if (!told.has(uid)) {
        told.add(uid);
        missed.inc();
        logger.warn("a pod that asks for a proxy has none", { pod: `${namespace}/${name}` });
        const message = `the pod ${name} asks for a proxy and has none, since it was made while the injector was away, or before it asked: restart it`;
        const owner = await parts.ownerOf(namespace, made);
        parts.record(ownerEvent(namespace, owner, "Warning", "InjectionMissed", message));
      }
      const isDue = installation.values.proxyInjector.evictMissed && !owners.has(made.uid!);
      if (!isDue || !RENEWING.includes(made.kind)) continue;
      owners.add(made.uid!);
      if (await evict(api, { namespace, name }, logger)) evicted++;
    }
    const here = new Set(pods.map(({ metadata }) => metadata!.uid));
    for (const uid of told) if (!here.has(uid)) told.delete(uid);
    return evicted;
  };
  let timer: Timer | undefined;
  const turn = async (): Promise<void> => {
    timer = clock.after(EVERY_MS, () => void turn());
    try {
      if ((await look()) === 0) return;
      timer?.cancel();
      timer = timer && clock.after(NEXT_MS, () => void turn());
    } catch (error) {
      logger.warn("cannot look for pods without a proxy", { error: Fault.from(error) });
    }
  };
  const rest = (): void => {
    timer?.cancel();
    timer = undefined;
  };
  const close = isLeader.distinct().each((leads) => {
    if (leads) timer = clock.after(FIRST_MS, () => void turn());
    else rest();
  });
  return () => {
    close();
    rest();
  };
}
