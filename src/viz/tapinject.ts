// The tap injector: tells the proxy of each new pod who may tap it, unless the pod or its namespace wants no taps. It is
// apart from the proxy injector, because a mesh without viz is tapped by nobody.

import { admission, type Verdict } from "../control/admission.ts";
import { jsonPatch } from "../control/jsonpatch.ts";
import {
  podOf,
  withMetadata,
  withPod,
  type RawContainer,
  type RawObject,
} from "../control/manifest.ts";
import type { ResourceMap } from "../platform/resources.ts";
import type { HttpService } from "../stack/types.ts";

const PROXY = "linkerd-proxy";
const VARIABLE = "LINKERD2_PROXY_TAP_SVC_NAME";
const DISABLE = "viz.linkerd.io/disable-tap";

/** Injects pods; `tapper` is the identity that may tap, and namespaces are those known at the moment. */
export function tapInjector(
  tapper: string,
  namespaces: () => ResourceMap<"Namespace"> | undefined,
): HttpService {
  return admission(({ namespace, object }): Verdict => {
    const ofNamespace = namespaces()?.get(namespace)?.metadata.annotations ?? {};
    return { patch: jsonPatch(object, allowTap(object, tapper, ofNamespace)) };
  });
}

/** A pod whose proxy `tapper` may tap, or that says that its namespace wants no taps; the same object when it has no
 * proxy, is done already, or wants none itself. */
export function allowTap(
  object: RawObject,
  tapper: string,
  ofNamespace: Readonly<Record<string, string>>,
): RawObject {
  const pod = podOf(object);
  if (!pod) return object;
  const wish = pod.metadata?.annotations?.[DISABLE];
  const { containers, initContainers = [] } = pod.spec;
  const proxy = [...containers, ...initContainers].find(({ name }) => name === PROXY);
  if (wish === "true" || !proxy || proxy.env?.some(({ name }) => name === VARIABLE)) return object;
  if (wish === undefined && ofNamespace[DISABLE] === "true")
    return withPod(object, { ...pod, metadata: withMetadata(pod.metadata, { [DISABLE]: "true" }) });
  const tell = (container: RawContainer): RawContainer =>
    container.name === PROXY
      ? { ...container, env: [...(container.env ?? []), { name: VARIABLE, value: tapper }] }
      : container;
  return withPod(object, {
    ...pod,
    metadata: withMetadata(pod.metadata, { "viz.linkerd.io/tap-enabled": "true" }),
    spec: {
      ...pod.spec,
      containers: containers.map(tell),
      ...(pod.spec.initContainers && { initContainers: initContainers.map(tell) }),
    },
  });
}
