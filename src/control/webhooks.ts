// The three webhooks of the control plane: the proxy injector, which changes pods and services as they are made, and
// the validators, which refuse what proxies could not be told.

import type { Registry } from "../base/metrics.ts";
import type { ResourceMap } from "../platform/resources.ts";
import type { HttpService } from "../stack/types.ts";
import { admission } from "./admission.ts";
import type { KubeEvent } from "./events.ts";
import { inject, SKIPPED, type SkipReason } from "./inject.ts";
import type { Installation } from "./injectproxy.ts";
import { jsonPatch } from "./jsonpatch.ts";
import type { RawObject, Strings } from "./manifest.ts";
import type { Owner } from "./owners.ts";
import { overlapsOf } from "./overlap.ts";
import { mistakesOf } from "./validate.ts";

/** What the injector asks and tells; `installation` gives what is known at the moment. */
export type InjectorParts = {
  readonly installation: () => Installation;
  readonly annotationsOf: (namespace: string) => Promise<Strings>;
  /** Who made a pod in the end. */
  readonly ownerOf: (namespace: string, owner: Owner) => Promise<Owner>;
  readonly record: (event: KubeEvent) => void;
  readonly registry: Registry;
};

/** Injects pods and services. */
export function injector(parts: InjectorParts): HttpService {
  const { installation, annotationsOf, ownerOf, registry } = parts;
  const requests = registry.counter(
    "proxy_inject_admission_requests_total",
    "Pods and services to review, by what made them",
  );
  const responses = registry.counter(
    "proxy_inject_admission_responses_total",
    "Pods and services reviewed, by what made them and by why they got no proxy",
  );
  return admission(async ({ namespace, object, dryRun }) => {
    const [made] = object.metadata?.ownerReferences ?? [];
    const [ofNamespace, owner] = await Promise.all([
      annotationsOf(namespace),
      made && ownerOf(namespace, made),
    ]);
    const labels = {
      owner_kind: (owner?.kind ?? object.kind ?? "").toLowerCase(),
      namespace,
      annotation_at: whereAsked(object, ofNamespace),
    };
    requests.with(labels).inc();
    // An object that is being made may not say where yet; what it is labelled with is who made it in the end.
    const placed = {
      ...object,
      metadata: { ...object.metadata, namespace, ...(owner && { ownerReferences: [owner] }) },
    };
    const { object: after, skipped } = inject(placed, installation(), ofNamespace);
    const [reason = ""] = skipped;
    responses.with({ ...labels, skip: String(reason !== ""), skip_reason: reason }).inc();
    if (owner && !dryRun) tell(parts, namespace, owner, reason);
    return { patch: jsonPatch(placed, after) };
  });
}

// Where nobody asked for a proxy there is nothing to say.
function tell(
  { record }: InjectorParts,
  namespace: string,
  owner: Owner,
  skipped: SkipReason | "",
) {
  if (skipped === "injection_enable_annotation_absent") return;
  const what = "Linkerd sidecar proxy";
  const [reason, message] =
    skipped === ""
      ? ["Injected", `${what} injected`]
      : ["InjectionSkipped", `${what} injection skipped: ${SKIPPED[skipped]}`];
  record(ownerEvent(namespace, owner, "Normal", reason!, message!));
}

/** What the injector has to say of a workload. */
export function ownerEvent(
  namespace: string,
  { apiVersion = "v1", kind, name, uid }: Owner,
  type: KubeEvent["type"],
  reason: string,
  message: string,
): KubeEvent {
  const metadata = { namespace, name, ...(uid && { uid }) };
  const about = { apiVersion, kind, metadata };
  return { about, type, reason, message, from: "linkerd-proxy-injector" };
}

function whereAsked({ metadata }: RawObject, ofNamespace: Strings): string {
  const name = "linkerd.io/inject";
  if (metadata?.annotations?.[name] !== undefined) return "workload";
  return ofNamespace[name] === undefined ? "" : "namespace";
}

/** Refuses policies, routes and profiles that are wrong, by themselves or beside the Servers that are there. */
export function validator(servers: () => ResourceMap<"Server">): HttpService {
  return admission(({ object, namespace }) => {
    const own = mistakesOf(object);
    const mistakes = own.length > 0 ? own : overlapsOf(object, namespace, servers());
    return mistakes.length > 0 ? { denied: mistakes.join("; ") } : { patch: [] };
  });
}
