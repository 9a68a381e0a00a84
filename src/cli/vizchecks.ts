// What `linkerd viz check` looks at in a cluster: the rows of Linkerd's, with its words and hint anchors.

import { Fault } from "../base/fault.ts";
import { PROXY } from "../control/injectproxy.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, type Named, refuseNamed, row } from "./checkcontext.ts";
import { certificateChecks, expectReady, podsAt } from "./kubeparts.ts";
import { expectNames } from "./kubeprechecks.ts";

const LABEL = "linkerd.io/extension=viz";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const TAP_API = "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.tap.linkerd.io";

type ApiService = {
  readonly spec: { readonly caBundle?: string };
  readonly status?: {
    readonly conditions?: readonly { type: string; status: string; message?: string }[];
  };
};

async function namespaceOf(c: CheckContext): Promise<string> {
  const { vizNamespace: wanted } = c.globals;
  const all = await c.api.list<Named>("/api/v1/namespaces", LABEL);
  const found = all.find(({ metadata }) => wanted === undefined || metadata.name === wanted);
  if (found) return found.metadata.name;
  throw new Fault(
    "not-found",
    `could not find the linkerd-viz extension${wanted === undefined ? "" : ` in ${wanted}`}: "linkerd viz install" adds it`,
  );
}

const vizPods = (c: CheckContext) => podsAt(c, "/api/v1/pods", LABEL);
const tapApi = (c: CheckContext) => c.api.request<ApiService>(TAP_API);

// Those of ours have an identity without a proxy, and say so.
const INJECT = "linkerd.io/inject";

async function meshedPods(c: CheckContext) {
  return (await vizPods(c)).filter(({ metadata }) => metadata.annotations?.[INJECT] === "enabled");
}

/** What viz has to say of `topic`, when that is not right. */
async function complaintOf(c: CheckContext, topic: "resources" | "metrics" | "scrape") {
  const { results } = await (await c.mesh()).viz.selfCheck({});
  return results.find(
    ({ Status, CheckDescription }) => Status !== 0 && CheckDescription.includes(topic),
  )?.FriendlyMessageToUser;
}

async function expectSilence(c: CheckContext, topic: "resources" | "metrics", what: string) {
  const complaint = await complaintOf(c, topic);
  if (complaint !== undefined) throw new Fault("unavailable", complaint || what);
}

/** Whether viz is there and works. */
export const VIZ: Category<CheckContext> = {
  id: "linkerd-viz",
  checks: [
    awaited("fatal", "linkerd-viz Namespace exists", "l5d-viz-ns-exists", async (c) => {
      await namespaceOf(c);
    }),
    awaited("fatal", "can initialize the client", "l5d-viz-existence-client", async (c) => {
      await c.mesh();
    }),
    awaited("fatal", "linkerd-viz ClusterRoles exist", "l5d-viz-cr-exists", async (c) => {
      const name = await namespaceOf(c);
      const wanted = [`linkerd-${name}-tap`, `linkerd-${name}-tap-admin`];
      expectNames(await c.api.list(`${RBAC}/clusterroles`, LABEL), wanted);
    }),
    awaited("fatal", "linkerd-viz ClusterRoleBindings exist", "l5d-viz-crb-exists", async (c) => {
      const name = await namespaceOf(c);
      const wanted = [`linkerd-${name}-tap`, `linkerd-${name}-tap-auth-delegator`];
      expectNames(await c.api.list(`${RBAC}/clusterrolebindings`, LABEL), wanted);
    }),
    ...certificateChecks({
      renewal: "viz install",
      titles: [
        "tap API server has valid cert",
        "tap API server cert is valid for at least 60 days",
      ],
      anchors: ["l5d-tap-cert-valid", "l5d-tap-cert-not-expiring-soon"],
      service: "tap",
      secret: "tap-k8s-tls",
      namespace: namespaceOf,
      bundle: async (c) => (await tapApi(c)).spec.caBundle,
    }),
    // A warning, because commands tap without it: over a forwarded port, where that is allowed.
    awaited("warning", "tap API service is running", "l5d-tap-api", async (c) => {
      const { conditions = [] } = (await tapApi(c)).status ?? {};
      const is = conditions.find(({ type }) => type === "Available");
      if (is?.status !== "True")
        throw new Fault("unavailable", is?.message ?? "the API server has not seen it yet");
    }),
    row("warning", "linkerd-viz pods are injected", "l5d-viz-pods-injection", async (c) => {
      const bare = (await meshedPods(c)).filter(
        ({ spec: { containers, initContainers = [] } }) =>
          ![...containers, ...initContainers].some(({ name }) => name === PROXY),
      );
      refuseNamed("restart these, which have no proxy", bare, "bad-input");
    }),
    awaited("fatal", "viz extension pods are running", "l5d-viz-pods-running", async (c) =>
      expectReady(await vizPods(c)),
    ),
    awaited("fatal", "viz extension proxies are healthy", "l5d-viz-proxy-healthy", async (c) => {
      const pods = await meshedPods(c);
      if (pods.length > 0) expectReady(pods);
    }),
    awaited(
      "error",
      "prometheus is installed and configured correctly",
      "l5d-viz-prometheus",
      (c) => expectSilence(c, "metrics", "there are no metrics"),
    ),
    awaited("error", "viz extension self-check", "l5d-viz-metrics-api", (c) =>
      expectSilence(c, "resources", "viz does not know the resources of the mesh"),
    ),
  ],
};

/** Whether viz sees the proxies of the data plane. */
export const VIZ_DATA: Category<CheckContext> = {
  id: "linkerd-viz-data-plane",
  checks: [
    row("fatal", "data plane namespace exists", "l5d-data-plane-exists", async (c) => {
      if (c.namespace !== "") await c.api.request(`/api/v1/namespaces/${c.namespace}`);
    }),
    row(
      "warning",
      "prometheus is authorized to scrape data plane pods",
      "l5d-viz-data-plane-prom-authz",
      async (c) => {
        const lines = (await complaintOf(c, "scrape"))?.split("\n") ?? [];
        const mine = lines.filter((line) => line.startsWith(c.namespace && `${c.namespace}/`));
        if (mine.length > 0)
          throw new Fault(
            "no-permission",
            `${mine.map((line) => `\t* ${line}`).join("\n")}\nWhere a policy forbids it: linkerd viz allow-scrapes -n NAMESPACE | kubectl apply -f -`,
          );
      },
    ),
    awaited(
      "error",
      "data plane proxy metrics are present in Prometheus",
      "l5d-data-plane-prom",
      async (c) => {
        const proxies = await c.proxies();
        const { response } = await (
          await c.mesh()
        ).viz.statSummary({
          selector: { resource: { namespace: c.namespace, type: "pod", name: "" } },
          tcpStats: true,
        });
        const tables = response.case === "ok" ? response.value.statTables : [];
        const seen = new Set(
          tables
            .flatMap(({ table }) => table.value?.rows ?? [])
            .filter(({ stats, tcpStats }) => stats !== undefined || tcpStats !== undefined)
            .map(({ resource }) => `${resource?.namespace}/${resource?.name}`),
        );
        const unseen = proxies
          .map(({ namespace, name }) => `${namespace}/${name}`)
          .filter((name) => !seen.has(name));
        if (unseen.length > 0) throw new Fault("unavailable", `no metrics of ${unseen.join(", ")}`);
      },
    ),
  ],
};
