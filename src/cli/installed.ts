// What a mesh has put into a cluster: everything that carries its label, found kind by kind.

import { Fault } from "../base/fault.ts";
import type { RawObject } from "../control/manifest.ts";
import type { KubeApi } from "../platform/kubeapi.ts";

// In the order in which they go: what would refuse or change other things first.
const KINDS = [
  [
    "admissionregistration.k8s.io/v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
  ],
  [
    "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
  ],
  ["apiregistration.k8s.io/v1", "apiservices", "APIService"],
  ["rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding"],
  ["rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"],
  ["rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"],
  ["rbac.authorization.k8s.io/v1", "roles", "Role"],
  ["apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition"],
  ["apps/v1", "deployments", "Deployment"],
  ["batch/v1", "cronjobs", "CronJob"],
  ["policy/v1", "poddisruptionbudgets", "PodDisruptionBudget"],
  ["v1", "services", "Service"],
  ["v1", "configmaps", "ConfigMap"],
  ["v1", "secrets", "Secret"],
  ["v1", "serviceaccounts", "ServiceAccount"],
  ["v1", "namespaces", "Namespace"],
] as const;

/** All objects with a label ("linkerd.io/extension=viz"). */
export async function meshObjects(api: KubeApi, label: string): Promise<RawObject[]> {
  const lists = KINDS.map(async ([apiVersion, plural, kind]) => {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const items = await api.list<RawObject>(`${root}/${plural}`, label).catch((error: unknown) => {
      if (error instanceof Fault && error.code === "not-found") return [];
      throw error;
    });
    return items.map((item): RawObject => ({ ...item, apiVersion, kind }));
  });
  return (await Promise.all(lists)).flat();
}

/** What tells an object from others of its installation. */
export const nameOf = ({ kind, metadata }: RawObject): string =>
  `${kind} ${metadata?.namespace ?? ""} ${metadata?.name}`;

/** What is enough to delete an object. */
export function referenceOf({ apiVersion, kind, metadata }: RawObject): RawObject {
  const { name, namespace } = metadata ?? {};
  return {
    apiVersion: apiVersion!,
    kind: kind!,
    metadata: { name: name!, ...(namespace === undefined ? {} : { namespace }) },
  };
}
