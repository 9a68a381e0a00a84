// The verb `linkerd install`: the manifests of the control plane on standard output, for kubectl.

import { stringify } from "yaml";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { RawObject } from "../control/manifest.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { mergeValues, renderChart, type Json } from "./chart.ts";
import { chartValues } from "./chartflags.ts";
import { findCluster } from "./cluster.ts";
import { command } from "./command.ts";
import { toggle } from "./flag.ts";
import { issuerValues, webhookValues } from "./installcerts.ts";
import { chosenValues, CONTROL_FLAGS, FIRST_FLAGS } from "./installflags.ts";
import { printObjects } from "./manifestfiles.ts";

/** The label of everything of an installation. */
export const OF_MESH = "linkerd.io/control-plane-ns";
/** The Secret, and its key, with all values that are no defaults. */
export const OVERRIDES = "linkerd-config-overrides";
/** The Services of the webhooks, by the value that has their certificate. */
export const WEBHOOKS = {
  proxyInjector: "linkerd-proxy-injector",
  profileValidator: "linkerd-sp-validator",
  policyValidator: "linkerd-policy-validator",
};

export const install = command({
  name: "install",
  summary: "Print the manifests of the control plane",
  examples: [
    ["First the custom resources", "install --crds | kubectl apply -f -"],
    ["Then the control plane", "install | kubectl apply -f -"],
    [
      "With an issuer of one's own",
      "install --identity-trust-anchors-file ca.crt --identity-issuer-certificate-file issuer.crt --identity-issuer-key-file issuer.key",
    ],
    ["What no flag says", "install --set proxy.logLevel=debug -f values.yaml"],
  ],
  flags: {
    ...CONTROL_FLAGS,
    ...FIRST_FLAGS,
    ignoreCluster: toggle("Do not look at the cluster"),
    skipChecks: toggle("The same", { hidden: true }),
  },
  run: async ({ flags, globals, terminal }) => {
    const namespace = globals.linkerdNamespace;
    if (flags.crds)
      return terminal.print(printObjects(crdObjects(namespace, chartValues(flags)), flags.output));
    const isBlind = flags.ignoreCluster || flags.skipChecks;
    const api = isBlind ? undefined : findCluster(globals, terminal.env, terminal.scope);
    if (api) await refuseSecond(api, namespace);
    const chosen = chosenValues(flags);
    const issuer = await issuerValues(chosen, flags, namespace, systemClock);
    const webhooks = await webhookValues(WEBHOOKS, namespace, systemClock);
    const values = mergeValues(mergeValues(webhooks, issuer), chosen);
    terminal.print(printObjects(controlPlaneObjects(namespace, values), flags.output));
  },
});

/** The custom resources of this version. */
export function crdObjects(namespace: string, values: Json): RawObject[] {
  return renderChart("linkerd-crds", namespace, values);
}

/** The control plane for `values`, and the Secret that remembers them for upgrades. */
export function controlPlaneObjects(namespace: string, values: Json): RawObject[] {
  const text = stringify(values, { aliasDuplicateObjects: false });
  const remembered: RawObject = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: OVERRIDES, namespace, labels: { [OF_MESH]: namespace } },
    data: { [OVERRIDES]: Buffer.from(text).toString("base64") },
  };
  return [...renderChart("linkerd-control-plane", namespace, values), remembered];
}

async function refuseSecond(api: KubeApi, namespace: string): Promise<void> {
  if (await api.find(`/api/v1/namespaces/${namespace}/configmaps/linkerd-config`))
    throw new Fault(
      "in-use",
      `the ConfigMap linkerd-config is in the namespace ${namespace} already: use "linkerd upgrade", or "linkerd uninstall" first, or --ignore-cluster`,
    );
  const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  if (!(await api.find(`${crds}/serviceprofiles.linkerd.io`)))
    throw new Fault(
      "not-found",
      "Linkerd CRDs must be installed first. Run linkerd install with the --crds flag.",
    );
}
