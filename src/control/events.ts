// Kubernetes events: what the control plane tells people who look at an object of theirs with `kubectl describe`.

import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { KubeApi } from "../platform/kubeapi.ts";

export type KubeEvent = {
  readonly about: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly namespace: string; readonly uid?: string };
  };
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** The component that says so. */
  readonly from: string;
};

/** Writes an event; one that cannot be written is lost, and logged. */
export async function recordEvent(api: KubeApi, event: KubeEvent): Promise<void> {
  const { about, type, reason, message, from } = event;
  const { name, namespace, uid } = about.metadata;
  const now = new Date(systemClock.wall()).toISOString().replace(/\.\d+Z$/, "Z");
  const body = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { generateName: `${name}.`, namespace },
    involvedObject: {
      apiVersion: about.apiVersion,
      kind: about.kind,
      name,
      namespace,
      ...(uid && { uid }),
    },
    type,
    reason,
    message,
    source: { component: from },
    reportingComponent: from,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
  try {
    await api.request(`/api/v1/namespaces/${namespace}/events`, { method: "POST", body });
  } catch (error) {
    log
      .logger("events")
      .warn("an event is lost", { reason, about: name, error: Fault.from(error) });
  }
}
