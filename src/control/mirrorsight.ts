// What a service mirror looks at: its Link, by whose credentials the services of the other cluster, whether the gateway
// there answers, and what this cluster has. Another cluster that does not answer is as it was.

import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import type { Registry } from "../base/metrics.ts";
import { combine, constant, known, source, type Watch } from "../base/watch.ts";
import { kubeResources, watchRow } from "../platform/kube.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import type { KubeAccess } from "../platform/kubeconfig.ts";
import { type GatewayAddress, watchGateway } from "./gatewayprobe.ts";
import { type Link, LINK } from "./link.ts";
import { watchAccess } from "./linkaccess.ts";
import { ENDPOINTS, type Endpoints, marksOf, type Remote, type Sight } from "./mirror.ts";

/** A sight; without a Link nothing shall be mirrored. */
export type LinkedOrNot = Omit<Sight, "link"> & { readonly link: Link | undefined };

type Of = {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly name: string;
  readonly registry: Registry;
};

/** What the mirrors of the Link `namespace/name` follow from, while somebody observes it. */
export function watchSights(of: Of, withHeadless: boolean, clock: Clock): Watch<LinkedOrNot> {
  const { api, namespace, name, registry } = of;
  const one = (its: string) => ({ clock, namespace, fields: `metadata.name=${its}` });
  const links = watchRow<Link>(api, LINK, one(name)).map((all) => all.get(`${namespace}/${name}`));
  const remote = links
    .map((link) => link?.spec.clusterCredentialsSecret)
    .distinct()
    .flatMap((secret): Watch<Remote | undefined> => {
      if (secret === undefined) return constant(undefined);
      const access = watchAccess(api, namespace, secret, clock);
      return onceKnown(access.flatMap((its) => watchRemote(its, withHeadless, clock)));
    });
  const gateway = links
    .distinct((a, b) => isDeepStrictEqual(gatewayOf(a), gatewayOf(b)))
    .flatMap((link): Watch<readonly GatewayAddress[]> =>
      link === undefined ? constant([]) : watchGateway(link, registry, clock),
    );
  const resources = kubeResources(api, { clock, kinds: ["Namespace", "Service"] });
  const labels = Object.entries(marksOf(name))
    .map((pair) => pair.join("="))
    .join(",");
  const endpoints = watchRow<Endpoints>(api, ENDPOINTS, { clock, labels });
  return combine([
    links,
    remote,
    resources.watch("Namespace"),
    resources.watch("Service"),
    endpoints,
    gateway,
  ]).map(([link, remote, namespaces, services, endpoints, gateway]) => {
    return { link, remote, namespaces, services, endpoints, gateway };
  });
}

const gatewayOf = (link: Link | undefined) =>
  link && [link.spec.gatewayAddress, link.spec.probeSpec];

function watchRemote(access: KubeAccess, withHeadless: boolean, clock: Clock): Watch<Remote> {
  return source((set) => {
    const api = new KubeApi(access);
    const kinds = ["Service", ...(withHeadless ? (["EndpointSlice"] as const) : [])] as const;
    const resources = kubeResources(api, { clock, kinds });
    const close = combine([resources.watch("Service"), resources.watch("EndpointSlice")])
      .map(([services, slices]) => ({ services, slices }))
      .observe(set);
    return () => {
      close();
      api.close();
    };
  });
}

// Undefined until there is a value.
function onceKnown<T>(watch: Watch<T>): Watch<T | undefined> {
  return source((set) => {
    set({ kind: "ok", value: undefined });
    return watch.observe((state) => {
      const value = known(state);
      if (value !== undefined) set({ kind: "ok", value });
      if (state.kind !== "failed") return;
      log.logger("service-mirror").warn("the other cluster cannot be read", { error: state.fault });
    });
  });
}
