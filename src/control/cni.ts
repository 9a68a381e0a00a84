// The CNI plugin `linkerd-cni` (CNI specification 1.0): chained behind the cluster's own, it redirects the connections
// of new pods that have a sidecar, so that they need no init container with NET_ADMIN. The runtime starts it on the
// node, where it runs in a copy of our image (cniroot.ts); the pod's network namespace comes as an open file.

import { readFileSync } from "node:fs";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { enterNetwork } from "../io/netns.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import { readKubeconfig } from "../platform/kubeconfig.ts";
import type { Env } from "../proxy/env.ts";
import { INIT, PROXY } from "./injectproxy.ts";
import { redirectionOf } from "./injectinit.ts";
import type { RedirectOptions } from "./iptables.ts";
import type { RawObject, RawPod } from "./manifest.ts";
import { podOf } from "./manifest.ts";
import { override } from "./overrides.ts";
import { redirect } from "./proxyinit.ts";
import { readValues, type Values } from "./values.ts";

/** What the runtime writes on standard input: our entry of the network's configuration, with what came before us. */
type NetworkConfig = {
  readonly cniVersion?: string;
  readonly prevResult?: object;
  /** Values of the charts that say how pods are redirected. */
  readonly linkerd?: unknown;
};

/** The parts of the node that the plugin touches. */
export type CniNode = {
  readonly fetchPod: (namespace: string, name: string) => Promise<RawObject>;
  readonly redirect: (options: RedirectOptions, values: Values) => Promise<void>;
};

/** Where the wrapper puts the pod's network namespace. */
export const NETNS_FD = 3;
/** Where the installer puts the access to the API server, in the plugin's own root. */
export const KUBECONFIG = "/kubeconfig";
const VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const UNREADABLE = 6;
const FAILED = 100;

/** Answers one call of the container runtime; resolves to the exit code. */
export async function runCniPlugin(env: Env): Promise<number> {
  // Standard output is the answer's.
  log.filter = "error";
  const { answer, code } = await answerCni(readFileSync(0, "utf8"), env, NODE);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  return code;
}

/** The answer to a call with this input; what goes wrong is an answer too, after which the kubelet tries again. */
export async function answerCni(
  input: string,
  env: Env,
  node: CniNode,
): Promise<{ readonly answer: object; readonly code: number }> {
  let config: NetworkConfig = {};
  const failed = (code: number, error: unknown) => ({
    answer: { cniVersion: config.cniVersion ?? "1.0.0", code, msg: Fault.from(error).message },
    code: 1,
  });
  const command = env["CNI_COMMAND"] ?? "";
  if (command === "VERSION")
    return { answer: { cniVersion: "1.0.0", supportedVersions: VERSIONS }, code: 0 };
  try {
    config = networkOf(input);
  } catch (error) {
    return failed(UNREADABLE, error);
  }
  // What was set goes with its namespace, so that there is nothing to take back.
  if (command !== "ADD") return { answer: {}, code: 0 };
  try {
    await addPod(config, argumentsOf(env), node);
    return { answer: config.prevResult ?? { cniVersion: config.cniVersion ?? "1.0.0" }, code: 0 };
  } catch (error) {
    return failed(FAILED, error);
  }
}

function networkOf(input: string): NetworkConfig {
  const config: unknown = JSON.parse(input);
  if (typeof config !== "object" || config === null || Array.isArray(config))
    throw new Fault("bad-input", "the network's configuration on standard input is no object");
  return config;
}

async function addPod(
  config: NetworkConfig,
  { K8S_POD_NAMESPACE: namespace, K8S_POD_NAME: name }: Readonly<Record<string, string>>,
  node: CniNode,
): Promise<void> {
  if (!namespace || !name) return;
  const pod = podOf({ ...(await node.fetchPod(namespace, name)), kind: "Pod" });
  if (!pod || !needsRules(pod)) return;
  const { values } = readValues(config.linkerd);
  const own = override(values, pod.metadata?.annotations ?? {}, pod);
  await node.redirect(redirectionOf(own), own);
}

/** Whether a pod has a sidecar and nothing else that redirects to it. */
function needsRules({ spec }: RawPod): boolean {
  const names = [...spec.containers, ...(spec.initContainers ?? [])].map((each) => each.name);
  return names.includes(PROXY) && !names.includes(INIT);
}

// "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-1"
function argumentsOf(env: Env): Record<string, string> {
  const pairs = (env["CNI_ARGS"] ?? "").split(";").map((pair) => pair.split("="));
  return Object.fromEntries(pairs as [string, string][]);
}

const NODE: CniNode = {
  fetchPod: async (namespace, name) => {
    const api = new KubeApi(readKubeconfig([KUBECONFIG], {}, {}));
    try {
      return await api.request<RawObject>(`/api/v1/namespaces/${namespace}/pods/${name}`);
    } finally {
      api.close();
    }
  },
  redirect: (options, { disableIPv6, proxyInit }) => {
    enterNetwork(NETNS_FD);
    return redirect(options, { ipv6: !disableIPv6, mode: proxyInit.iptablesMode, wait: true });
  },
};
