// `linkerd cni repair`: evicts the pods of a node whose network validator found that the CNI plugin has not redirected
// them, so that new ones are made in their place. That happens when a pod starts before the plugin is there.

import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import type { Close } from "../base/watch.ts";
import { kubeResources } from "../platform/kube.ts";
import { keyOf, type Pod } from "../platform/kinds.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { recordEvent } from "./events.ts";
import { evict } from "./evict.ts";
import { VALIDATOR } from "./injectproxy.ts";
import type { Env } from "../proxy/env.ts";
import { serveAdmin } from "./adminport.ts";
import { findApi, untilStopped } from "./kubeprocess.ts";
import { NOT_REDIRECTED } from "./podprograms.ts";

const ADMIN = { ip: "0.0.0.0", port: 9990 };
const clock = systemClock;
const logger = log.logger("cni-repair");

/** Runs until SIGTERM; resolves to the exit code. */
export function runCniRepair(env: Env): Promise<number> {
  return untilStopped(env, async (scope) => {
    const node = env["NODE_NAME"];
    if (!node) throw new Fault("bad-input", "the variable NODE_NAME is not set");
    const api = findApi(env);
    scope.defer(() => api.close());
    const registry = new Registry(clock);
    scope.defer(repairPods(api, node, registry));
    scope.defer(await serveAdmin(ADMIN, { registry, clock }));
  });
}

/** Evicts such pods of a node until closed. */
function repairPods(api: KubeApi, node: string, registry: Registry): Close {
  const evicted = registry.counter(
    "linkerd_cni_repair_evictions_total",
    "Pods evicted for want of rules",
  );
  const resources = kubeResources(api, { clock, kinds: ["Pod"], fields: `spec.nodeName=${node}` });
  const tried = new Set<string>();
  return resources.watch("Pod").each((pods) => {
    for (const pod of pods.values()) {
      const { uid } = pod.metadata;
      if (!lacksRules(pod) || tried.has(uid)) continue;
      tried.add(uid);
      // What a disruption budget forbids now may be allowed at the pod's next change.
      void repair(api, pod).then(
        (done) => void (done ? evicted.with({}).inc() : tried.delete(uid)),
      );
    }
    const here = new Set([...pods.values()].map(({ metadata }) => metadata.uid));
    for (const uid of tried) if (!here.has(uid)) tried.delete(uid);
  });
}

/** Whether a pod's validator has ended with the exit code that says so. */
export function lacksRules({ metadata, status }: Pod): boolean {
  const validator = status?.initContainerStatuses.find(({ name }) => name === VALIDATOR);
  const codes = [validator?.state?.terminated, validator?.lastState?.terminated];
  return (
    metadata.deletionTimestamp === undefined &&
    codes.some((ended) => ended?.exitCode === NOT_REDIRECTED)
  );
}

async function repair(api: KubeApi, pod: Pod): Promise<boolean> {
  if (!(await evict(api, pod.metadata, logger))) return false;
  logger.info("evicted a pod whose connections are not redirected", { pod: keyOf(pod) });
  await recordEvent(api, {
    about: { apiVersion: "v1", kind: "Pod", metadata: pod.metadata },
    type: "Warning",
    reason: "LinkerdCNIMissing",
    message: "The CNI plugin had not redirected the connections of this pod; it was evicted",
    from: "linkerd-cni-repair-controller",
  });
  return true;
}
