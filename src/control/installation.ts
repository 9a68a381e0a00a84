// What an installation has stored of itself in a cluster, asked of the API server.

import { X509Certificate } from "node:crypto";
import { parse } from "yaml";
import { Fault } from "../base/fault.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Installation } from "./injectproxy.ts";
import { readValues } from "./values.ts";

type ConfigMap = { readonly data?: Readonly<Record<string, string>> };

/** What the control plane in `namespace` injects with; throws `not-found` when there is none. */
export async function fetchInstallation(api: KubeApi, namespace: string): Promise<Installation> {
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

async function configMap(api: KubeApi, namespace: string, name: string) {
  const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
  const found = await api.find<ConfigMap>(path);
  return found && (found.data ?? {});
}
