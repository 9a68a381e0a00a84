// A pod of the local mesh as Kubernetes would show it: phase, conditions and container statuses, from what its
// containers are doing. Whoever reads pods need not know where they run.

import type { Container } from "./container.ts";
import type { Condition, Metadata, Pod, PodStatus } from "./kinds.ts";
import type { PodFacts } from "./podplan.ts";
import { SIDECAR } from "./sidecar.ts";

/** The one node of a local mesh. */
export const NODE = "local";

export type PodState = {
  readonly facts: PodFacts;
  readonly owners: Metadata["ownerReferences"];
  readonly createdMs: number;
  readonly deletedMs: number | undefined;
  readonly ip: string | undefined;
  readonly phase: PodStatus["phase"];
  /** Whether all containers have been started. */
  readonly opened: boolean;
  readonly ready: boolean;
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
  readonly init: readonly Container[];
  readonly apps: readonly Container[];
  readonly sidecar: Container | undefined;
};

export function podResource(state: PodState): Pod {
  const { facts, owners, sidecar, apps } = state;
  const { namespace, name, uid, labels, annotations, spec } = facts;
  const own = spec.containers.filter((each) => each.name !== SIDECAR);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      uid,
      labels,
      annotations,
      creationTimestamp: iso(state.createdMs),
      resourceVersion: "",
      ownerReferences: owners,
      ...(state.deletedMs !== undefined && { deletionTimestamp: iso(state.deletedMs) }),
    },
    spec: {
      ...spec,
      nodeName: NODE,
      containers: sidecar ? [...own, sidecar.plan.spec] : own,
    },
    status: {
      phase: state.phase,
      hostIP: "127.0.0.1",
      startTime: iso(state.createdMs),
      ...(state.ip !== undefined && { podIP: state.ip }),
      podIPs: state.ip === undefined ? [] : [{ ip: state.ip }],
      ...state.problem,
      conditions: [condition("Initialized", state.opened), condition("Ready", state.ready)],
      initContainerStatuses: state.init.map((each) => each.status),
      containerStatuses: [...apps, ...(sidecar ? [sidecar] : [])].map((each) => each.status),
    },
  };
}

function condition(type: string, value: boolean): Condition {
  return { type, status: value ? "True" : "False" };
}

const iso = (ms: number): string => new Date(ms).toISOString();
