// How to read the cluster of a Link: the kubeconfig in its Secret, as it changes.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Watch } from "../base/watch.ts";
import { KINDS, type Resource } from "../platform/kinds.ts";
import { watchRow } from "../platform/kube.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { type KubeAccess, parseKubeconfig } from "../platform/kubeconfig.ts";
import { KUBECONFIG_KEY } from "./link.ts";

/** The access that a Secret gives; fails while it gives none. */
export function watchAccess(
  api: KubeApi,
  namespace: string,
  secret: string,
  clock: Clock,
): Watch<KubeAccess> {
  const fields = `metadata.name=${secret}`;
  const secrets = watchRow<Resource<"Secret">>(api, KINDS.Secret, { clock, namespace, fields });
  return secrets
    .map((all) => all.get(`${namespace}/${secret}`)?.data[KUBECONFIG_KEY])
    .distinct()
    .map((text) => parseCredentials(text, `the Secret ${namespace}/${secret}`));
}

/** Reads what stands in such a Secret; `where` names it. */
export function parseCredentials(text: string | undefined, where: string): KubeAccess {
  if (text === undefined) throw new Fault("not-found", `${where} has no ${KUBECONFIG_KEY}`);
  return parseKubeconfig(Buffer.from(text, "base64").toString(), where);
}
