// What `linkerd check` looks at of the CNI plugin: where pods count on it, it must be on every node.

import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, row } from "./checkcontext.ts";

const NAME = "linkerd-cni";
const INSTALL = '"linkerd install-cni | kubectl apply -f -" installs it';

const exists = (what: string, anchor: string, path: (namespace: string) => string) =>
  row("fatal", `cni plugin ${what} exists`, `cni-plugin-${anchor}-exists`, async (c) => {
    if (!(await c.api.find(path(c.globals.cniNamespace))))
      throw new Fault("not-found", `it is not there: ${INSTALL}`);
  });

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const core = (plural: string, name: string) => (namespace: string) =>
  `/api/v1/namespaces/${namespace}/${plural}/${name}`;
const daemonSet = (namespace: string): string =>
  `/apis/apps/v1/namespaces/${namespace}/daemonsets/${NAME}`;

const checks = [
  exists("ConfigMap", "cm", core("configmaps", "linkerd-cni-config")),
  exists("ClusterRole", "cr", () => `${RBAC}/clusterroles/${NAME}`),
  exists("ClusterRoleBinding", "crb", () => `${RBAC}/clusterrolebindings/${NAME}`),
  exists("ServiceAccount", "sa", core("serviceaccounts", NAME)),
  exists("DaemonSet", "ds", daemonSet),
  awaited("fatal", "cni plugin pod is running on all nodes", "cni-plugin-ready", async (c) => {
    type DaemonSet = { status: { desiredNumberScheduled: number; numberReady: number } };
    const { status } = await c.api.request<DaemonSet>(daemonSet(c.globals.cniNamespace));
    const { desiredNumberScheduled: wanted, numberReady: ready } = status;
    if (ready < wanted || wanted === 0)
      throw new Fault("unavailable", `it is ready on ${ready} of ${wanted} nodes`);
  }),
];

/** Before an installation that shall count on the plugin. */
export const CNI: Category<CheckContext> = { id: "linkerd-cni-plugin", checks };

/** In an installation; passed over where pods have init containers. */
export const CNI_IF_ENABLED: Category<CheckContext> = {
  ...CNI,
  applies: async (c) =>
    (await fetchInstallation(c.api, c.globals.linkerdNamespace)).values.cniEnabled,
};
