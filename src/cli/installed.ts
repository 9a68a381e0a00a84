// What a mesh has put into a cluster: everything that carries its label, found kind by kind.

import { Fault } from "../base/fault.ts";
import type { RawObject } from "../control/manifest.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { printObjects } from "./manifestfiles.ts";

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
async function meshObjects(api: KubeApi, label: string): Promise<RawObject[]> {
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

/** What deletes all objects with a label but those that are wanted, as manifests. */
export async function deletions(
  api: KubeApi,
  label: string,
  format: "yaml" | "json",
  wanted: readonly RawObject[] = [],
): Promise<string> {
  const names = new Set(wanted.map(nameOf));
  const objects = (await meshObjects(api, label)).filter((object) => !names.has(nameOf(object)));
  return printObjects(objects.map(referenceOf), format);
}

/** What tells an object from others of its installation. */
const nameOf = ({ kind, metadata }: RawObject): string =>
  `${kind} ${metadata?.namespace ?? ""} ${metadata?.name}`;

/** What is enough to delete an object. */
function referenceOf({ apiVersion, kind, metadata }: RawObject): RawObject {
  const { name, namespace } = metadata ?? {};
  return {
    apiVersion: apiVersion!,
    kind: kind!,
    metadata: { name: name!, ...(namespace === undefined ? {} : { namespace }) },
  };
}
