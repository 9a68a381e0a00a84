// The verbs `linkerd multicluster link-gen` and `unlink`: what makes a cluster known to another one, and what undoes
// that, on standard output, for kubectl.

import { stringify } from "yaml";
import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import {
  CREDENTIALS_TYPE,
  credentialsOf,
  GATEWAY_MARKS,
  GATEWAY_PORTS,
  KUBECONFIG_KEY,
  LINK,
  MARKS,
} from "../control/link.ts";
import type { RawObject, Strings } from "../control/manifest.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { parseLabelSelector } from "../viz/selector.ts";
import { CHART_FLAGS } from "./chartflags.ts";
import { needCluster } from "./cluster.ts";
import { command } from "./command.ts";
import { count, list, optional, text, toggle, type Values } from "./flag.ts";
import { namespace } from "./mcinstall.ts";
import { linksOf, mirrorsIn } from "./mclinked.ts";
import { printObjects } from "./manifestfiles.ts";
import { patiently } from "./patiently.ts";
import { clientVersion } from "./version.ts";

const API_VERSION = `${LINK.group}/${LINK.versions[0]}`;
/** A new account has its token within a moment. */
const TOKEN_MS = 10_000;
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

const clusterName = text("NAME", "", "Name of the cluster: what is mirrored from it ends with it");

const LINK_FLAGS = {
  clusterName,
  namespace,
  serviceAccountName: text(
    "NAME",
    "linkerd-service-mirror-remote-access-default",
    "Account with which the other cluster reads services of this one",
  ),
  apiServerAddress: optional("URL", "How the other cluster reaches this API server, if not as you"),
  gateway: toggle("The other cluster comes through a gateway", { initial: true }),
  gatewayName: text("NAME", "linkerd-gateway", "Service of the gateway"),
  gatewayNamespace: optional("NAME", "Its namespace (default: that of the extension)"),
  gatewayAddresses: list("ADDRESS", "Its addresses, instead of those that its Service has"),
  gatewayPort: count("PORT", 0, "Its port, instead of that of its Service"),
  selector: text("LABELS", `${MARKS.exported}=true`, "Services that are mirrored", { short: "l" }),
  remoteDiscoverySelector: text(
    "LABELS",
    `${MARKS.exported}=remote-discovery`,
    "Services whose pods are reached without a gateway",
  ),
  federatedServiceSelector: text(
    "LABELS",
    `${MARKS.federated}=member`,
    "Services that are one with those of their name in other clusters",
  ),
  excludedAnnotations: list("NAME", "Annotations that mirrors do not take over (a.b/* for many)"),
  excludedLabels: list("NAME", "Labels that they do not"),
  output: CHART_FLAGS.output,
};
type LinkFlags = Values<typeof LINK_FLAGS>;

export const mcLinkGen = command({
  name: "link-gen",
  summary: "Print a Link to this cluster, and credentials, for another one",
  usage: "--cluster-name NAME",
  details: `Run it against the cluster whose services shall be seen elsewhere, and apply what it prints there. The
credentials do not end; delete the Secret of the account's token to take them back.`,
  examples: [
    [
      "East, for west",
      "--context east multicluster link-gen --cluster-name east | kubectl --context west apply -f -",
    ],
    [
      "With a gateway on ports of nodes",
      "multicluster link-gen --cluster-name east --gateway-addresses 10.0.0.4,10.0.0.5",
    ],
  ],
  flags: LINK_FLAGS,
  run: async ({ flags, globals, terminal }) => {
    const name = flags.clusterName;
    if (!NAME.test(name))
      throw new Fault(
        "bad-input",
        `--cluster-name ${JSON.stringify(name)}: a name of small letters, digits and dashes is needed`,
      );
    const api = needCluster(globals, terminal.env, terminal.scope);
    const { values } = await fetchInstallation(api, globals.linkerdNamespace);
    const { namespace, serviceAccountName } = flags;
    const token = await patiently(TOKEN_MS, terminal, () =>
      tokenOf(api, namespace, serviceAccountName),
    );
    const secret: RawObject = {
      apiVersion: "v1",
      kind: "Secret",
      type: CREDENTIALS_TYPE,
      metadata: { name: credentialsOf(name), namespace },
      data: {
        [KUBECONFIG_KEY]: Buffer.from(kubeconfig(api, flags, token)).toString("base64"),
      },
    };
    const link: RawObject = {
      apiVersion: API_VERSION,
      kind: "Link",
      metadata: {
        name,
        namespace,
        annotations: { "linkerd.io/created-by": `linkerd/cli ${clientVersion(terminal.env)}` },
      },
      spec: {
        targetClusterName: name,
        targetClusterDomain: values.clusterDomain,
        targetClusterLinkerdNamespace: globals.linkerdNamespace,
        clusterCredentialsSecret: credentialsOf(name),
        ...(flags.gateway && (await gatewaySpec(api, flags))),
        selector: parseLabelSelector(flags.selector),
        remoteDiscoverySelector: parseLabelSelector(flags.remoteDiscoverySelector),
        federatedServiceSelector: parseLabelSelector(flags.federatedServiceSelector),
        excludedAnnotations: flags.excludedAnnotations,
        excludedLabels: flags.excludedLabels,
      },
    };
    terminal.print(printObjects([secret, link], flags.output));
  },
});

export const mcUnlink = command({
  name: "unlink",
  summary: "Print what to delete so that this cluster forgets another one",
  usage: "--cluster-name NAME",
  examples: [["Forget east", "multicluster unlink --cluster-name east | kubectl delete -f -"]],
  flags: { clusterName, namespace, output: CHART_FLAGS.output },
  run: async ({ flags: { clusterName: name, namespace, output }, globals, terminal }) => {
    const api = needCluster(globals, terminal.env, terminal.scope);
    const links = (await linksOf(api)).map(({ link }) => link);
    if (!links.some(({ metadata }) => metadata.name === name && metadata.namespace === namespace))
      throw new Fault(
        "not-found",
        `there is no Link ${JSON.stringify(name)} in ${namespace}; there are: ${links.map(({ metadata }) => metadata.name).join(", ") || "none"}`,
      );
    const object = (apiVersion: string, kind: string, its: string, of: string): RawObject => ({
      apiVersion,
      kind,
      metadata: { name: its, namespace: of },
    });
    // The Link first: what mirrors it makes nothing anew.
    const objects = [
      object(API_VERSION, "Link", name, namespace),
      object("v1", "Secret", credentialsOf(name), namespace),
      ...(await mirrorsIn(api, name)).map(({ metadata: { name, namespace } }) =>
        object("v1", "Service", name, namespace),
      ),
    ];
    terminal.print(printObjects(objects, output));
  },
});

/** A kubeconfig for the account, with its token and this cluster's address. */
function kubeconfig({ access }: KubeApi, flags: LinkFlags, token: string): string {
  const { clusterName: name, serviceAccountName: user } = flags;
  const { server, ca, serverName, insecure } = access;
  const cluster = {
    server: flags.apiServerAddress ?? server,
    ...(ca && { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
    // Another address has another name.
    ...(serverName && !flags.apiServerAddress && { "tls-server-name": serverName }),
    ...(insecure && { "insecure-skip-tls-verify": true }),
  };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name, context: { cluster: name, user } }],
    "current-context": name,
  });
}

async function tokenOf(api: KubeApi, namespace: string, account: string): Promise<string> {
  type Secret = {
    readonly type?: string;
    readonly metadata: { readonly annotations?: Strings };
    readonly data?: Strings;
  };
  const found = (await api.list<Secret>(`/api/v1/namespaces/${namespace}/secrets`)).find(
    ({ type, metadata }) =>
      type === "kubernetes.io/service-account-token" &&
      metadata.annotations?.["kubernetes.io/service-account.name"] === account,
  );
  if (!found)
    throw new Fault(
      "not-found",
      `there is no token of the account ${namespace}/${account}: "linkerd multicluster install" makes it, "linkerd multicluster allow" others`,
    );
  const token = found.data?.["token"];
  if (token) return Buffer.from(token, "base64").toString();
  throw new Fault("unavailable", `the account ${namespace}/${account} has no token yet`);
}

type GatewayService = {
  readonly metadata: { readonly annotations?: Strings };
  readonly spec: {
    readonly type: string;
    readonly ports: readonly {
      readonly name?: string;
      readonly port: number;
      readonly nodePort?: number;
    }[];
  };
  readonly status: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[];
    };
  };
};

/** How to reach, know and probe the gateway, as its Service says. */
async function gatewaySpec(api: KubeApi, flags: LinkFlags): Promise<object> {
  const { gatewayName: name, gatewayAddresses, gatewayPort } = flags;
  const of = flags.gatewayNamespace ?? flags.namespace;
  const found = await api.find<GatewayService>(`/api/v1/namespaces/${of}/services/${name}`);
  if (!found)
    throw new Fault(
      "not-found",
      `there is no gateway ${name} in ${of}: "linkerd multicluster install" adds one; --gateway=false links without`,
    );
  const { type, ports } = found.spec;
  const annotations = found.metadata.annotations ?? {};
  const portOf = (port: string): string => {
    const its = ports.find((each) => each.name === port);
    if (!its) throw new Fault("bad-input", `the Service ${of}/${name} has no port ${port}`);
    return String(type === "NodePort" ? its.nodePort : its.port);
  };
  const addresses =
    gatewayAddresses.length > 0
      ? gatewayAddresses
      : (found.status.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? "");
  if (addresses.length === 0)
    throw new Fault(
      "unavailable",
      `the Service ${of}/${name} (${type}) has no address that leads in from outside${type === "LoadBalancer" ? " yet" : ""}: name them with --gateway-addresses`,
    );
  const identity = annotations[GATEWAY_MARKS.identity];
  if (!identity)
    throw new Fault(
      "bad-input",
      `the Service ${of}/${name} does not say ${GATEWAY_MARKS.identity}`,
    );
  const { path, period, timeout, failures } = GATEWAY_MARKS;
  return {
    gatewayAddress: addresses.join(","),
    gatewayPort: gatewayPort === 0 ? portOf(GATEWAY_PORTS.traffic) : String(gatewayPort),
    gatewayIdentity: identity,
    probeSpec: {
      path: annotations[path] ?? "/ready",
      port: portOf(GATEWAY_PORTS.probe),
      period: `${annotations[period] ?? 3}s`,
      timeout: annotations[timeout] ?? "30s",
      failureThreshold: annotations[failures] ?? "3",
    },
  };
}
