// The cluster that a command talks to: the one of the kubeconfig, and what an installation there has stored of itself.

import { X509Certificate } from "node:crypto";
import { parse } from "yaml";
import { Fault } from "../base/fault.ts";
import type { Installation } from "../control/injectproxy.ts";
import { readValues } from "../control/values.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import { findKubeconfig, inCluster, isInCluster, readKubeconfig } from "../platform/kubeconfig.ts";
import type { Globals } from "./command.ts";

/** The API server of the kubeconfig, or of the pod that this runs in; undefined when there is neither. */
export function findCluster(globals: Globals, env: NodeJS.ProcessEnv): KubeApi | undefined {
  const path = findKubeconfig(globals, env);
  if (path !== undefined) return new KubeApi(readKubeconfig(path, globals));
  return isInCluster(env) ? new KubeApi(inCluster(env)) : undefined;
}

/** The same; throws a fault that says what to do when there is none. */
export function needCluster(globals: Globals, env: NodeJS.ProcessEnv): KubeApi {
  const api = findCluster(globals, env);
  if (api) return api;
  throw new Fault(
    "not-found",
    "no cluster is known here: name its kubeconfig with --kubeconfig or $KUBECONFIG",
  );
}

type ConfigMap = { readonly data?: Readonly<Record<string, string>> };

/** The data of a ConfigMap; undefined when it is not there. */
export async function configMap(
  api: KubeApi,
  namespace: string,
  name: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
  try {
    return (await api.request<ConfigMap>(path)).data ?? {};
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") return undefined;
    throw error;
  }
}

/** What the control plane of a cluster injects with; throws a fault when there is none. */
export async function installationOf(api: KubeApi, namespace: string): Promise<Installation> {
  const [config, roots] = await Promise.all([
    configMap(api, namespace, "linkerd-config"),
    configMap(api, namespace, "linkerd-identity-trust-roots"),
  ]);
  const anchors = roots?.["ca-bundle.crt"];
  if (!config || anchors === undefined) {
    throw new Fault(
      "not-found",
      `there is no control plane in the namespace ${namespace}: "linkerd install" makes one`,
    );
  }
  // A bundle that does not parse would only show in each new pod.
  new X509Certificate(anchors);
  const { values } = readValues(parse(config["values"] ?? ""));
  return { values, namespace, trustAnchors: anchors };
}
