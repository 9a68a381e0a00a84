// The annotations of the namespace in which something is made. A manifest makes its namespace and what is in it within
// milliseconds: one that is not known yet is asked for, so that its first pods are meshed as well.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { ResourceMap } from "../platform/resources.ts";
import type { RawObject, Strings } from "./manifest.ts";

/** An admission waits no longer. */
const TIMEOUT_MS = 2000;

/** Looks into what is known first; a namespace that cannot be asked for has none. */
export function findAnnotations(
  api: Pick<KubeApi, "request">,
  known: () => ResourceMap<"Namespace">,
): (namespace: string) => Promise<Strings> {
  return async (namespace) => {
    const before = known().get(namespace);
    if (before) return before.metadata.annotations;
    try {
      const path = `/api/v1/namespaces/${namespace}`;
      const { metadata } = await api.request<RawObject>(path, { timeoutMs: TIMEOUT_MS });
      return metadata?.annotations ?? {};
    } catch (error) {
      log
        .logger("injector")
        .warn("a namespace cannot be looked up", { namespace, error: Fault.from(error) });
      return {};
    }
  };
}
