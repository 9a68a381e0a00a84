// What `linkerd check` looks at in a cluster: a table of categories in the order of Linkerd's, with its words and hint
// anchors.

import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import { contains, parseCidr } from "../platform/cidr.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, type Named, refuseNamed, row } from "./checkcontext.ts";
import { CONTROL_VERSION, IDENTITY } from "./checks.ts";
import {
  CONTROL_NEWEST,
  EXTENSIONS,
  GATEWAY_API,
  INIT_AS_ROOT,
  installedExtensions,
  NEWEST,
} from "./clusterchecks.ts";
import { CNI, CNI_IF_ENABLED } from "./cnichecks.ts";
import { DATA_PLANE } from "./datachecks.ts";
import { MAY_READ, MISSED } from "./gapchecks.ts";
import { NETWORK_POLICIES } from "./netpolicychecks.ts";
import { expectNames, KUBERNETES, ofMesh, PRE_KUBERNETES } from "./kubeprechecks.ts";
import { certificateChecks, controlPods, expectReady, podsAt } from "./kubeparts.ts";
import { multiclusterChecks } from "./mcchecks.ts";
import { VIZ, VIZ_DATA } from "./vizchecks.ts";

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION = "/apis/admissionregistration.k8s.io/v1";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const COMPONENTS = ["destination", "identity", "proxy-injector"];
const MUTATING = "mutatingwebhookconfigurations";
const VALIDATING = "validatingwebhookconfigurations";
// Every webhook, by its configuration and the service that it is of.
const WEBHOOKS = [
  ["proxy-injector", MUTATING, "linkerd-proxy-injector"],
  ["sp-validator", VALIDATING, "linkerd-sp-validator"],
  ["policy-validator", VALIDATING, "linkerd-policy-validator"],
] as const;

const INSTALLS_CRDS = '"linkerd install --crds | kubectl apply -f -" installs them';
const CRD_NAMES = [
  "serviceprofiles.linkerd.io",
  "servers.policy.linkerd.io",
  "serverauthorizations.policy.linkerd.io",
  "authorizationpolicies.policy.linkerd.io",
  "meshtlsauthentications.policy.linkerd.io",
  "networkauthentications.policy.linkerd.io",
  "externalworkloads.workload.linkerd.io",
];

const crds = row(
  "fatal",
  "control plane CustomResourceDefinitions exist",
  "l5d-existence-crd",
  async (c) => expectNames(await c.api.list(CRDS), CRD_NAMES, INSTALLS_CRDS),
);

/** A row about objects of the mesh at `path`, of which each of `names` must be there. */
const exist = (
  what: string,
  anchor: string,
  path: string,
  names: (c: CheckContext) => readonly string[],
) =>
  awaited("fatal", `control plane ${what} exist`, `l5d-existence-${anchor}`, async (c) =>
    expectNames(await c.api.list(path, ofMesh(c)), names(c)),
  );

const roles = (c: CheckContext): string[] =>
  COMPONENTS.map((name) => `linkerd-${c.globals.linkerdNamespace}-${name}`);
const hooks = (plural: string) => (): string[] =>
  WEBHOOKS.filter(([, its]) => its === plural).map(([, , name]) => `${name}-webhook-config`);

const config: Category<CheckContext> = {
  id: "linkerd-config",
  checks: [
    awaited(
      "fatal",
      "control plane Namespace exists",
      "l5d-existence-ns",
      async (c) => void (await c.api.request(`/api/v1/namespaces/${c.globals.linkerdNamespace}`)),
    ),
    exist("ClusterRoles", "cr", `${RBAC}/clusterroles`, roles),
    exist("ClusterRoleBindings", "crb", `${RBAC}/clusterrolebindings`, roles),
    MAY_READ,
    awaited("fatal", "control plane ServiceAccounts exist", "l5d-existence-sa", async (c) => {
      const path = `/api/v1/namespaces/${c.globals.linkerdNamespace}/serviceaccounts`;
      const names = COMPONENTS.map((name) => `linkerd-${name}`);
      expectNames(await c.api.list(path), names);
    }),
    crds,
    exist("MutatingWebhookConfigurations", "mwc", `${ADMISSION}/${MUTATING}`, hooks(MUTATING)),
    exist(
      "ValidatingWebhookConfigurations",
      "vwc",
      `${ADMISSION}/${VALIDATING}`,
      hooks(VALIDATING),
    ),
    INIT_AS_ROOT,
  ],
};

const podsOfControl = ({ api, globals }: CheckContext) =>
  controlPods(api, globals.linkerdNamespace);
type Deployment = Named & { spec: { replicas: number }; status: { readyReplicas?: number } };
const deployments = (c: CheckContext): Promise<readonly Deployment[]> =>
  c.api.list(`/apis/apps/v1/namespaces/${c.globals.linkerdNamespace}/deployments`, ofMesh(c));
const readyOf = ({ status }: Deployment): number => status.readyReplicas ?? 0;

/** Fails where an address lies outside of what the installation takes for the cluster. */
async function expectInside<T extends Named>(
  c: CheckContext,
  items: readonly T[],
  addressOf: (item: T) => string | undefined,
): Promise<void> {
  const { values } = await fetchInstallation(c.api, c.globals.linkerdNamespace);
  const networks = values.clusterNetworks
    .split(",")
    .map((text) => parseCidr(text.trim()))
    .filter((cidr) => cidr !== undefined);
  const outside = items.filter((item) => {
    const ip = addressOf(item);
    return ip && !networks.some((network) => contains(network, ip));
  });
  const mend = '"linkerd upgrade --set clusterNetworks=… | kubectl apply -f -" adds networks';
  refuseNamed("outside of clusterNetworks", outside, "bad-input", mend);
}

const existence: Category<CheckContext> = {
  id: "linkerd-existence",
  checks: [
    awaited(
      "fatal",
      "'linkerd-config' config map exists",
      "l5d-existence-linkerd-config",
      async (c) => void (await fetchInstallation(c.api, c.globals.linkerdNamespace)),
    ),
    awaited(
      "fatal",
      "control plane replica sets are ready",
      "l5d-existence-replicasets",
      async (c) => {
        const all = await deployments(c);
        if (all.length < COMPONENTS.length)
          throw new Fault("not-found", "parts of the control plane are not there");
        const behind = all.filter((each) => readyOf(each) < each.spec.replicas);
        refuseNamed("waiting for", behind, "unavailable");
      },
    ),
    row("warning", "no unschedulable pods", "l5d-existence-unschedulable-pods", async (c) => {
      const stuck = (await podsOfControl(c)).flatMap(({ metadata, status }) =>
        (status.conditions ?? [])
          .filter(({ type, status: is }) => type === "PodScheduled" && is === "False")
          .map(({ message }) => `${metadata.name}: ${message}`),
      );
      if (stuck.length > 0) throw new Fault("unavailable", stuck.join("\n"));
    }),
    awaited("fatal", "control plane pods are ready", "l5d-api-control-ready", async (c) =>
      expectReady(await podsOfControl(c)),
    ),
    row(
      "error",
      "cluster networks contains all node podCIDRs",
      "l5d-cluster-networks-cidr",
      async (c) => {
        type Node = Named & { readonly spec: { readonly podCIDR?: string } };
        const nodes = await c.api.list<Node>("/api/v1/nodes");
        await expectInside(c, nodes, ({ spec }) => spec.podCIDR?.split("/")[0]);
      },
    ),
    row("error", "cluster networks contains all pods", "l5d-cluster-networks-pods", async (c) => {
      const pods = await podsAt(c, "/api/v1/pods");
      await expectInside(
        c,
        pods.filter(({ spec }) => !spec.hostNetwork),
        ({ status }) => status.podIP,
      );
    }),
    row(
      "error",
      "cluster networks contains all services",
      "l5d-cluster-networks-pods",
      async (c) => {
        type Service = Named & { readonly spec: { readonly clusterIP?: string } };
        await expectInside(c, await c.api.list<Service>("/api/v1/services"), ({ spec }) =>
          spec.clusterIP === "None" ? "" : spec.clusterIP,
        );
      },
    ),
  ],
};

type Hooks = { webhooks: readonly { clientConfig: { caBundle?: string } }[] };

const webhooks: Category<CheckContext> = {
  id: "linkerd-webhooks-and-apisvc-tls",
  checks: WEBHOOKS.flatMap(([name, plural, service]) =>
    certificateChecks({
      titles: [`${name} webhook has valid cert`, `${name} cert is valid for at least 60 days`],
      anchors: [`l5d-${name}-webhook-cert-valid`, `l5d-${name}-webhook-cert-not-expiring-soon`],
      service,
      renewal: "upgrade",
      secret: `linkerd-${name}-k8s-tls`,
      namespace: (c) => c.globals.linkerdNamespace,
      bundle: async (c) => {
        const hooks = await c.api.request<Hooks>(
          `${ADMISSION}/${plural}/${service}-webhook-config`,
        );
        return hooks.webhooks[0]?.clientConfig.caBundle;
      },
    }),
  ),
};

const ha: Category<CheckContext> = {
  id: "linkerd-ha-checks",
  applies: async (c) => (await deployments(c)).some(({ spec }) => spec.replicas > 1),
  checks: [
    awaited(
      "warning",
      "multiple replicas of control plane pods",
      "l5d-control-plane-replicas",
      async (c) => {
        const alone = (await deployments(c)).filter((each) => readyOf(each) < 2);
        refuseNamed("not redundant", alone, "unavailable");
      },
    ),
  ],
};

// Before everything else.
const START = [...KUBERNETES, GATEWAY_API, NEWEST];
const CONTROL_START = [...START, config, existence, IDENTITY, webhooks];
const ifHas =
  (extension: string) =>
  (category: Category<CheckContext>): Category<CheckContext> => ({
    ...category,
    applies: async (c) => (await installedExtensions(c)).has(extension),
  });
const ifViz = ifHas("viz");
const MULTICLUSTER_IF_THERE = ifHas("multicluster")(multiclusterChecks());

/** The tables of the verbs in a cluster. */
export const KUBE_CHECKS = {
  pre: [...START, PRE_KUBERNETES],
  preCni: [...START, PRE_KUBERNETES, CNI],
  crds: [...START, { id: "linkerd-crd", checks: [crds] }],
  control: [
    ...CONTROL_START,
    { ...CONTROL_VERSION, checks: [...CONTROL_VERSION.checks, CONTROL_NEWEST] },
    EXTENSIONS,
    CNI_IF_ENABLED,
    ha,
    ifViz(VIZ),
    MULTICLUSTER_IF_THERE,
  ],
  data: [
    ...CONTROL_START,
    MISSED,
    ...DATA_PLANE,
    NETWORK_POLICIES,
    ifViz(VIZ),
    ifViz(VIZ_DATA),
    MULTICLUSTER_IF_THERE,
  ],
  viz: [...KUBERNETES, VIZ],
  vizData: [...KUBERNETES, VIZ, VIZ_DATA, ...DATA_PLANE],
} as const satisfies Readonly<Record<string, readonly Category<CheckContext>[]>>;
