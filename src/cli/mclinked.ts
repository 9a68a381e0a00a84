// What a cluster is linked to, as verbs and checks look at it: Links and how to read their clusters, mirrors and the pods
// that keep them.

import { KUBECONFIG_KEY, LINK, type Link } from "../control/link.ts";
import { parseCredentials } from "../control/linkaccess.ts";
import type { Strings } from "../control/manifest.ts";
import { ENDPOINTS, type Endpoints, marksOf } from "../control/mirror.ts";
import { KINDS, type Service } from "../platform/kinds.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { KubeAccess } from "../platform/kubeconfig.ts";
import type { Mistake } from "../platform/shape.ts";

/** A Link, with what is wrong with it. */
type ReadLink = { readonly link: Link; readonly mistakes: readonly Mistake[] };

/** All Links of a cluster; none where it does not know the kind. */
export async function linksOf(api: KubeApi): Promise<readonly ReadLink[]> {
  const path = `/apis/${LINK.group}/${LINK.versions[0]}/${LINK.plural}`;
  const found = await api.find<{ items: readonly object[] }>(path);
  return (found?.items ?? []).map((item) => {
    const mistakes: Mistake[] = [];
    const read = LINK.shape.read(item, [], mistakes);
    return { link: { apiVersion: "", ...read }, mistakes };
  });
}

/** The services that mirror a cluster's, or any's. */
export async function mirrorsIn(api: KubeApi, cluster?: string): Promise<readonly Service[]> {
  const items = await api.list<object>("/api/v1/services", labelsOf(cluster));
  const { shape, kind } = KINDS.Service;
  return items.map((item) => ({ apiVersion: "v1", kind, ...shape.read(item, [], []) }));
}

/** The endpoints of mirrors of any cluster. */
export async function mirrorEndpointsIn(api: KubeApi): Promise<readonly Endpoints[]> {
  const items = await api.list<object>("/api/v1/endpoints", labelsOf());
  return items.map((item) => ENDPOINTS.shape.read(item, [], []));
}

/** The label selector of the pods that mirror a Link's cluster. */
export const controllersOf = ({ metadata }: Link): string =>
  `component=controller,mirror.linkerd.io/cluster-name=${metadata.name}`;

/** How a Link's mirror reads the other cluster. */
export async function accessOf(api: KubeApi, { metadata, spec }: Link): Promise<KubeAccess> {
  const { namespace } = metadata;
  const name = spec.clusterCredentialsSecret;
  const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
  const { data } = await api.request<{ data?: Strings }>(path);
  return parseCredentials(data?.[KUBECONFIG_KEY], `the Secret ${namespace}/${name}`);
}

function labelsOf(cluster?: string): string {
  return Object.entries(marksOf(cluster ?? ""))
    .map(([key, value]) => (value === "" ? key : `${key}=${value}`))
    .join();
}
