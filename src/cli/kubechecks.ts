// What `linkerd check` looks at in a cluster: a table of categories in the order of Linkerd's, with its words and hint
// anchors.

import { X509Certificate } from "node:crypto";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import { contains, parseCidr } from "../platform/cidr.ts";
import { parseBundle } from "./certificate.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, row } from "./checkcontext.ts";
import { CONTROL_VERSION, IDENTITY } from "./checks.ts";
import { CNI, CNI_IF_ENABLED } from "./cnichecks.ts";
import { DATA_PLANE } from "./datachecks.ts";
import {
  expectNames,
  KUBERNETES,
  type List,
  type Named,
  ofMesh,
  PRE_KUBERNETES,
  query,
} from "./kubeprechecks.ts";

type PodItem = Named & {
  readonly spec: { readonly hostNetwork?: boolean };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
};
type Hooks = Named & {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
};

const SOON_MS = 60 * 86_400_000;
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION = "/apis/admissionregistration.k8s.io/v1";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const COMPONENTS = ["destination", "identity", "proxy-injector"];

const crds = row(
  "fatal",
  "control plane CustomResourceDefinitions exist",
  "l5d-existence-crd",
  (c) =>
    expectNames(c, CRDS, [
      "serviceprofiles.linkerd.io",
      "servers.policy.linkerd.io",
      "serverauthorizations.policy.linkerd.io",
      "authorizationpolicies.policy.linkerd.io",
      "meshtlsauthentications.policy.linkerd.io",
      "networkauthentications.policy.linkerd.io",
      "externalworkloads.workload.linkerd.io",
    ]),
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
  ],
};

const podsOf = async (c: CheckContext, path: string): Promise<readonly PodItem[]> =>
  (await c.api.request<List<PodItem>>(path)).items;
const controlPods = (c: CheckContext) =>
  podsOf(
    c,
    query(
      `/api/v1/namespaces/${c.globals.linkerdNamespace}/pods`,
      "linkerd.io/control-plane-component",
    ),
  );
const isReady = ({ status }: PodItem): boolean =>
  status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;

function expectReady(pods: readonly PodItem[]): void {
  const waiting = pods.filter((pod) => pod.status.phase !== "Succeeded" && !isReady(pod));
  if (pods.length === 0) throw new Fault("unavailable", "there are no pods");
  if (waiting.length > 0)
    throw new Fault(
      "unavailable",
      `not ready: ${waiting.map(({ metadata }) => metadata.name).join(", ")}`,
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
        type Deployment = Named & {
          spec: { replicas: number };
          status: { readyReplicas?: number };
        };
        const { items } = await c.api.request<List<Deployment>>(
          query(`/apis/apps/v1/namespaces/${c.globals.linkerdNamespace}/deployments`, ofMesh(c)),
        );
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
    row("error", "cluster networks contains all pods", "l5d-cluster-networks-pods", async (c) => {
      const { values } = await fetchInstallation(c.api, c.globals.linkerdNamespace);
      const networks = values.clusterNetworks
        .split(",")
        .map((text) => parseCidr(text.trim()))
        .filter((cidr) => cidr !== undefined);
      const outside = (await podsOf(c, "/api/v1/pods")).filter(
        ({ spec, status: { podIP } }) =>
          !spec.hostNetwork && podIP && !networks.some((network) => contains(network, podIP)),
      );
      if (outside.length > 0)
        throw new Fault(
          "bad-input",
          `outside of clusterNetworks: ${outside.map(({ metadata }) => metadata.name).join(", ")}`,
        );
    }),
  ],
};

// Every webhook, by its configuration and the secret of its certificate.
const WEBHOOKS = [
  ["proxy-injector", "mutatingwebhookconfigurations", "linkerd-proxy-injector"],
  ["sp-validator", "validatingwebhookconfigurations", "linkerd-sp-validator"],
  ["policy-validator", "validatingwebhookconfigurations", "linkerd-policy-validator"],
] as const;

const webhooks: Category<CheckContext> = {
  id: "linkerd-webhooks-and-apisvc-tls",
  checks: WEBHOOKS.flatMap(([name, plural, service]) => {
    const certificate = async (c: CheckContext): Promise<X509Certificate> => {
      const { data } = await c.api.request<{ data: Record<string, string> }>(
        `/api/v1/namespaces/${c.globals.linkerdNamespace}/secrets/linkerd-${name}-k8s-tls`,
      );
      return new X509Certificate(Buffer.from(data["tls.crt"] ?? "", "base64"));
    };
    return [
      row(
        "fatal",
        `${name} webhook has valid cert`,
        `l5d-${name}-webhook-cert-valid`,
        async (c) => {
          const hooks = await c.api.request<Hooks>(
            `${ADMISSION}/${plural}/${service}-webhook-config`,
          );
          const bundle = parseBundle(
            Buffer.from(hooks.webhooks[0]?.clientConfig.caBundle ?? "", "base64").toString(),
          );
          const leaf = await certificate(c);
          if (!bundle.some((ca) => leaf.verify(ca.publicKey)))
            throw new Fault(
              "bad-input",
              "the caBundle of the webhook does not vouch for its certificate",
            );
          if (!leaf.checkHost(`${service}.${c.globals.linkerdNamespace}.svc`))
            throw new Fault(
              "bad-input",
              `the certificate is not for ${service}.${c.globals.linkerdNamespace}.svc`,
            );
          if (leaf.validToDate.getTime() < systemClock.wall())
            throw new Fault("bad-input", `it expired on ${leaf.validTo}`);
        },
      ),
      row(
        "warning",
        `${name} cert is valid for at least 60 days`,
        `l5d-${name}-webhook-cert-not-expiring-soon`,
        async (c) => {
          const leaf = await certificate(c);
          if (leaf.validToDate.getTime() - systemClock.wall() < SOON_MS)
            throw new Fault("bad-input", `it will expire on ${leaf.validTo}`);
        },
      ),
    ];
  }),
};

const viz: Category<CheckContext> = {
  id: "linkerd-viz",
  checks: [
    awaited("fatal", "linkerd-viz Namespace exists", "l5d-viz-ns-exists", async (c) => {
      const { items } = await c.api.request<List<Named>>(
        query("/api/v1/namespaces", "linkerd.io/extension=viz"),
      );
      if (items.length === 0)
        throw new Fault(
          "not-found",
          'could not find the linkerd-viz extension: "linkerd viz install" adds it',
        );
    }),
    awaited("fatal", "viz extension pods are running", "l5d-viz-pods-running", async (c) =>
      expectReady(await podsOf(c, query("/api/v1/pods", "linkerd.io/extension=viz"))),
    ),
    awaited("error", "viz extension self-check", "l5d-viz-metrics-api", async (c) => {
      const { results } = await (await c.mesh()).viz.selfCheck({});
      const bad = results.filter(({ Status }) => Status !== 0);
      if (bad.length > 0)
        throw new Fault("unavailable", bad.map((b) => b.FriendlyMessageToUser).join("\n"));
    }),
  ],
};

/** The tables of the verbs in a cluster. */
export const KUBE_CHECKS = {
  pre: [...KUBERNETES, PRE_KUBERNETES],
  preCni: [...KUBERNETES, PRE_KUBERNETES, CNI],
  crds: [...KUBERNETES, { id: "linkerd-crd", checks: [crds] }],
  control: [...KUBERNETES, config, existence, IDENTITY, webhooks, CONTROL_VERSION, CNI_IF_ENABLED],
  data: [...KUBERNETES, config, existence, IDENTITY, webhooks, ...DATA_PLANE],
  viz: [...KUBERNETES, viz],
  vizData: [...KUBERNETES, viz, ...DATA_PLANE],
} as const satisfies Readonly<Record<string, readonly Category<CheckContext>[]>>;
