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
  const selector = encodeURIComponent(label);
  const lists = KINDS.map(async ([apiVersion, plural, kind]) => {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    try {
      const { items } = await api.request<{ items: RawObject[] }>(
        `${root}/${plural}?labelSelector=${selector}`,
      );
      return items.map((item): RawObject => ({ ...item, apiVersion, kind }));
    } catch (error) {
      if (error instanceof Fault && error.code === "not-found") return [];
      throw error;
    }
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

/** What is at a path of the API; undefined when nothing is. */
export async function fetchIfThere<T>(api: KubeApi, path: string): Promise<T | undefined> {
  try {
    return await api.request<T>(path);
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") return undefined;
    throw error;
  }
}

/** Whether something is at a path of the API. */
export async function isThere(api: KubeApi, path: string): Promise<boolean> {
  return (await fetchIfThere(api, path)) !== undefined;
}
