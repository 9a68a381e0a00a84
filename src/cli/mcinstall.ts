// The verbs `linkerd multicluster install`, `uninstall` and `allow`: manifests on standard output, for kubectl.

import { Fault } from "../base/fault.ts";
import { NAMESPACE } from "../control/link.ts";
import { trustDomainOf } from "../control/values.ts";
import { mergeValues, renderChart, type Json } from "./chart.ts";
import { CHART_FLAGS, chartValues } from "./chartflags.ts";
import { findCluster, needCluster } from "./cluster.ts";
import { command } from "./command.ts";
import { count, duration, oneOf, text, toggle } from "./flag.ts";
import { deletions } from "./installed.ts";
import { readyInstallation } from "./kubeparts.ts";
import { printObjects } from "./manifestfiles.ts";
import { linksOf } from "./mclinked.ts";
import { flagsOf, row, valuesOf } from "./valueflags.ts";

const CHART = "linkerd-multicluster";
const LABEL = "linkerd.io/extension=multicluster";

const HA: Json = {
  enablePodAntiAffinity: true,
  gateway: { replicas: 2 },
  controllerDefaults: { replicas: 2 },
};

/** The namespace of the extension. */
export const namespace = text("NAME", NAMESPACE, "Namespace of the extension", {
  offers: "namespace",
});

// oxfmt-ignore
const VALUES = {
  gateway: row(toggle("Install a gateway", { initial: true }), "gateway.enabled"),
  gatewayPort: row(count("PORT", 4143, "Port of the gateway"), "gateway.port"),
  gatewayProbePort: row(count("PORT", 4191, "Port on which it is probed"), "gateway.probe.port"),
  gatewayProbeSeconds: row(count("N", 3, "Time between probes"), "gateway.probe.seconds"),
  gatewayServiceType: row(oneOf(["LoadBalancer", "NodePort", "ClusterIP"], "Type of the gateway's Service"), "gateway.serviceType"),
  serviceMirrorCredentials: row(toggle("Install the account with which other clusters read services", { initial: true }), "remoteMirrorServiceAccount"),
};

export const mcInstall = command({
  name: "install",
  summary: "Print the manifests of the gateway, the mirrors, and the account for other clusters",
  details: `For each cluster whose services shall be seen here, a mirror has to be named: --set
controllers[0].link.ref.name=NAME, with the name of its Link.`,
  examples: [
    ["A cluster that others link to", "multicluster install | kubectl apply -f -"],
    [
      "One that mirrors the services of east",
      "multicluster install --set controllers[0].link.ref.name=east | kubectl apply -f -",
    ],
  ],
  flags: {
    ...CHART_FLAGS,
    ...flagsOf(VALUES),
    namespace,
    ha: toggle("Two replicas of everything, on nodes of their own"),
    ignoreCluster: toggle("Do not look at the cluster"),
    wait: duration("5m", "Longest wait for a control plane that comes up"),
  },
  run: async ({ flags, globals, terminal }) => {
    const { linkerdNamespace } = globals;
    const api = flags.ignoreCluster
      ? undefined
      : findCluster(globals, terminal.env, terminal.scope);
    let found: Json = {};
    if (api) {
      // Without an injector, the gateway would come up without the proxy that it is.
      const { values } = await readyInstallation(api, linkerdNamespace, flags.wait, terminal);
      found = { identityTrustDomain: trustDomainOf(values), cniEnabled: values.cniEnabled };
    }
    const chosen = chartValues(
      flags,
      mergeValues({ linkerdNamespace, ...found }, flags.ha ? HA : {}),
      valuesOf(VALUES, flags),
    );
    terminal.print(printObjects(renderChart(CHART, flags.namespace, chosen), flags.output));
  },
});

export const mcUninstall = command({
  name: "uninstall",
  summary: "Print what to delete so that nothing of the extension is left",
  examples: [["Delete everything", "multicluster uninstall | kubectl delete -f -"]],
  flags: { output: CHART_FLAGS.output },
  run: async ({ flags, globals, terminal }) => {
    const api = needCluster(globals, terminal.env, terminal.scope);
    const left = await linksOf(api);
    // Nobody would take their mirrors away.
    if (left.length > 0)
      throw new Fault(
        "in-use",
        left
          .map(({ link }) => link.metadata.name)
          .map(
            (n) =>
              `${n} is linked: "linkerd multicluster unlink --cluster-name ${n} | kubectl delete -f -"`,
          )
          .join("\n"),
      );
    terminal.print(await deletions(api, LABEL, flags.output));
  },
});

export const mcAllow = command({
  name: "allow",
  summary: "Print an account with which another cluster may read the services of this one",
  details: "With an account for each cluster, access can be taken back from one of them alone.",
  examples: [
    ["For west", "multicluster allow --service-account-name west | kubectl apply -f -"],
    ["Its link", "multicluster link-gen --cluster-name east --service-account-name west"],
  ],
  flags: {
    namespace,
    serviceAccountName: text("NAME", "", "Name of the account"),
    ignoreCluster: toggle("Do not look at the cluster"),
    output: CHART_FLAGS.output,
  },
  run: async ({ flags, globals, terminal }) => {
    const name = flags.serviceAccountName;
    if (name === "") throw new Fault("bad-input", "name the account: --service-account-name NAME");
    const { linkerdNamespace } = globals;
    if (!flags.ignoreCluster) {
      const api = needCluster(globals, terminal.env, terminal.scope);
      await api.request(`/api/v1/namespaces/${flags.namespace}`);
    }
    const values = { linkerdNamespace, remoteMirrorServiceAccountName: name };
    const objects = renderChart(CHART, flags.namespace, values);
    const isOfAccount = (labels: unknown): boolean =>
      (labels as Json | undefined)?.["component"] === "remote-access";
    terminal.print(
      printObjects(
        objects.filter(({ metadata }) => isOfAccount(metadata?.labels)),
        flags.output,
      ),
    );
  },
});
