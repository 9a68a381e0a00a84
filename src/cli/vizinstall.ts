// The verbs `linkerd viz install`, `uninstall` and `prune`: manifests on standard output, for kubectl.

import { systemClock } from "../base/clock.ts";
import { mergeValues, nest, renderChart, type Json } from "./chart.ts";
import { CHART_FLAGS, chartValues } from "./chartflags.ts";
import { findCluster, needCluster } from "./cluster.ts";
import { command, type Globals } from "./command.ts";
import { duration, toggle, type Values } from "./flag.ts";
import { webhookValues } from "./installcerts.ts";
import { deletions } from "./installed.ts";
import { readyInstallation } from "./kubeparts.ts";
import { printObjects } from "./manifestfiles.ts";

/** Where viz is unless a flag says otherwise. */
export const NAMESPACE = "linkerd-viz";
const LABEL = "linkerd.io/extension=viz";
const SERVICES = { tap: "tap", tapInjector: "tap-injector" };

const HA: Json = {
  replicas: 2,
  enablePodAntiAffinity: true,
  enablePodDisruptionBudget: true,
  tapInjector: { failurePolicy: "Fail" },
  resources: { requests: { cpu: "100m", memory: "150Mi" }, limits: { memory: "500Mi" } },
  prometheus: {
    resources: { requests: { cpu: "300m", memory: "300Mi" }, limits: { memory: "8192Mi" } },
  },
};

const FLAGS = {
  ...CHART_FLAGS,
  ha: toggle("Two replicas on nodes of their own, and no pod that cannot be tapped"),
};

/** The objects of the extension for what the flags choose. */
async function render(flags: Values<typeof FLAGS>, { linkerdNamespace, vizNamespace }: Globals) {
  const namespace = vizNamespace ?? NAMESPACE;
  const chosen = chartValues(
    flags,
    flags.ha ? HA : {},
    nest(["linkerdNamespace"], linkerdNamespace),
  );
  const certificates = await webhookValues(SERVICES, namespace, systemClock);
  return renderChart("linkerd-viz", namespace, mergeValues(certificates, chosen));
}

export const vizInstall = command({
  name: "install",
  summary: "Print the manifests of metrics, tap and the dashboard",
  details: `Viz reads the metrics of proxies itself and keeps those of ten minutes. With --set prometheus.enabled=true
a Prometheus is installed beside it; with --set prometheusUrl=URL it asks yours.`,
  examples: [
    ["Install", "viz install | kubectl apply -f -"],
    ["With a Prometheus", "viz install --set prometheus.enabled=true | kubectl apply -f -"],
  ],
  flags: {
    ...FLAGS,
    skipChecks: toggle("Do not look whether there is a control plane"),
    ignoreCluster: toggle("Do not look at the cluster"),
    wait: duration("5m", "Longest wait for a control plane that comes up"),
  },
  run: async ({ flags, globals, terminal }) => {
    const isBlind = flags.ignoreCluster || flags.skipChecks;
    const api = isBlind ? undefined : findCluster(globals, terminal.env, terminal.scope);
    // Without an injector, an installed Prometheus would come up without the proxy that it needs.
    if (api) await readyInstallation(api, globals.linkerdNamespace, flags.wait, terminal);
    terminal.print(printObjects(await render(flags, globals), flags.output));
  },
});

export const vizUninstall = command({
  name: "uninstall",
  summary: "Print what to delete so that nothing of viz is left",
  examples: [["Delete everything", "viz uninstall | kubectl delete -f -"]],
  flags: { output: CHART_FLAGS.output },
  run: async ({ flags, globals, terminal }) => {
    const api = needCluster(globals, terminal.env, terminal.scope);
    terminal.print(await deletions(api, LABEL, flags.output));
  },
});

export const vizPrune = command({
  name: "prune",
  summary: "Print what an older version installed and this one no longer has",
  details: "Give it the values that viz was installed with.",
  examples: [["Delete it", "viz prune | kubectl delete -f -"]],
  flags: {
    ...FLAGS,
    wait: duration("5m", "Without effect: it needs nothing that comes up", { hidden: true }),
  },
  run: async ({ flags, globals, terminal }) => {
    const api = needCluster(globals, terminal.env, terminal.scope);
    const wanted = await render(flags, globals);
    terminal.print(await deletions(api, LABEL, flags.output, wanted));
  },
});
