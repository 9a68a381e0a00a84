// Who may tap in a cluster. The API server forwards requests of others with headers that say who they are, and proves
// by a certificate that it is the API server; whether they may is its answer to a SubjectAccessReview.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { source, type Watch } from "../base/watch.ts";
import type { HttpReq } from "../io/message.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { kindOf } from "./kinds.ts";
import type { Named } from "./world.ts";

/** Who asks, as the API server knows them. */
export type Asker = {
  readonly user: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
};

/** How the API server says on whose behalf it asks (the flags `--requestheader-*` of kube-apiserver). */
export type FrontProxy = {
  /** PEM of who vouches for the API server's client certificate. */
  readonly caPem: string;
  /** The names that its certificate may have; empty: any. */
  readonly names: readonly string[];
  readonly userHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
};

const CONFIG = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
/** Certificates are renewed over months. */
const REFRESH_MS = 60_000;

/** What the cluster says of its front proxy, read again every minute; fails for a cluster that has none. */
export function watchFrontProxy(api: KubeApi, clock: Clock): Watch<FrontProxy> {
  return source((set) => {
    const read = (): void => {
      api.request<{ data?: Readonly<Record<string, string>> }>(CONFIG).then(
        ({ data = {} }) => set({ kind: "ok", value: parseFrontProxy(data) }),
        (error: unknown) => {
          const fault = Fault.from(error);
          log.logger("viz::tap").warn("the cluster's front proxy is not known", { error: fault });
          set({ kind: "failed", fault });
        },
      );
    };
    read();
    const timer = clock.every(REFRESH_MS, read);
    return () => timer.cancel();
  });
}

/** Reads the ConfigMap extension-apiserver-authentication. Throws where aggregation is not set up. */
export function parseFrontProxy(data: Readonly<Record<string, string>>): FrontProxy {
  const caPem = data["requestheader-client-ca-file"];
  if (!caPem) throw new Fault("unavailable", "the cluster has no front proxy for extension APIs");
  const list = (name: string, otherwise: string[]): string[] => {
    const text = data[`requestheader-${name}`];
    return text ? (JSON.parse(text) as string[]) : otherwise;
  };
  return {
    caPem,
    names: list("allowed-names", []),
    userHeaders: list("username-headers", ["X-Remote-User"]),
    groupHeaders: list("group-headers", ["X-Remote-Group"]),
    extraPrefixes: list("extra-headers-prefix", ["X-Remote-Extra-"]),
  };
}

/** On whose behalf a request comes over a connection whose certificate was verified; throws `unauthenticated`. */
export function askerOf({ peer, headers }: HttpReq, front: FrontProxy): Asker {
  const name = peer.tls.kind === "true" ? peer.tls.identity : "";
  if (name === "" || (front.names.length > 0 && !front.names.includes(name)))
    throw new Fault("unauthenticated", `"${name}" is not the API server: only it may ask here`);
  const valuesOf = (wanted: readonly string[]): string[] =>
    pairs(headers).flatMap(([key, value]) =>
      wanted.some((each) => each.toLowerCase() === key) ? [value] : [],
    );
  const [user] = valuesOf(front.userHeaders);
  if (!user) throw new Fault("unauthenticated", "the API server does not say who asks");
  const extra: Record<string, string[]> = {};
  for (const [key, value] of pairs(headers)) {
    const prefix = front.extraPrefixes.find((each) => key.startsWith(each.toLowerCase()));
    if (prefix) (extra[decodeURIComponent(key.slice(prefix.length))] ??= []).push(value);
  }
  return { user, groups: valuesOf(front.groupHeaders), extra };
}

function pairs(headers: readonly string[]): [name: string, value: string][] {
  const found: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2)
    found.push([headers[i]!.toLowerCase(), headers[i + 1]!]);
  return found;
}

/** What tapping a resource takes, as RBAC words it. */
function tapAttributes({ kind, namespace, name }: Named): object {
  const isNamespace = kind === "namespace";
  return {
    namespace: isNamespace ? name : namespace,
    verb: "watch",
    group: "tap.linkerd.io",
    version: "v1alpha1",
    resource: kindOf(kind)?.plural ?? kind,
    subresource: "tap",
    name,
  };
}

type Review = { readonly status: { readonly allowed: boolean; readonly reason?: string } };
const REVIEWS = "/apis/authorization.k8s.io/v1";

/** Rejects with `no-permission` unless `asker` may tap; without one, unless whoever runs this may. */
export async function reviewTap(api: KubeApi, of: Named, asker?: Asker): Promise<void> {
  const spec = { ...asker, resourceAttributes: tapAttributes(of) };
  const kind = asker ? "SubjectAccessReview" : "SelfSubjectAccessReview";
  const { status } = await api.request<Review>(`${REVIEWS}/${kind.toLowerCase()}s`, {
    method: "POST",
    body: { apiVersion: "authorization.k8s.io/v1", kind, spec },
  });
  if (!status.allowed) throw mayNotTap(of, asker?.user, status.reason);
}

/** The refusal, with what would change it. */
export function mayNotTap({ kind, namespace, name }: Named, user = "you", reason = ""): Fault {
  const plural = kindOf(kind)?.plural ?? kind;
  const where = kind === "namespace" ? `the namespace ${name}` : `${plural} in ${namespace}`;
  return new Fault(
    "no-permission",
    `${user} may not tap ${where}: it takes the verb "watch" on ${plural}/tap of tap.linkerd.io, which the ClusterRole linkerd-linkerd-viz-tap-admin has${reason && ` (${reason})`}`,
  );
}
