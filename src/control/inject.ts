// Injection: a workload, a pod or a service with what makes it part of the mesh. A pure function, so that the
// webhook, `linkerd inject --manual` and tests do the same. Why something is left alone is part of the answer.

import { createHash } from "node:crypto";
import { BUILD } from "./build.ts";
import type { Installation } from "./injectproxy.ts";
import { initContainer, validatorContainer } from "./injectinit.ts";
import { debugContainer, proxyContainer, VOLUMES } from "./injectproxy.ts";
import type { RawContainer, RawObject, RawPod, Strings } from "./manifest.ts";
import { podOf, withMetadata, withPod } from "./manifest.ts";
import { CONFIG, isInherited, override } from "./overrides.ts";
import { hasPort, inboundPorts, podPorts } from "./podports.ts";

/** Why something gets no sidecar, by the code that metrics and events use. */
export const SKIPPED = {
  host_network_enabled: "hostNetwork is enabled",
  sidecar_already_exists: "pod has a sidecar injected already",
  unsupported_resource: "this resource kind is unsupported",
  injection_enable_annotation_absent:
    'neither the namespace nor the pod have the annotation "linkerd.io/inject:enabled"',
  injection_disable_annotation_present: 'pod has the annotation "linkerd.io/inject:disabled"',
  invalid_inject_annotation_at_workload:
    'invalid value for annotation "linkerd.io/inject" at workload',
  invalid_inject_annotation_at_ns: 'invalid value for annotation "linkerd.io/inject" at namespace',
} as const;

export type SkipReason = keyof typeof SKIPPED;

export type Injected = {
  readonly object: RawObject;
  /** Empty when it was injected. */
  readonly skipped: readonly SkipReason[];
  /** Whether it has ports that are not TCP, which no proxy sees. */
  readonly hasUdp: boolean;
};

const INJECT = "linkerd.io/inject";
const OPAQUE = `${CONFIG}opaque-ports`;
/** Which container kubectl means when nobody says. */
export const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";
const SIDECARS = ["linkerd-proxy", "istio-proxy", "linkerd-init", "istio-init"];
const SIDECAR_IMAGES = ["cr.l5d.io/linkerd/proxy:", "gcr.io/istio-release/proxyv2:"];

/** Injects `object`, whose namespace has these annotations. Throws `bad-input` for an annotation that cannot be read. */
export function inject(
  object: RawObject,
  installation: Installation,
  ofNamespace: Strings = {},
): Injected {
  if (object.kind === "Service") {
    return {
      object: annotateService(object, installation, ofNamespace),
      skipped: [],
      hasUdp: false,
    };
  }
  const pod = podOf(object);
  if (!pod) return { object, skipped: ["unsupported_resource"], hasUdp: false };
  const skipped = reasonsToSkip(object, pod, ofNamespace);
  const inherited = pick(ofNamespace, (name) => isInherited(name) && !annotationOf(pod, name));
  const opaque = opaquePorts(pod, installation, ofNamespace);
  const noted = withMetadata(pod.metadata, { ...(skipped.length === 0 && inherited), ...opaque });
  const annotated: RawPod = { ...pod, metadata: noted };
  const next = skipped.length === 0 ? meshed(object, annotated, installation) : annotated;
  const isChanged = skipped.length === 0 || Object.keys(opaque).length > 0;
  return {
    object: isChanged ? withPod(object, next) : object,
    skipped,
    hasUdp: pod.spec.containers.some(({ ports }) =>
      ports?.some(({ protocol }) => protocol === "UDP"),
    ),
  };
}

/** Whether a pod has a sidecar, ours or another mesh's. */
function hasSidecar({ spec }: RawPod): boolean {
  return [...spec.containers, ...(spec.initContainers ?? [])].some(
    ({ name, image = "" }) =>
      SIDECARS.includes(name) || SIDECAR_IMAGES.some((prefix) => image.startsWith(prefix)),
  );
}

function reasonsToSkip(object: RawObject, pod: RawPod, ofNamespace: Strings): SkipReason[] {
  const reasons: SkipReason[] = [];
  if (pod.spec.hostNetwork) reasons.push("host_network_enabled");
  if (hasSidecar(pod)) reasons.push("sidecar_already_exists");
  const valid = ["enabled", "disabled", "ingress"];
  const [mine, inherited] = [annotationOf(pod, INJECT), ofNamespace[INJECT]];
  const wish = mine ?? inherited;
  if (mine !== undefined && !valid.includes(mine))
    reasons.push("invalid_inject_annotation_at_workload");
  else if (mine === undefined && inherited !== undefined && !valid.includes(inherited))
    reasons.push("invalid_inject_annotation_at_ns");
  else if (wish === undefined) reasons.push("injection_enable_annotation_absent");
  else if (wish === "disabled") reasons.push("injection_disable_annotation_present");
  return reasons;
}

function meshed(object: RawObject, pod: RawPod, installation: Installation): RawPod {
  const { namespace } = installation;
  const values = override(installation.values, pod.metadata?.annotations ?? {}, pod);
  const own = { ...installation, values };
  const { proxy, cniEnabled, linkerdVersion } = values;
  const { initContainers = [], containers, volumes = [] } = pod.spec;
  // First with await, since its postStart holds up those behind it.
  const isFirst = !proxy.nativeSidecar && proxy.await;
  const marked = withMetadata(
    pod.metadata,
    {
      "linkerd.io/created-by": `linkerd/proxy-injector ${BUILD}`,
      "linkerd.io/inject": annotationOf(pod, INJECT) ?? "enabled",
      "linkerd.io/proxy-version": proxy.image.version || linkerdVersion || BUILD,
      "linkerd.io/trust-root-sha256": createHash("sha256")
        .update(installation.trustAnchors)
        .digest("hex"),
      // kubectl would mean the first container, which is the proxy.
      ...(isFirst &&
        annotationOf(pod, DEFAULT_CONTAINER) === undefined && {
          [DEFAULT_CONTAINER]: containers[0]!.name,
        }),
    },
    {
      "linkerd.io/control-plane-ns": namespace,
      ...ownerLabel(object),
      ...(object.metadata?.namespace && { "linkerd.io/workload-ns": object.metadata.namespace }),
    },
  );
  const first = cniEnabled ? validatorContainer(pod, own) : initContainer(pod, own);
  const sidecar = proxyContainer(pod, own);
  const debug: RawContainer[] =
    annotationOf(pod, `${CONFIG}enable-debug-sidecar`) === "true" ? [debugContainer(own)] : [];
  const lists = proxy.nativeSidecar
    ? { initContainers: [first, sidecar, ...initContainers], containers: [...containers, ...debug] }
    : {
        initContainers: [...initContainers, first],
        containers: isFirst
          ? [sidecar, ...containers, ...debug]
          : [...containers, ...debug, sidecar],
      };
  return {
    ...pod,
    metadata: marked,
    spec: {
      ...pod.spec,
      volumes: [...(cniEnabled ? [] : [VOLUMES.lock]), VOLUMES.identity, VOLUMES.token, ...volumes],
      ...lists,
    },
  };
}

// A pod of a ReplicaSet that a Deployment made carries the Deployment's name.
function ownerLabel({ kind = "", metadata = {} }: RawObject): Strings {
  if (kind !== "Pod")
    return metadata.name ? { [`linkerd.io/proxy-${kind.toLowerCase()}`]: metadata.name } : {};
  const [owner] = metadata.ownerReferences ?? [];
  if (!owner) return {};
  const hash = `-${metadata.labels?.["pod-template-hash"]}`;
  return owner.kind === "ReplicaSet" && owner.name.endsWith(hash)
    ? { "linkerd.io/proxy-deployment": owner.name.slice(0, -hash.length) }
    : { [`linkerd.io/proxy-${owner.kind.toLowerCase()}`]: owner.name };
}

// The annotation that the destination controller reads: the namespace's, or those of the default ports that are there.
function opaquePorts(pod: RawPod, { values }: Installation, ofNamespace: Strings): Strings {
  if (annotationOf(pod, OPAQUE) !== undefined) return {};
  const wanted = ofNamespace[OPAQUE];
  const list =
    wanted === undefined
      ? inboundPorts(pod)
          .filter((port) => hasPort(values.proxy.opaquePorts, port))
          .join(",")
      : podPorts(wanted, pod).join(",");
  return list === "" ? {} : { [OPAQUE]: list };
}

type ServicePort = { readonly port: number; readonly targetPort?: number | string };

function annotateService(
  object: RawObject,
  { values }: Installation,
  ofNamespace: Strings,
): RawObject {
  if (object.metadata?.annotations?.[OPAQUE] !== undefined) return object;
  const { ports = [] } = (object.spec ?? {}) as { ports?: ServicePort[] };
  const isOpaque = ({ port, targetPort }: ServicePort): boolean =>
    hasPort(values.proxy.opaquePorts, typeof targetPort === "number" ? targetPort : port);
  const found = ports.filter(isOpaque).map(({ port }) => port);
  const list = ofNamespace[OPAQUE] ?? found.join(",");
  return list === ""
    ? object
    : { ...object, metadata: withMetadata(object.metadata, { [OPAQUE]: list }) };
}

const annotationOf = ({ metadata }: RawPod, name: string): string | undefined =>
  metadata?.annotations?.[name];

function pick(from: Strings, isWanted: (name: string) => boolean): Strings {
  return Object.fromEntries(Object.entries(from).filter(([name]) => isWanted(name)));
}
