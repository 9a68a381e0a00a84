// What `linkerd check` finds of gaps that nobody sees otherwise: kinds that the control plane may not read, and pods that
// should have a proxy.

import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import type { Strings } from "../control/manifest.ts";
import { missedPods } from "../control/missed.ts";
import { READ } from "../control/reads.ts";
import { KINDS } from "../platform/kinds.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { refuse, row } from "./checkcontext.ts";
import { REPAIR } from "./kubeprechecks.ts";

/** Whether the ClusterRole is that of the images. */
export const MAY_READ = row(
  "error",
  "control plane may read all that it serves",
  "l5d-existence-cr",
  mayRead,
);

/** Pods that the injector never saw. */
export const MISSED: Category<CheckContext> = {
  id: "linkerd-data-plane-injection",
  checks: [
    row("warning", "pods that ask for a proxy have one", "l5d-data-plane-ready", async (c) => {
      type Namespace = { metadata: { name: string; labels?: Strings; annotations?: Strings } };
      const namespaces = await c.api.list<Namespace>("/api/v1/namespaces");
      const marks = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata]));
      const installation = await fetchInstallation(c.api, c.globals.linkerdNamespace);
      const pods = (await missedPods(c.api, installation, (name) => marks.get(name)))
        .map(({ metadata }) => metadata!)
        .filter(({ namespace }) => c.namespace === "" || namespace === c.namespace);
      refuse(
        'made while the injector was away, or before they asked; "kubectl rollout restart" makes others:',
        pods.map(({ namespace, name }) => `${namespace}/${name}`),
      );
    }),
  ],
};

// Images that are newer than the roles want more than these allow: what they cannot read they do without, or wait for.
async function mayRead(c: CheckContext): Promise<void> {
  const { linkerdNamespace: namespace } = c.globals;
  const user = `system:serviceaccount:${namespace}:linkerd-destination`;
  const answers = await Promise.all(
    READ.map((kind) => {
      const { group, plural: resource } = KINDS[kind];
      return isForbidden(c, user, { group, resource, verb: "watch" });
    }),
  );
  const missing = READ.filter((_, i) => answers[i]).map((kind) => KINDS[kind].plural);
  if (missing.length > 0)
    throw new Fault(
      "no-permission",
      `the ClusterRole linkerd-${namespace}-destination does not allow: ${missing.join(", ")}\n${REPAIR}`,
    );
}

/** Whether RBAC keeps a user from something. Who may not ask that is not told of it. */
export async function isForbidden(
  { api }: CheckContext,
  user: string,
  resourceAttributes: Readonly<Record<"group" | "resource" | "verb", string>>,
): Promise<boolean> {
  const body = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: { user, resourceAttributes },
  };
  const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
  return api.request<{ status: { allowed: boolean } }>(path, { method: "POST", body }).then(
    ({ status }) => !status.allowed,
    () => false,
  );
}
