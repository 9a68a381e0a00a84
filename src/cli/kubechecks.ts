// What `linkerd check` looks at in a cluster: a table of categories in the order of Linkerd's, with its words and hint
// anchors.

import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import { contains, parseCidr } from "../platform/cidr.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, row } from "./checkcontext.ts";
import { CONTROL_VERSION, IDENTITY } from "./checks.ts";
import { CONTROL_NEWEST, EXTENSIONS, GATEWAY_API, INIT_AS_ROOT, NEWEST } from "./clusterchecks.ts";
import { CNI, CNI_IF_ENABLED } from "./cnichecks.ts";
import { DATA_PLANE } from "./datachecks.ts";
import { MAY_READ, MISSED } from "./gapchecks.ts";
import {
  expectNames,
  KUBERNETES,
  type List,
  type Named,
  ofMesh,
  PRE_KUBERNETES,
  query,
} from "./kubeprechecks.ts";
import { certificateChecks, expectReady, podsOf } from "./kubeparts.ts";
import { VIZ, VIZ_DATA } from "./vizchecks.ts";

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION = "/apis/admissionregistration.k8s.io/v1";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const COMPONENTS = ["destination", "identity", "proxy-injector"];

const crds = row(
  "fatal",
  "control plane CustomResourceDefinitions exist",
  "l5d-existence-crd",
  (c) =>
    expectNames(
      c,
      CRDS,
      [
        "serviceprofiles.linkerd.io",
        "servers.policy.linkerd.io",
        "serverauthorizations.policy.linkerd.io",
        "authorizationpolicies.policy.linkerd.io",
        "meshtlsauthentications.policy.linkerd.io",
        "networkauthentications.policy.linkerd.io",
        "externalworkloads.workload.linkerd.io",
      ],
      '"linkerd install --crds | kubectl apply -f -" installs them',
    ),
);

const roles = (c: CheckContext): string[] =>
  COMPONENTS.map((name) => `linkerd-${c.globals.linkerdNamespace}-${name}`);

const config: Category<CheckContext> = {
  id: "linkerd-config",
  checks: [
    awaited(
      "fatal",
      "control plane Namespace exists",
      "l5d-existence-ns",
      async (c) => void (await c.api.request(`/api/v1/namespaces/${c.globals.linkerdNamespace}`)),
    ),
    awaited("fatal", "control plane ClusterRoles exist", "l5d-existence-cr", (c) =>
      expectNames(c, query(`${RBAC}/clusterroles`, ofMesh(c)), roles(c)),
    ),
    awaited("fatal", "control plane ClusterRoleBindings exist", "l5d-existence-crb", (c) =>
      expectNames(c, query(`${RBAC}/clusterrolebindings`, ofMesh(c)), roles(c)),
    ),
    MAY_READ,
    awaited("fatal", "control plane ServiceAccounts exist", "l5d-existence-sa", (c) =>
      expectNames(
        c,
        `/api/v1/namespaces/${c.globals.linkerdNamespace}/serviceaccounts`,
        COMPONENTS.map((name) => `linkerd-${name}`),
      ),
    ),
    crds,
    awaited(
      "fatal",
      "control plane MutatingWebhookConfigurations exist",
      "l5d-existence-mwc",
      (c) =>
        expectNames(c, query(`${ADMISSION}/mutatingwebhookconfigurations`, ofMesh(c)), [
          "linkerd-proxy-injector-webhook-config",
        ]),
    ),
    awaited(
      "fatal",
      "control plane ValidatingWebhookConfigurations exist",
      "l5d-existence-vwc",
      (c) =>
        expectNames(c, query(`${ADMISSION}/validatingwebhookconfigurations`, ofMesh(c)), [
          "linkerd-sp-validator-webhook-config",
          "linkerd-policy-validator-webhook-config",
        ]),
    ),
    INIT_AS_ROOT,
  ],
};

const controlPods = (c: CheckContext) =>
  podsOf(
    c,
    query(
      `/api/v1/namespaces/${c.globals.linkerdNamespace}/pods`,
      // A job that is over, or failed, is none that must be ready.
      "linkerd.io/control-plane-component,linkerd.io/control-plane-component!=heartbeat",
    ),
  );
type Deployment = Named & { spec: { replicas: number }; status: { readyReplicas?: number } };
const ask = (c: CheckContext): Promise<List<Deployment>> =>
  c.api.request(
    query(`/apis/apps/v1/namespaces/${c.globals.linkerdNamespace}/deployments`, ofMesh(c)),
  );

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
  if (outside.length > 0)
    throw new Fault(
      "bad-input",
      `outside of clusterNetworks: ${outside.map(({ metadata }) => metadata.name).join(", ")}\n"linkerd upgrade --set clusterNetworks=… | kubectl apply -f -" adds networks`,
    );
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
        const { items } = await ask(c);
        const behind = items.filter(
          ({ spec, status }) => (status.readyReplicas ?? 0) < spec.replicas,
        );
        if (items.length < COMPONENTS.length)
          throw new Fault("not-found", "parts of the control plane are not there");
        if (behind.length > 0)
          throw new Fault(
            "unavailable",
            `waiting for ${behind.map(({ metadata }) => metadata.name).join(", ")}`,
          );
      },
    ),
    row("warning", "no unschedulable pods", "l5d-existence-unschedulable-pods", async (c) => {
      const stuck = (await controlPods(c)).flatMap(({ metadata, status }) =>
        (status.conditions ?? [])
          .filter(({ type, status: is }) => type === "PodScheduled" && is === "False")
          .map(({ message }) => `${metadata.name}: ${message}`),
      );
      if (stuck.length > 0) throw new Fault("unavailable", stuck.join("\n"));
    }),
    awaited("fatal", "control plane pods are ready", "l5d-api-control-ready", async (c) =>
      expectReady(await controlPods(c)),
    ),
    row(
      "error",
      "cluster networks contains all node podCIDRs",
      "l5d-cluster-networks-cidr",
      async (c) => {
        type Node = Named & { readonly spec: { readonly podCIDR?: string } };
        const { items } = await c.api.request<List<Node>>("/api/v1/nodes");
        await expectInside(c, items, ({ spec }) => spec.podCIDR?.split("/")[0]);
      },
    ),
    row("error", "cluster networks contains all pods", "l5d-cluster-networks-pods", async (c) => {
      const pods = await podsOf(c, "/api/v1/pods");
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
        const { items } = await c.api.request<List<Service>>("/api/v1/services");
        await expectInside(c, items, ({ spec }) =>
          spec.clusterIP === "None" ? "" : spec.clusterIP,
        );
      },
    ),
  ],
};

// Every webhook, by its configuration and the secret of its certificate.
const WEBHOOKS = [
  ["proxy-injector", "mutatingwebhookconfigurations", "linkerd-proxy-injector"],
  ["sp-validator", "validatingwebhookconfigurations", "linkerd-sp-validator"],
  ["policy-validator", "validatingwebhookconfigurations", "linkerd-policy-validator"],
] as const;

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
  applies: async (c) => (await ask(c)).items.some(({ spec }) => spec.replicas > 1),
  checks: [
    awaited(
      "warning",
      "multiple replicas of control plane pods",
      "l5d-control-plane-replicas",
      async (c) => {
        const alone = (await ask(c)).items.filter(({ status }) => (status.readyReplicas ?? 0) < 2);
        if (alone.length > 0)
          throw new Fault(
            "unavailable",
            `not redundant: ${alone.map(({ metadata }) => metadata.name).join(", ")}`,
          );
      },
    ),
  ],
};

// Before everything else.
const START = [...KUBERNETES, GATEWAY_API, NEWEST];
const CONTROL_START = [...START, config, existence, IDENTITY, webhooks];
const VIZ_IF_INSTALLED: Category<CheckContext> = {
  ...VIZ,
  applies: async (c) => {
    const path = query("/api/v1/namespaces", "linkerd.io/extension=viz");
    return (await c.api.request<List<Named>>(path)).items.length > 0;
  },
};

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
    VIZ_IF_INSTALLED,
  ],
  data: [...CONTROL_START, MISSED, ...DATA_PLANE],
  viz: [...KUBERNETES, VIZ],
  vizData: [...KUBERNETES, VIZ, VIZ_DATA, ...DATA_PLANE],
} as const satisfies Readonly<Record<string, readonly Category<CheckContext>[]>>;
