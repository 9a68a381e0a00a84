// What `linkerd check` looks at before everything else: whether there is an API server, whether it is new enough, and
// (with --pre) whether this user may install into it.

import { systemClock } from "../base/clock.ts";
import { Fault, type FaultCode } from "../base/fault.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { type Named, refuseNamed, row } from "./checkcontext.ts";

/** Nodes renew every ten seconds. */
const MOST_SKEW_MS = 310_000;
/** The minor version of 1 that has native sidecars. */
const OLDEST = 29;

/** The label of everything of the mesh. */
export const ofMesh = (c: CheckContext): string =>
  `linkerd.io/control-plane-ns=${c.globals.linkerdNamespace}`;

/** What puts back what is missing of the control plane. */
export const REPAIR = '"linkerd upgrade | kubectl apply -f -" puts it back';

/** Fails unless something in a list has each of these names; `mend` says what to do then. */
export function expectNames(
  items: readonly Named[],
  names: readonly string[],
  mend = REPAIR,
): void {
  const found = new Set(items.map(({ metadata }) => metadata.name));
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) throw new Fault("not-found", `missing: ${missing.join(", ")}\n${mend}`);
}

function reach(code: FaultCode, { globals }: CheckContext): string {
  const where =
    globals.context === undefined ? "the current context" : `the context ${globals.context}`;
  return code === "unauthenticated" || code === "no-permission"
    ? `the user of ${where} may not ask it: "kubectl auth whoami" tells who that is`
    : `"kubectl cluster-info" should work with the same kubeconfig and ${where}`;
}

/** Whether there is a cluster at all. */
export const KUBERNETES: readonly Category<CheckContext>[] = [
  {
    id: "kubernetes-api",
    checks: [
      row("fatal", "can initialize the client", "k8s-api", (c) => void c.api),
      row("fatal", "can query the Kubernetes API", "k8s-api", async (c) => {
        try {
          await c.api.request("/version");
        } catch (error) {
          const { code, message } = Fault.from(error);
          throw new Fault(code, `${message}\n${reach(code, c)}`);
        }
      }),
    ],
  },
  {
    id: "kubernetes-version",
    checks: [
      row("error", "is running the minimum Kubernetes API version", "k8s-version", async (c) => {
        const { gitVersion } = await c.api.request<{ gitVersion: string }>("/version");
        const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(gitVersion) ?? [];
        const isEnough = Number(major) > 1 || Number(minor) >= OLDEST;
        if (!isEnough)
          throw new Fault(
            "bad-input",
            `Kubernetes is on version ${gitVersion}, but version 1.${OLDEST}.0 or more recent is required, which has native sidecars: upgrade the cluster`,
          );
      }),
    ],
  },
];

const mayCreate = (what: string, group: string, resource: string, verb = "create") =>
  row("error", `can ${verb === "get" ? "read" : verb} ${what}`, "pre-k8s", async (c) => {
    const namespace =
      resource === "customresourcedefinitions" ? undefined : c.globals.linkerdNamespace;
    const resourceAttributes = { group, resource, verb, ...(namespace && { namespace }) };
    const { status } = await c.api.request<{ status: { allowed: boolean; reason?: string } }>(
      "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      {
        method: "POST",
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes },
        },
      },
    );
    if (!status.allowed)
      throw new Fault(
        "no-permission",
        `not authorized to ${verb} ${resource}${status.reason ? `: ${status.reason}` : ""}\nsomebody with the ClusterRole cluster-admin must install, or give it to this user`,
      );
  });

/** Whether it can be installed into. */
export const PRE_KUBERNETES: Category<CheckContext> = {
  id: "pre-kubernetes-setup",
  checks: [
    row("error", "control plane namespace does not already exist", "pre-ns", async (c) => {
      const name = c.globals.linkerdNamespace;
      if (await c.api.find(`/api/v1/namespaces/${name}`))
        throw new Fault("in-use", `the "${name}" namespace already exists`);
    }),
    {
      ...mayCreate("non-namespaced resources", "apiextensions.k8s.io", "customresourcedefinitions"),
      anchor: "pre-k8s-cluster-k8s",
    },
    mayCreate("ServiceAccounts", "", "serviceaccounts"),
    mayCreate("Services", "", "services"),
    mayCreate("Deployments", "apps", "deployments"),
    mayCreate("CronJobs", "batch", "cronjobs"),
    mayCreate("ConfigMaps", "", "configmaps"),
    mayCreate("Secrets", "", "secrets"),
    mayCreate("Secrets", "", "secrets", "get"),
    row("warning", "no clock skew detected", "pre-k8s-clock-skew", async (c) => {
      type Lease = Named & { readonly spec: { readonly renewTime?: string } };
      const leases = await c.api.list<Lease>(
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
      );
      const ahead = leases.filter(
        ({ spec }) => Date.parse(spec.renewTime ?? "") - systemClock.wall() > MOST_SKEW_MS,
      );
      refuseNamed("the clocks of these nodes are ahead of this one", ahead, "bad-input");
    }),
  ],
};
