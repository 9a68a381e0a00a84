// The three webhooks of the control plane: the proxy injector, which changes pods and services as they are made, and
// the validators, which refuse what proxies could not be told.

import type { Registry } from "../base/metrics.ts";
import type { ResourceMap } from "../platform/resources.ts";
import type { HttpService } from "../stack/types.ts";
import { admission } from "./admission.ts";
import { inject } from "./inject.ts";
import type { Installation } from "./injectproxy.ts";
import { jsonPatch } from "./jsonpatch.ts";
import { mistakesOf } from "./validate.ts";

/** Injects pods and services; both arguments give what is known at the moment. */
export function injector(
  installation: () => Installation,
  namespaces: () => ResourceMap<"Namespace">,
  registry: Registry,
): HttpService {
  const responses = registry.counter(
    "proxy_inject_admission_responses_total",
    "Pods and services reviewed, by namespace and by why they got no proxy",
  );
  return admission(({ namespace, object }) => {
    const ofNamespace = namespaces().get(namespace)?.metadata.annotations ?? {};
    // An object that is being made may not say where yet.
    const placed = { ...object, metadata: { ...object.metadata, namespace } };
    const { object: after, skipped } = inject(placed, installation(), ofNamespace);
    const [reason = ""] = skipped;
    responses.with({ namespace, skip: String(reason !== ""), skip_reason: reason }).inc();
    return { patch: jsonPatch(placed, after) };
  });
}

/** Refuses policies, routes and profiles that are wrong. */
export function validator(): HttpService {
  return admission(({ object }) => {
    const mistakes = mistakesOf(object);
    return mistakes.length > 0 ? { denied: mistakes.join("; ") } : { patch: [] };
  });
}
