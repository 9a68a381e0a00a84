// What a Link's status says of the services of its cluster: whether they are mirrored, or what is in the way.

import { isDeepStrictEqual } from "node:util";
import type { Service } from "../platform/kinds.ts";
import type { LinkStatus } from "./link.ts";
import type { Sight } from "./mirror.ts";

/** A service of the other cluster, and what it takes here. */
export type Candidate = {
  readonly of: Service;
  /** Of the services that stand for it here; the one that bears its name first. */
  readonly keys: readonly string[];
  readonly ports: Service["spec"]["ports"];
  readonly needsGateway: boolean;
  /** Whether a service that is there already may be written. */
  readonly isOurs: (service: Service) => boolean;
};

type Status = LinkStatus["mirrorServices"];
type Refusal = { readonly reason: string; readonly message: string };

const MAX_NAME = 63;

/** Why a service cannot be had here; undefined when it can. */
export function refusalOf(
  { link, services, namespaces }: Sight,
  { of, keys, ports, needsGateway, isOurs }: Candidate,
  makesNamespaces: boolean,
): Refusal | undefined {
  const { namespace } = of.metadata;
  const long = keys.map((key) => key.split("/")[1]!).find((name) => name.length > MAX_NAME);
  const taken = keys.find((key) => {
    const now = services.get(key);
    return now !== undefined && !isOurs(now);
  });
  if (needsGateway && link.spec.gatewayAddress === "")
    return refuse("NoGateway", "the Link names no gateway that leads to the service");
  if (ports.length === 0) return refuse("NoPort", "the service has no port for TCP");
  if (long !== undefined) return refuse("NameTooLong", `${long} has more than ${MAX_NAME} letters`);
  if (taken !== undefined)
    return refuse("NameTaken", `there is a service ${taken} that is no mirror of this cluster's`);
  if (!namespaces.has(namespace) && !makesNamespaces)
    return refuse("NoNamespace", `there is no namespace ${namespace}; make it to have the mirror`);
  return undefined;
}

/** The status of a service; of a condition that `before` had as well, the time stays. */
export function statusOf(
  { of, keys }: Candidate,
  refusal: Refusal | undefined,
  before: Status,
  now: string,
): Status[number] {
  const { name, namespace } = of.metadata;
  const [last] =
    before.find(({ remoteRef: r }) => r.name === name && r.namespace === namespace)?.conditions ??
    [];
  const condition = {
    type: "Mirrored",
    status: refusal ? "False" : "True",
    reason: refusal?.reason ?? "Mirrored",
    message: refusal?.message ?? "",
    localRef: refTo(keys[0]!),
  };
  const since = last?.lastTransitionTime ?? now;
  const isSame = isDeepStrictEqual(last, { ...condition, lastTransitionTime: since });
  return {
    controllerName: "linkerd.io/service-mirror",
    remoteRef: refTo(`${namespace}/${name}`),
    conditions: [{ ...condition, lastTransitionTime: isSame ? since : now }],
  };
}

const refuse = (reason: string, message: string): Refusal => ({ reason, message });

function refTo(key: string) {
  const [namespace = "", name = ""] = key.split("/");
  return { group: "", kind: "Service", name, namespace };
}
