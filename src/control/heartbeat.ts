// `linkerd controller heartbeat`: tells a server that the installation names which version runs and how much it is used,
// with the parameters of Linkerd's. Run by a CronJob, which is only there when a server was named; nothing is sent otherwise.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Installation } from "./injectproxy.ts";

const TIMEOUT_MS = 30_000;
const EXTENSION = "linkerd.io/extension";

type Item = {
  readonly metadata: {
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
};

/** Sends one heartbeat; rejects when nobody takes it. */
export async function sendHeartbeat(api: KubeApi, installation: Installation): Promise<void> {
  const { heartbeatURL: url } = installation.values;
  const words = (await measure(api, installation)).toString();
  const rsp = await fetch(`${url}?${words}`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new Fault("unavailable", `${url} does not answer: ${Fault.from(error).message}`);
  });
  const newest = await rsp.text();
  if (!rsp.ok) throw new Fault("unavailable", `${url} answered with ${rsp.status}`);
  log.logger("heartbeat").info("sent", { to: url, newest });
}

async function measure(
  api: KubeApi,
  { values, namespace }: Installation,
): Promise<URLSearchParams> {
  const [config, { gitVersion }, extensions, profiles] = await Promise.all([
    api.request<Item>(`/api/v1/namespaces/${namespace}/configmaps/linkerd-config`),
    api.request<{ gitVersion: string }>("/version"),
    api.list<Item>("/api/v1/namespaces", EXTENSION),
    api.list<Item>("/apis/linkerd.io/v1alpha2/serviceprofiles"),
  ]);
  const { uid, creationTimestamp } = config.metadata;
  return new URLSearchParams({
    arch: process.arch,
    "install-time": String(Math.floor(Date.parse(creationTimestamp) / 1000)),
    "k8s-version": gitVersion,
    "service-profile-count": String(profiles.length),
    source: "heartbeat",
    uuid: uid,
    version: values.linkerdVersion,
    ...Object.fromEntries(
      extensions.map(({ metadata }) => [`ext-${metadata.labels?.[EXTENSION]}`, "1"]),
    ),
  });
}
