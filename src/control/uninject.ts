// Takes out of a workload what injection put in, whoever injected it.

import { DEFAULT_CONTAINER } from "./inject.ts";
import { DEBUG, INIT, PROXY, VALIDATOR, VOLUMES } from "./injectproxy.ts";
import type { RawMetadata, RawObject, Strings } from "./manifest.ts";
import { podOf, withPod } from "./manifest.ts";

const CONTAINERS = new Set([PROXY, INIT, VALIDATOR, DEBUG]);
const VOLUME_NAMES = new Set<string>([
  ...Object.values(VOLUMES).map(({ name }) => name),
  "linkerd-podinfo",
]);

export type Uninjected = { readonly object: RawObject; readonly changed: boolean };

/** The object without sidecar, volumes, labels and annotations of the mesh. */
export function uninject(object: RawObject): Uninjected {
  const pod = podOf(object);
  const own = bare(object.metadata);
  const changedOwn = own !== object.metadata;
  const kept = changedOwn ? { ...object, metadata: own! } : object;
  if (!pod) {
    const isPart = object.kind === "Namespace" || object.kind === "Service";
    return isPart ? { object: kept, changed: changedOwn } : { object, changed: false };
  }
  const { spec } = pod;
  const initContainers = without(spec.initContainers, CONTAINERS);
  const containers = without(spec.containers, CONTAINERS);
  const volumes = without(spec.volumes, VOLUME_NAMES);
  const metadata = bare(pod.metadata, containers![0]?.name);
  const changed =
    changedOwn ||
    metadata !== pod.metadata ||
    initContainers !== spec.initContainers ||
    containers !== spec.containers ||
    volumes !== spec.volumes;
  if (!changed) return { object, changed };
  const { initContainers: _i, containers: _c, volumes: _v, ...rest } = spec;
  const next = {
    ...rest,
    ...(volumes?.length ? { volumes } : {}),
    ...(initContainers?.length ? { initContainers } : {}),
    containers: containers!,
  };
  return { object: withPod(kept, { ...(metadata ? { metadata } : {}), spec: next }), changed };
}

function without<T extends { readonly name: string }>(
  list: readonly T[] | undefined,
  names: ReadonlySet<string>,
): readonly T[] | undefined {
  return list?.some(({ name }) => names.has(name))
    ? list.filter(({ name }) => !names.has(name))
    : list;
}

const isOurs = (name: string): boolean =>
  /^(config\.((alpha|beta)\.)?|viz\.)?linkerd\.io\//.test(name) &&
  name !== "config.linkerd.io/admission-webhooks";

// What kubectl means without being told so need not be said: injection did, where the proxy came first.
function bare(metadata: RawMetadata | undefined, first?: string): RawMetadata | undefined {
  if (!metadata) return metadata;
  const { labels, annotations, ...rest } = metadata;
  const [marks, notes] = [stripped(labels), stripped(annotations, first)];
  if (marks === labels && notes === annotations) return metadata;
  return {
    ...rest,
    ...(marks && Object.keys(marks).length > 0 ? { labels: marks } : {}),
    ...(notes && Object.keys(notes).length > 0 ? { annotations: notes } : {}),
  };
}

function stripped(map: Strings | null | undefined, first?: string): Strings | null | undefined {
  if (!map || !Object.keys(map).some(isOurs)) return map;
  const isImplied = (name: string, text: string): boolean =>
    name === DEFAULT_CONTAINER && text === first;
  return Object.fromEntries(
    Object.entries(map).filter(([name, text]) => !isOurs(name) && !isImplied(name, text)),
  );
}
