// The identity of viz itself: by it proxies and Prometheus know who asks, and from it follow those of all others.

import type { Credentials, ServerIdentity } from "../io/tls.ts";

/** The credentials of viz as they are now; undefined before it was certified. */
export type Own = () => Credentials | undefined;

// All identities of a mesh end alike: "tap.linkerd-viz.serviceaccount.identity.linkerd.cluster.local".
const OWN_ACCOUNT = /^[^.]+\.[^.]+(\.serviceaccount\.)/;

/** Who answers for a service account in the mesh of `mine`. */
export function serverAt(
  mine: Credentials,
  { serviceAccount, namespace }: { readonly serviceAccount: string; readonly namespace: string },
): ServerIdentity {
  const id = serviceAccount + mine.name.replace(OWN_ACCOUNT, `.${namespace}$1`);
  return { id, serverName: id };
}
