// The verbs `linkerd install`, `upgrade`, `uninstall` and `prune`: manifests on standard output, for kubectl.

import { parse, stringify } from "yaml";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { RawObject } from "../control/manifest.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { mergeValues, nest, parseSet, renderChart, type Json } from "./chart.ts";
import { CHART_FLAGS, chartValues } from "./chartflags.ts";
import { findCluster, needCluster } from "./cluster.ts";
import { command, type Globals } from "./command.ts";
import { optional, toggle, type Values } from "./flag.ts";
import { issuerValues, webhookValues } from "./installcerts.ts";
import { meshObjects, nameOf, referenceOf } from "./installed.ts";
import { printObjects } from "./manifestfiles.ts";
import { PROXY_FLAGS, settingsOf } from "./proxyflags.ts";

const CRDS = "linkerd-crds";
const CONTROL_PLANE = "linkerd-control-plane";
const OF_MESH = "linkerd.io/control-plane-ns";
const OVERRIDES = "linkerd-config-overrides";
const WEBHOOKS = {
  proxyInjector: "linkerd-proxy-injector",
  profileValidator: "linkerd-sp-validator",
  policyValidator: "linkerd-policy-validator",
};

const INSTALL_FLAGS = {
  ...PROXY_FLAGS,
  ...CHART_FLAGS,
  crds: toggle("Print the custom resource definitions, which must be applied first"),
  ignoreCluster: toggle("Do not look at the cluster"),
  ha: toggle("Three replicas, spread over nodes, and no pod without a proxy"),
  linkerdCniEnabled: toggle("The CNI plugin redirects connections, pods need no init container"),
  controllerLogLevel: optional("LEVEL", "What the control plane logs (default info)"),
  controllerReplicas: optional("N", "Replicas of each part of the control plane (default 1)"),
  controllerUid: optional("UID", "User that the control plane runs as (default 2103)"),
  registry: optional("NAME", "Where images come from (default linkerd-ts)"),
  clusterDomain: optional("DOMAIN", "Domain of the cluster's DNS (default cluster.local)"),
  identityTrustDomain: optional("DOMAIN", "Domain of identities (default: the cluster's)"),
  identityTrustAnchorsFile: optional("FILE", "PEM of the trust anchors", { offers: "file" }),
  identityIssuerCertificateFile: optional("FILE", "PEM of the issuer's certificate", {
    offers: "file",
  }),
  identityIssuerKeyFile: optional("FILE", "PEM of the issuer's key", { offers: "file" }),
  identityIssuanceLifetime: optional(
    "TIME",
    "How long certificates of workloads are good (default 24h)",
  ),
  identityExternalIssuer: toggle("Somebody else makes the Secret of the issuer"),
  identityExternalCa: toggle("Somebody else makes the ConfigMap of the trust anchors"),
};

type InstallFlags = Values<typeof INSTALL_FLAGS>;

export const install = command({
  name: "install",
  summary: "Print the manifests of the control plane",
  usage: "[flags]",
  examples: [
    ["First the custom resources", "install --crds | kubectl apply -f -"],
    ["Then the control plane", "install | kubectl apply -f -"],
  ],
  flags: INSTALL_FLAGS,
  run: async ({ flags, globals, terminal }) => {
    const namespace = globals.linkerdNamespace;
    const api = flags.ignoreCluster ? undefined : findCluster(globals, terminal.env);
    try {
      if (flags.crds)
        return terminal.print(printObjects(renderChart(CRDS, namespace, {}), flags.output));
      if (api) await refuseSecond(api, namespace);
      const chosen = chosenValues(flags);
      const values = await withCertificates(chosen, flags, globals);
      terminal.print(
        printObjects(
          [...renderChart(CONTROL_PLANE, namespace, values), overrides(namespace, values)],
          flags.output,
        ),
      );
    } finally {
      api?.close();
    }
  },
});

export const upgrade = command({
  name: "upgrade",
  summary: "Print the manifests of the control plane with what was chosen when it was installed",
  usage: "[flags]",
  examples: [["With another log level", "upgrade --proxy-log-level debug | kubectl apply -f -"]],
  flags: INSTALL_FLAGS,
  run: async ({ flags, globals, terminal }) => {
    const namespace = globals.linkerdNamespace;
    if (flags.crds)
      return terminal.print(printObjects(renderChart(CRDS, namespace, {}), flags.output));
    const api = needCluster(globals, terminal.env);
    try {
      const kept = await storedOverrides(api, namespace);
      const values = mergeValues(kept, chosenValues(flags));
      terminal.print(
        printObjects(
          [...renderChart(CONTROL_PLANE, namespace, values), overrides(namespace, values)],
          flags.output,
        ),
      );
    } finally {
      api.close();
    }
  },
});

export const uninstall = command({
  name: "uninstall",
  summary: "Print what to delete so that nothing of the mesh is left",
  usage: "[flags]",
  examples: [["Delete everything", "uninstall | kubectl delete -f -"]],
  flags: {
    force: toggle("Even while pods have proxies", { short: "f" }),
    output: CHART_FLAGS.output,
  },
  run: async ({ flags, globals, terminal }) => {
    const api = needCluster(globals, terminal.env);
    try {
      if (!flags.force) await refuseWhileUsed(api, globals.linkerdNamespace);
      const objects = await meshObjects(api, `${OF_MESH}=${globals.linkerdNamespace}`);
      terminal.print(printObjects(objects.map(referenceOf), flags.output));
    } finally {
      api.close();
    }
  },
});

export const prune = command({
  name: "prune",
  summary: "Print what an older version installed and this one no longer has",
  usage: "[flags]",
  examples: [["Delete it", "prune | kubectl delete -f -"]],
  flags: { output: CHART_FLAGS.output },
  run: async ({ flags, globals, terminal }) => {
    const namespace = globals.linkerdNamespace;
    const api = needCluster(globals, terminal.env);
    try {
      const values = await storedOverrides(api, namespace);
      const wanted = [
        ...renderChart(CRDS, namespace, {}),
        ...renderChart(CONTROL_PLANE, namespace, values),
        overrides(namespace, values),
      ];
      const names = new Set(wanted.map(nameOf));
      const extra = (await meshObjects(api, `${OF_MESH}=${namespace}`)).filter(
        (object) => !names.has(nameOf(object)),
      );
      terminal.print(printObjects(extra.map(referenceOf), flags.output));
    } finally {
      api.close();
    }
  },
});

const HA: Json = {
  controllerReplicas: 3,
  enablePodAntiAffinity: true,
  enablePodDisruptionBudget: true,
  webhookFailurePolicy: "Fail",
  proxy: { resources: { cpu: { request: "100m" }, memory: { request: "20Mi", limit: "250Mi" } } },
};

function chosenValues(flags: InstallFlags): Json {
  const set = (path: string, value: unknown): Json =>
    value === undefined ? {} : nest(path.split("."), value);
  return chartValues(
    flags,
    flags.ha ? HA : {},
    ...(flags.registry === undefined
      ? []
      : [
          parseSet(
            `controllerImage=${flags.registry}/controller,proxy.image.name=${flags.registry}/proxy,debugContainer.image.name=${flags.registry}/debug`,
          ),
        ]),
    ...settingsOf(flags).map(([path, value]) =>
      parseSet(`${path}=${value.replaceAll(",", "\\,")}`),
    ),
    flags.linkerdCniEnabled ? { cniEnabled: true } : {},
    set("controllerLogLevel", flags.controllerLogLevel),
    set("controllerReplicas", numberOf(flags.controllerReplicas)),
    set("controllerUID", numberOf(flags.controllerUid)),
    set("clusterDomain", flags.clusterDomain),
    set("identityTrustDomain", flags.identityTrustDomain),
    set("identity.issuer.issuanceLifetime", flags.identityIssuanceLifetime),
    flags.identityExternalIssuer ? nest(["identity", "issuer", "scheme"], "kubernetes.io/tls") : {},
    flags.identityExternalCa ? nest(["identity", "externalCA"], true) : {},
  );
}

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text);

async function withCertificates(
  chosen: Json,
  flags: InstallFlags,
  { linkerdNamespace }: Globals,
): Promise<Json> {
  const issuer = await issuerValues(chosen, flags, linkerdNamespace, systemClock);
  const webhooks = await webhookValues(WEBHOOKS, linkerdNamespace, systemClock);
  return mergeValues(mergeValues(webhooks, issuer), chosen);
}

// All that is not a default, so that an upgrade keeps it.
function overrides(namespace: string, values: Json): RawObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: OVERRIDES, namespace, labels: { [OF_MESH]: namespace } },
    data: {
      [OVERRIDES]: Buffer.from(stringify(values, { aliasDuplicateObjects: false })).toString(
        "base64",
      ),
    },
  };
}

async function storedOverrides(api: KubeApi, namespace: string): Promise<Json> {
  try {
    const path = `/api/v1/namespaces/${namespace}/secrets/${OVERRIDES}`;
    const { data } = await api.request<{ data: Record<string, string> }>(path);
    return parse(Buffer.from(data[OVERRIDES] ?? "", "base64").toString()) as Json;
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "not-found") throw error;
    throw new Fault(
      "not-found",
      `the Secret ${OVERRIDES} is not in ${namespace}: nothing was installed there by "linkerd install"; what Helm installed, Helm upgrades`,
    );
  }
}

async function refuseSecond(api: KubeApi, namespace: string): Promise<void> {
  const has = (path: string): Promise<boolean> =>
    api.request(path).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Fault && error.code === "not-found") return false;
        throw error;
      },
    );
  if (await has(`/api/v1/namespaces/${namespace}/configmaps/linkerd-config`))
    throw new Fault(
      "in-use",
      `the ConfigMap linkerd-config is in the namespace ${namespace} already: use "linkerd upgrade", or "linkerd uninstall" first, or --ignore-cluster`,
    );
  if (
    !(await has(
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/serviceprofiles.linkerd.io",
    ))
  )
    throw new Fault(
      "not-found",
      "Linkerd CRDs must be installed first. Run linkerd install with the --crds flag.",
    );
}

async function refuseWhileUsed(api: KubeApi, namespace: string): Promise<void> {
  type Pods = { items: { metadata: { namespace: string; name: string } }[] };
  const selector = encodeURIComponent(
    `linkerd.io/control-plane-ns=${namespace},!linkerd.io/control-plane-component`,
  );
  const { items } = await api.request<Pods>(`/api/v1/pods?labelSelector=${selector}`);
  if (items.length === 0) return;
  const names = items.map(({ metadata }) => `\t* ${metadata.namespace}/${metadata.name}`);
  throw new Fault(
    "in-use",
    `these pods still have proxies; uninject them first, or use --force:\n${names.join("\n")}`,
  );
}
