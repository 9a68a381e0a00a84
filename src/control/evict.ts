// Takes a pod away in the manner that asks its disruption budgets, so that its owner makes another.

import { Fault } from "../base/fault.ts";
import type { Logger } from "../base/log.ts";
import type { KubeApi } from "../platform/kubeapi.ts";

/** Evicts a pod; false, with a line in the log, when that is not allowed at the moment. */
export async function evict(
  api: KubeApi,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  logger: Logger,
): Promise<boolean> {
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { namespace, name } };
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
  try {
    await api.request(path, { method: "POST", body: eviction });
    return true;
  } catch (error) {
    logger.warn("cannot evict a pod", { pod: `${namespace}/${name}`, error: Fault.from(error) });
    return false;
  }
}
